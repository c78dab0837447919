#include <memory>

#include "api/api_endpoint.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "text/printable.h"

namespace holdfast {
namespace {

/// A reload can wait for another reload, and for listeners to bind.
constexpr std::chrono::seconds reload_timeout{60};

struct AlarmsFlags {
    ClientFlags client;
    EndpointFlags api;
    std::string id;
    bool recent = false;
    bool csv = false;
    bool withdraw = false;

    [[nodiscard]] bool names_an_action() const { return api.given("note") || withdraw; }
};

std::string alarms_text(const AnswerView& board, bool recent) {
    const auto active = board.list("/active");
    std::string out;
    for (const AnswerView& alarm : active) out += (out.empty() ? "" : "\n") + alarm_text(alarm);
    if (active.empty()) out = "no alarm is active\n";
    if (!recent) return out;
    const auto cleared = board.list("/recent");
    out += cleared.empty() ? "\nno alarm has been cleared\n" : "\ncleared:\n";
    for (const AnswerView& alarm : cleared) out += "\n" + alarm_text(alarm);
    return out;
}

int alarm_verb(const AlarmsFlags& flags) {
    if (flags.names_an_action()) {
        const AdminQuestion question =
            flags.api.question(flags.withdraw ? "DELETE" : "POST", api_path::alarm_acknowledgement, flags.id);
        const std::string done = flags.withdraw ? "the acknowledgement is withdrawn\n" : "the alarm is acknowledged\n";
        return request_and_show(flags.client, question, {.text = [done](const AnswerView&) { return done; }});
    }
    if (!flags.csv) {
        return request_and_show(
            flags.client, flags.api.question("GET", api_path::alarm, flags.id),
            {.text = [](const AnswerView& alarm) { return alarm_text(alarm) + members_text(alarm); }});
    }
    AdminQuestion question = flags.api.question("GET", api_path::alarm_members, flags.id);
    question.target += std::string(question.target.find('?') == std::string::npos ? "?" : "&") + "format=csv";
    return request_and_copy(flags.client, question);
}

int alarms_verb(const AlarmsFlags& flags) {
    if (!flags.id.empty()) return alarm_verb(flags);
    if (flags.csv || flags.names_an_action() || !flags.api.fit("GET", api_path::alarms)) {
        print_error("these flags need an alarm; give an ID that holdfast alarms prints");
        return exit_wrong_usage;
    }
    const bool recent = flags.recent;
    const auto verdict = [](const AnswerView& board) {
        return board.list("/active").empty() ? exit_good : exit_answer_is_no;
    };
    return request_and_show(
        flags.client, flags.api.question("GET", api_path::alarms),
        {.text = [recent](const AnswerView& board) { return alarms_text(board, recent); }, .verdict = verdict});
}

std::string reload_text(const AnswerView& result) {
    std::string out;
    const auto list = [&](std::string_view pointer, std::string_view what) {
        for (const AnswerView& one : result.list(pointer)) out += std::string(what) + printable(one.text("")) + "\n";
    };
    list("/applied", "applied: ");
    list("/needs_restart", "needs a restart: ");
    list("/warnings", "warning: ");
    return out.empty() ? "nothing has changed\n" : out;
}

}  // namespace

Verb make_alarms_verb() {
    const auto flags = std::make_shared<AlarmsFlags>();
    return {"alarms", "show active alarms with cause and advice, or one with its members; exit 0 if none is active",
            Arguments{{"ID", &flags->id, "", "id of an alarm, to list its members"},
                      {"--recent", &flags->recent, "", "cleared alarms, too"},
                      {"--csv", &flags->csv, "", "all members as CSV, with an ID"}} +
                flags->api.of("GET", api_path::alarms, "without an ID, ") +
                flags->api.of("GET", api_path::alarm, "with an ID, ") +
                flags->api.of("POST", api_path::alarm_acknowledgement, "with an ID, acknowledges it: ") +
                Arguments{{"--withdraw", &flags->withdraw, "", "with an ID, withdraws its acknowledgement"}} +
                client_arguments(flags->client),
            [flags] { return alarms_verb(*flags); }};
}

Verb make_reload_verb() {
    const auto flags = std::make_shared<ClientFlags>();
    return {"reload", "reload the configuration file of the gateway", client_arguments(*flags), [flags] {
                return request_and_show(
                    *flags, {.method = "POST", .target = std::string(api_path::reload), .timeout = reload_timeout},
                    {.text = reload_text});
            }};
}

}  // namespace holdfast
