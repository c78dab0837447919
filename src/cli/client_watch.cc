#include <memory>

#include "api/api_endpoint.h"
#include "cli/client_ask.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// A reload can wait for another reload, and for listeners to bind.
constexpr std::chrono::seconds reload_patience{60};

struct AlarmsFlags {
    ClientFlags client;
    bool recent = false;
};

std::string alarm_line(std::string_view name, const std::string& content) {
    std::string out = "  " + std::string(name);
    out.resize(14, ' ');
    return content.empty() ? "" : out + content + "\n";
}

/// Returns "3,813 keepalive_expired, 287 peer_reset".
std::string reasons_of(const AnswerView& alarm) {
    std::string out;
    for (const auto& [reason, count] : alarm.counts("/reasons")) {
        out += (out.empty() ? "" : ", ") + human_count(count) + " " + printable(reason);
    }
    return out;
}

/// Returns "10.2.0.0/16: 4,100 of 4,103; elsewhere: 12".
std::string prefixes_of(const AnswerView& alarm) {
    std::string out;
    for (const AnswerView& share : alarm.list("/prefixes")) {
        const std::uint64_t dead = share.count("/dead");
        out += (out.empty() ? "" : "; ") + printable(share.text("/prefix")) + ": " + human_count(dead) + " of " +
               human_count(dead + share.count("/alive"));
    }
    const std::uint64_t elsewhere = alarm.count("/elsewhere");
    if (!out.empty() && elsewhere > 0) out += "; elsewhere: " + human_count(elsewhere);
    return out;
}

std::string when(const AnswerView& alarm) {
    const std::string since = printable(alarm.text("/raised_at"));
    const std::string until = printable(alarm.text("/cleared_at"));
    return until.empty() ? "since " + since : since + " to " + until;
}

std::string alarm_text(const AnswerView& alarm) {
    const auto text = [&](std::string_view pointer) { return printable(alarm.text(pointer)); };
    const std::string listener = text("/listener");
    std::string out = text("/alarm") + (listener.empty() ? "" : " on listener " + listener) + ", " + when(alarm) + "\n";
    out += alarm_line("what", text("/summary"));
    out += alarm_line("cause", text("/cause"));
    out += alarm_line("advice", text("/advice"));
    if (alarm.has("/suspect_since")) {
        out += alarm_line("suspects", human_count(alarm.count("/suspects")) + ", the first since " +
                                          text("/suspect_since") + "; " + human_count(alarm.count("/recovered")) +
                                          " answered again");
    }
    out += alarm_line("reasons", reasons_of(alarm));
    out += alarm_line("where", prefixes_of(alarm));
    if (alarm.count("/population_before") > 0) {
        out += alarm_line("population", human_count(alarm.count("/population_now")) + ", was " +
                                            human_count(alarm.count("/population_before")));
    }
    return out;
}

std::string alarms_text(const AnswerView& board, bool recent) {
    const auto active = board.list("/active");
    std::string out;
    for (const AnswerView& alarm : active) out += (out.empty() ? "" : "\n") + alarm_text(alarm);
    if (active.empty()) out = "no alarm is active\n";
    if (!recent) return out;
    const auto cleared = board.list("/recent");
    out += cleared.empty() ? "\nnone has been cleared\n" : "\ncleared:\n";
    for (const AnswerView& alarm : cleared) out += "\n" + alarm_text(alarm);
    return out;
}

int alarms_verb(const AlarmsFlags& flags) {
    const bool recent = flags.recent;
    const auto verdict = [](const AnswerView& board) {
        return board.list("/active").empty() ? exit_good : exit_answer_is_no;
    };
    return ask_and_show(
        flags.client, {.target = std::string(api_path::alarms)},
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
    return {"alarms", "show what is wrong in the population, and why; exit 0 if nothing",
            Arguments{{"--recent", &flags->recent, "", "also those that have been cleared"}} +
                client_arguments(flags->client),
            [flags] { return alarms_verb(*flags); }};
}

Verb make_reload_verb() {
    const auto flags = std::make_shared<ClientFlags>();
    return {"reload", "have the gateway read its configuration file anew", client_arguments(*flags), [flags] {
                return ask_and_show(
                    *flags, {.method = "POST", .target = std::string(api_path::reload), .timeout = reload_patience},
                    {.text = reload_text});
            }};
}

}  // namespace holdfast
