#include <algorithm>
#include <exception>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "base/system_failure.h"
#include "cli/endpoint_flags.h"
#include "cli/safe_output.h"
#include "cli/serve_options.h"
#include "cli/verbs.h"
#include "daemon/daemon.h"
#include "daemon/exit.h"
#include "daemon/signals.h"
#include "keeper/keeper.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

int print_version(bool json) {
    if (json) {
        std::cout << JsonWriter().begin_object().field("version", version()).end_object().take() << '\n';
    } else {
        std::cout << "holdfast " << version() << '\n';
    }
    return exit_good;
}

Verb make_version_verb() {
    const auto json = std::make_shared<bool>(false);
    return {"version", "print the version", {{"--json", json.get(), "", "JSON, for scripts"}}, [json] {
                return print_version(*json);
            }};
}

int run_serve(const ConfigSource& options, const VerbProcess& process) {
    const LoadOutcome outcome = options.load();
    if (!outcome.loaded) {
        print_config_errors(outcome.errors);
        return exit_wrong_usage;
    }
    const DaemonConfig& config = outcome.loaded->config;
    const bool needs_keeper = config.process.keeper && process.seat == nullptr;
    if (!needs_keeper) return serve(*outcome.loaded, options, process.seat);
    print_error(become_keeper(order_of(config), process.arguments).message);
    return exit_wrong_usage;
}

Verb make_serve_verb(const VerbProcess& process) {
    const auto options = std::make_shared<ConfigSource>();
    return {"serve", "run the gateway; without any flag, on the defaults in brackets", serve_arguments(*options),
            [options, process] { return run_serve(*options, process); }};
}

/// Runs `action` and reports a shortage of descriptors, threads or memory. External conditions never reach
/// std::terminate().
int run_guarded(const std::function<int()>& action) {
    try {
        return action();
    } catch (const std::system_error& failure) {
        print_error("the command failed: " + describe(failure));
    } catch (const std::bad_alloc&) {
        print_error("the command failed: no memory; raise the process's limits (LimitDATA=, LimitAS=, ulimit -v)");
    } catch (const std::exception& failure) {
        print_error(std::string("the command failed: ") + failure.what() + "; report this message with the command");
    }
    return exit_wrong_usage;
}

int act(const std::function<int()>& action) {
    const int code = run_guarded(action);
    if (std::cout.flush()) return code;
    print_error("standard output cannot be written; redirect it to a writable place");
    return code == exit_good ? static_cast<int>(exit_answer_is_no) : code;
}

std::vector<Verb> main_verbs(const VerbProcess& process) {
    return {make_serve_verb(process), make_check_verb(),   make_plan_verb(),   make_token_verb(),  make_status_verb(),
            make_top_verb(),          make_list_verb(),    make_show_verb(),   make_closed_verb(), make_bad_verb(),
            make_probe_verb(),        make_close_verb(),   make_send_verb(),   make_drain_verb(),  make_alarms_verb(),
            make_reload_verb(),       make_consume_verb(), make_spool_verb(),  make_doctor_verb(), make_load_verb(),
            make_conformance_verb(),  make_demo_verb(),    make_device_verb(), make_tail_verb(),   make_version_verb()};
}

/// Returns the verbs that print texts about the others.
std::vector<Verb> text_verbs(const Verb& root) {
    return {make_completions_verb(root), make_manual_verb(root), make_help_verb(root), make_describe_verb()};
}

/// Adds the verbs that follow from endpoints alone, before `reload`.
void add_endpoint_verbs(Verb& root) {
    std::vector<Verb> added = verbs_of_endpoints(root.parts);
    const auto place =
        std::find_if(root.parts.begin(), root.parts.end(), [](const Verb& verb) { return verb.name == "reload"; });
    root.parts.insert(place, std::move_iterator(added.begin()), std::move_iterator(added.end()));
}

}  // namespace

void fill_verbs(Verb& root, const VerbProcess& process) {
    root.parts = main_verbs(process);
    std::vector<Verb> texts = text_verbs(root);
    std::move(texts.begin(), texts.end(), std::back_inserter(root.parts));
    add_endpoint_verbs(root);
}

namespace {

int run_command(int argc, const VerbProcess& process) {
    const SafeOutput safe_output(std::cout);
    const SafeOutput safe_errors(std::cerr);
    bool wants_version = false;
    Verb root{.name = "holdfast",
              .help = "holdfast holds very many long-lived TCP connections and reports on each.",
              .arguments = {{"-V,--version", &wants_version, "", "print the version and exit"}},
              .footer =
                  "First steps: holdfast demo, or holdfast serve. Flags of a verb: holdfast help VERB. Manual: "
                  "holdfast manual | man -l -"};
    fill_verbs(root, process);
    root.run = [&] {
        if (wants_version) return print_version(false);
        std::cerr << help_text(root);
        return static_cast<int>(exit_wrong_usage);
    };
    const Command command = read_command_line(root, argc, process.arguments);
    if (command.verb == nullptr) return command.code;
    if (command.verb->name != "serve") unblock_stop_signals();
    return act(command.verb->run);
}

}  // namespace

int run_cli(int argc, const char* const* argv) {
    const auto order = take_order();
    if (!order) return run_command(argc, {.arguments = argv});
    return run_guarded([&] {
        return run_keeper(*order,
                          [&](WorkerSeat& seat) { return run_command(argc, {.arguments = argv, .seat = &seat}); });
    });
}

}  // namespace holdfast
