#pragma once

#include <vector>

#include "cli/command_line.h"
#include "daemon/worker_seat.h"

namespace holdfast {

// The verbs of the command, each in verb_x.cc or client_x.cc.

/// The process in which the verbs run.
struct VerbProcess {
    const char* const* arguments = nullptr;  ///< of main()
    const WorkerSeat* seat = nullptr;        ///< of a keeper's worker
};

/// Adds all of them to `root`, which must outlive what it runs.
void fill_verbs(Verb& root, const VerbProcess& process = {});

[[nodiscard]] Verb make_alarms_verb();
[[nodiscard]] Verb make_check_verb();
[[nodiscard]] Verb make_close_verb();
[[nodiscard]] Verb make_closed_verb();
[[nodiscard]] Verb make_bad_verb();
[[nodiscard]] Verb make_conformance_verb();
[[nodiscard]] Verb make_consume_verb();
[[nodiscard]] Verb make_demo_verb();
[[nodiscard]] Verb make_device_verb();
[[nodiscard]] Verb make_doctor_verb();
[[nodiscard]] Verb make_drain_verb();
[[nodiscard]] Verb make_list_verb();
[[nodiscard]] Verb make_load_verb();
[[nodiscard]] Verb make_plan_verb();
[[nodiscard]] Verb make_probe_verb();
[[nodiscard]] Verb make_reload_verb();
[[nodiscard]] Verb make_send_verb();
[[nodiscard]] Verb make_show_verb();
[[nodiscard]] Verb make_spool_verb();
[[nodiscard]] Verb make_status_verb();
[[nodiscard]] Verb make_tail_verb();
[[nodiscard]] Verb make_token_verb();
[[nodiscard]] Verb make_top_verb();

/// `completions` and `manual`: the files that packages install beside the command, written from `root` itself.
[[nodiscard]] Verb make_completions_verb(const Verb& root);
[[nodiscard]] Verb make_manual_verb(const Verb& root);
/// Returns the verb `help`, which prints the help text of `root` or of one of its verbs.
[[nodiscard]] Verb make_help_verb(const Verb& root);
/// Returns the hidden verb `describe`, which prints the generated pages of docs/reference.
[[nodiscard]] Verb make_describe_verb();

/// Runs the `holdfast` command: reads the verb and its flags, executes it and returns the exit code.
int run_cli(int argc, const char* const* argv);

}  // namespace holdfast
