#include "app/verb_plan.h"

#include <iostream>
#include <memory>
#include <string>

#include "app/plan_text.h"
#include "base/units.h"

namespace holdfast {
namespace {

struct PlanFlags {
    std::string detect_within;
    bool json = false;
};

int plan_verb(const PlanFlags& flags) {
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

void add_plan_verb(CLI::App& app, VerbAction& selected) {
    CLI::App* verb = app.add_subcommand("plan", "print what follows from a detect_within; no daemon needed");
    const auto flags = std::make_shared<PlanFlags>();
    verb->add_option("--detect-within", flags->detect_within, "3s to 1h, e.g. 30s")->required()->type_name("DURATION");
    verb->add_flag("--json", flags->json, "for scripts");
    verb->callback([flags, &selected] { selected = [flags] { return plan_verb(*flags); }; });
}

}  // namespace holdfast
