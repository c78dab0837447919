#include <algorithm>
#include <iostream>
#include <memory>
#include <string>

#include "cli/plan_text.h"
#include "cli/serve_options.h"
#include "cli/verbs.h"
#include "config/checks.h"
#include "daemon/exit.h"
#include "text/json_writer.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

struct CheckFlags {
    ConfigSource options;
    bool json = false;
};

struct EffectiveOption {
    const Option& option;
    std::size_t listener;
    std::string value;
    std::string from;
};

/// Returns every option in the order of the table, those of a listener once for each listener.
std::vector<EffectiveOption> effective_options(LoadedConfig loaded) {
    auto& listeners = loaded.config.server.listeners;
    std::vector<EffectiveOption> out;
    const auto add = [&](const Option& option, std::size_t i) {
        out.push_back(
            {option, i, value_text(option, object_of(option, loaded.config, i)), loaded.origin_text(option, i)});
    };
    const auto rows = all_options();
    const auto is_listeners = [](const Option& option) { return option.section == Section::listener; };
    const auto first = std::find_if(rows.begin(), rows.end(), is_listeners);
    const auto last = std::find_if_not(first, rows.end(), is_listeners);
    for (auto row = rows.begin(); row != first; ++row) add(*row, 0);
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        for (auto row = first; row != last; ++row) add(*row, i);
    }
    for (auto row = last; row != rows.end(); ++row) add(*row, 0);
    return out;
}

std::string for_people(const EffectiveOption& effective) {
    if (effective.value == "0" && !effective.option.zero.empty()) return "0: " + std::string(effective.option.zero);
    return effective.value.empty() ? "-" : effective.value;
}

void print_options(const LoadedConfig& loaded) {
    Table table({{"section"}, {"option"}, {"value"}, {"from"}});
    const Option* before = nullptr;
    std::size_t listener = 0;
    for (const EffectiveOption& effective : effective_options(loaded)) {
        const Section section = effective.option.section;
        const bool starts = before == nullptr || before->section != section || effective.listener != listener;
        const std::string title = section == Section::top ? "" : in_section(section).substr(4);
        table.add({starts ? title : "", std::string(effective.option.key), for_people(effective), effective.from});
        before = &effective.option;
        listener = effective.listener;
    }
    table.print();
}

void print_plans(const LoadedConfig& loaded) {
    std::cout << "\nPlan of detect_within (see holdfast plan --detect-within D):\n";
    Table table({{"listener"},
                 {"detect_within", Align::right},
                 {"idle", Align::right},
                 {"interval", Align::right},
                 {"count", Align::right},
                 {"user timeout", Align::right},
                 {"sweep", Align::right},
                 {"idle silence found", Align::right},
                 {"worst case", Align::right}});
    for (const ListenerConfig& listener : loaded.config.server.listeners) {
        const LivenessPlan plan = plan_liveness(listener.detect_within).value();  // already checked
        const auto& worst = plan.worst_case;
        table.add({listener.name, format_duration(plan.detect_within), format_duration(plan.idle),
                   format_duration(plan.interval), std::to_string(plan.count), format_duration(plan.user_timeout),
                   format_duration(plan.sweep_period), format_duration(worst.idle),
                   format_duration(std::max({worst.idle, worst.in_flight, worst.probing, worst.zero_window}))});
    }
    table.print(2);
}

void write_options(JsonWriter& json, const LoadedConfig& loaded) {
    json.key("options").begin_array();
    for (const EffectiveOption& effective : effective_options(loaded)) {
        const Option& option = effective.option;
        json.begin_object().field("section", name_of(option.section));
        if (option.section == Section::listener) {
            json.field("listener", loaded.config.server.listeners[effective.listener].name);
        }
        json.field("name", option.key).field("value", effective.value).field("from", effective.from).end_object();
    }
    json.end_array();
}

void print_configuration_json(const LoadedConfig& loaded) {
    JsonWriter json;
    json.begin_object().field("valid", true);
    write_options(json, loaded);
    json.key("plans").begin_array();
    for (const ListenerConfig& listener : loaded.config.server.listeners) {
        json.begin_object().field("listener", listener.name);
        write_plan(json, plan_liveness(listener.detect_within).value());
        json.end_object();
    }
    json.end_array().key("warnings").begin_array();
    for (const std::string& warning : loaded.warnings) json.value(warning);
    std::cout << json.end_array().end_object().take() << '\n';
}

/// Prints the errors and returns the exit code. An invalid file is a negative answer; an invalid flag or an absent file
/// is wrong usage.
int refuse(const std::vector<ConfigError>& errors, bool as_json) {
    print_config_errors(errors);
    if (as_json) {
        JsonWriter json;
        json.begin_object().field("valid", false).key("errors").begin_array();
        for (const ConfigError& error : errors) json.value(error.message);
        std::cout << json.end_array().end_object().take() << '\n';
    }
    const bool in_file = std::any_of(errors.begin(), errors.end(), [](const ConfigError& e) { return e.in_file; });
    return in_file ? exit_answer_is_no : exit_wrong_usage;
}

int check_verb(const CheckFlags& flags) {
    const LoadOutcome outcome = flags.options.load();
    if (!outcome.loaded) return refuse(outcome.errors, flags.json);
    for (const std::string& warning : outcome.loaded->warnings) print_error("warning: " + warning);
    if (flags.json) {
        print_configuration_json(*outcome.loaded);
        return exit_good;
    }
    print_options(*outcome.loaded);
    print_plans(*outcome.loaded);
    std::cout << '\n' << (flags.options.file ? outcome.loaded->file : "the configuration") << " is valid\n";
    return exit_good;
}

}  // namespace

Verb make_check_verb() {
    const auto flags = std::make_shared<CheckFlags>();
    return {"check", "validate a configuration and print its effect, without a gateway",
            serve_arguments(flags->options) +
                Arguments{{"--json", &flags->json, "", "JSON, for scripts"},
                          {"FILE", &flags->options.file, "", "the same as --config FILE", {.excludes = {"--config"}}}},
            [flags] { return check_verb(*flags); }};
}

namespace {

struct PlanFlags {
    std::string detect_within;
    bool json = false;
};

int plan_verb(const PlanFlags& flags) {
    if (flags.detect_within.empty()) {
        print_error("the DURATION is missing; write e.g. holdfast plan 30s");
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
    ListenerConfig listener;
    listener.detect_within = duration.value();
    if (const auto warning = warning_of_read_idle(listener)) print_error("warning: the default " + *warning);
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
            "print the timers and bounds that follow from a detect_within, without a gateway",
            {{"--detect-within", &flags->detect_within, "DURATION", "detection time from 3s to 1h, e.g. 30s"},
             {"DURATION",
              &flags->detect_within,
              "",
              "the same as --detect-within DURATION",
              {.excludes = {"--detect-within"}}},
             {"--json", &flags->json, "", "JSON, for scripts"}},
            [flags] { return plan_verb(*flags); }};
}

}  // namespace holdfast
