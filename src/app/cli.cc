#include "app/cli.h"

#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/client_verbs.h"
#include "app/signals.h"
#include "app/verb.h"
#include "app/verb_check.h"
#include "app/verb_describe.h"
#include "app/verb_doctor.h"
#include "app/verb_load.h"
#include "app/verb_plan.h"
#include "app/verb_serve.h"
#include "app/verb_spool.h"
#include "app/verb_token.h"
#include "app/verb_version.h"
#include "base/printable.h"
#include "base/system_failure.h"
#include "config/nearest.h"

namespace holdfast {
namespace {

void add_verbs(CLI::App& app, VerbAction& selected) {
    app.set_help_flag("--help", "print this and exit");
    app.get_formatter()->column_width(30);
    add_serve_verb(app, selected);
    add_check_verb(app, selected);
    add_plan_verb(app, selected);
    add_token_verb(app, selected);
    add_client_verbs(app, selected);
    add_spool_verb(app, selected);
    add_doctor_verb(app, selected);
    add_load_verb(app, selected);
    add_version_verb(app, selected);
    add_describe_verbs(app, selected);
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& known, std::string_view otherwise) {
    const std::vector<std::string_view> words(known.begin(), known.end());
    if (const auto near = nearest_word(given, words)) return "did you mean " + std::string(*near) + "?";
    return std::string(otherwise);
}

std::vector<std::string> verb_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
    return names;
}

/// A first word that is neither a flag nor a verb: CLI11 would call it an unexpected argument.
bool is_unknown_verb(const CLI::App& app, std::string_view word) {
    const auto known = verb_names(app);
    return !word.starts_with('-') && std::find(known.begin(), known.end(), word) == known.end();
}

int refuse_verb(const CLI::App& app, std::string_view word) {
    print_error("unknown verb " + in_quotes(word) + ": " +
                did_you_mean(word, verb_names(app), "holdfast --help lists the verbs"));
    return exit_wrong_usage;
}

/// "holdfast plan", or "holdfast" where no verb was read.
std::string command_of(const CLI::App& app) {
    const auto verbs = app.get_subcommands();
    return verbs.empty() ? "holdfast" : "holdfast " + verbs.front()->get_name();
}

int refuse_arguments(const CLI::App& app, const CLI::ParseError& error) {
    const std::string help = command_of(app) + " --help lists what it takes";
    const auto verbs = app.get_subcommands();
    const CLI::App& verb = verbs.empty() ? app : *verbs.front();
    const auto extras = verb.remaining();
    if (extras.empty()) {
        print_error(std::string(error.what()) + ": " + help);
        return exit_wrong_usage;
    }
    std::vector<std::string> flags;
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    }
    const std::string given = extras.front().substr(0, extras.front().find('='));
    print_error(command_of(app) + " does not take " + in_quotes(given) + ": " + did_you_mean(given, flags, help));
    return exit_wrong_usage;
}

/// Reports a shortage that a verb cannot go on with: descriptors, threads, memory. Nothing from outside ends in
/// std::terminate().
int run_guarded(const VerbAction& action) {
    try {
        return action();
    } catch (const std::system_error& failure) {
        print_error("cannot go on: " + describe(failure));
    } catch (const std::bad_alloc&) {
        print_error("cannot go on: no memory; raise the process's limits (LimitDATA=, LimitAS=, ulimit -v)");
    } catch (const std::exception& failure) {
        print_error(std::string("cannot go on: ") + failure.what() + "; report it with the command");
    }
    return exit_wrong_usage;
}

int act(const VerbAction& action) {
    const int code = run_guarded(action);
    if (std::cout.flush()) return code;
    print_error("standard output cannot be written: give it a place that takes it");
    return code == exit_good ? static_cast<int>(exit_answer_is_no) : code;
}

}  // namespace

int run_cli(int argc, const char* const* argv) {
    CLI::App app("holdfast holds very many long-lived TCP connections from devices, and is honest about each of them.",
                 "holdfast");
    VerbAction selected;
    add_verbs(app, selected);
    if (argc > 1 && is_unknown_verb(app, argv[1])) return refuse_verb(app, argv[1]);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wanted) {
        return app.exit(wanted);  // --help
    } catch (const CLI::ParseError& error) {
        return refuse_arguments(app, error);
    }
    if (!app.got_subcommand("serve")) unblock_stop_signals();
    if (selected) return act(selected);
    std::cerr << app.help();
    return exit_wrong_usage;
}

}  // namespace holdfast
