#include <iostream>
#include <memory>
#include <string>

#include "cli/plan_text.h"
#include "cli/verbs.h"
#include "daemon/exit.h"
#include "text/units.h"

namespace holdfast {
namespace {

struct PlanFlags {
    std::string detect_within;
    bool json = false;
};

int plan_verb(const PlanFlags& flags) {
    if (flags.detect_within.empty()) {
        print_error("--detect-within is required: holdfast plan --help lists what it takes");
        return exit_wrong_usage;
    }
    const auto duration = parse_duration(flags.detect_within);
    if (!duration) {
        print_error("--detect-within: " + duration.error().message);
        return exit_wrong_usage;
    }
    const auto plan = plan_liveness(duration.value());
    if (!plan) {
        print_error(plan.error().message);
        return exit_wrong_usage;
    }
    if (!flags.json) {
        print_plan(plan.value());
        return exit_good;
    }
    JsonWriter json;
    json.begin_object();
    write_plan(json, plan.value());
    std::cout << json.end_object().take() << '\n';
    return exit_good;
}

}  // namespace

Verb make_plan_verb() {
    const auto flags = std::make_shared<PlanFlags>();
    return {"plan",
            "print what follows from a detect_within; no daemon needed",
            {{"--detect-within", &flags->detect_within, "DURATION", "3s to 1h, e.g. 30s"},
             {"DURATION",
              &flags->detect_within,
              "",
              "the same as --detect-within DURATION",
              {.excludes = {"--detect-within"}}},
             {"--json", &flags->json, "", "for scripts"}},
            [flags] { return plan_verb(*flags); }};
}

}  // namespace holdfast
