#include "cli/client_text.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "model/gateway_faults.h"
#include "text/printable.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

std::string line(const char* name, const std::string& content) {
    std::string out(name);
    out.resize(std::max<std::size_t>(out.size() + 1, 15), ' ');
    return out + content + "\n";
}

/// Returns the total and its parts: "12 (10 not_json, 2 no_key)", or "0".
std::string broken_down(const AnswerView& view, std::string_view pointer) {
    const auto counts = view.counts(pointer);
    std::uint64_t total = 0;
    for (const auto& [name, number] : counts) total += number;
    return human_count(total) + (counts.empty() ? "" : " (" + counts_text(counts) + ")");
}

std::string milliseconds_text(const AnswerView& view, std::string_view pointer) {
    constexpr std::uint64_t longest = 1'000'000'000'000;
    return format_duration(std::chrono::milliseconds(std::min(view.count(pointer), longest)));
}

/// Returns "first probe after 10s of silence, then every 2s, 5 in all; user timeout 19s; swept every 1s".
std::string plan_line(const AnswerView& view) {
    return "first probe after " + view.text("/plan/idle_s") + "s of silence, then every " +
           view.text("/plan/interval_s") + "s, " + view.text("/plan/count") + " in all; user timeout " +
           milliseconds_text(view, "/plan/user_timeout_ms") + "; swept every " +
           milliseconds_text(view, "/plan/sweep_period_ms");
}

/// Returns a line for each plan of the listeners, with their names where there is more than one plan.
std::string plan_lines(const AnswerView& status) {
    std::map<std::string, std::string> names;  // by plan
    for (const AnswerView& listener : status.list("/listeners")) {
        std::string& of_plan = names[printable(listener.text("/detect_within")) + ": " + plan_line(listener)];
        of_plan += (of_plan.empty() ? "" : ", ") + printable(listener.text("/name"));
    }
    std::string out;
    for (const auto& [plan, of_plan] : names) {
        out += line("detect_within", plan + (names.size() > 1 ? " (" + of_plan + ")" : ""));
    }
    return out;
}

std::string sink_line(const AnswerView& status) {
    std::string out = printable(status.text("/sink/type")) + ": " + human_count(status.count("/sink/events")) +
                      " events, " + human_count(status.count("/sink/lag_events")) + " not written yet, " +
                      human_bytes(status.count("/sink/bytes"));
    if (status.flag("/sink/full")) out += ", full";
    return out;
}

std::string spool_text(const AnswerView& status) {
    const std::uint64_t last = status.count("/sink/spool/last_position");
    std::string out =
        line("spool", human_bytes(status.count("/sink/spool/file_bytes")) + ", positions " +
                          human_count(status.count("/sink/spool/first_position")) + " to " + human_count(last) + ", " +
                          human_count(status.count("/sink/spool/commits")) + " commits");
    for (const AnswerView& group : status.list("/sink/spool/groups")) {
        out += line("", "group " + printable(group.text("/name")) + ": " + human_count(group.count("/lag_events")) +
                            " events behind" + (group.flag("/required") ? ", required" : ""));
    }
    return out;
}

std::string nats_text(const AnswerView& status) {
    const bool connected = status.flag("/sink/nats/connected");
    std::string out = line("nats", (connected ? "connected to " : "disconnected, last at ") +
                                       printable(status.text("/sink/nats/server")) + ", stream " +
                                       printable(status.text("/sink/nats/stream")) + ", " +
                                       human_count(status.count("/sink/nats/lag_events")) + " events behind (" +
                                       human_seconds(status.real("/sink/nats/lag_s")) + "), " +
                                       human_count(status.count("/sink/nats/reconnects")) + " reconnects");
    const std::string guarantee = status.text("/sink/nats/guarantee");
    if (!guarantee.empty()) out += line("", printable(guarantee));
    return out;
}

std::string out_of_service_text(const AnswerView& status) {
    const std::uint64_t left = status.count("/drain/left");
    const bool running = status.text("/drain/state") == "running";
    return "! out of service: drained by an operator" +
           (running ? ", " + human_count(left) + (left == 1 ? " connection is" : " connections are") + " left" : "") +
           "; holdfast drain --cancel returns it to service\n";
}

std::string intake_warnings(const AnswerView& status) {
    std::string out;
    if (status.flag("/draining")) out += "! stopping: no connections are accepted\n";
    if (status.flag("/out_of_service")) out += out_of_service_text(status);
    if (status.flag("/reading_paused")) out += "! reading is paused: the sink is full, and devices wait\n";
    return out;
}

std::string population_warnings(const AnswerView& status) {
    std::string out;
    const std::uint64_t suspects = status.count("/suspects");
    if (suspects > 0) {
        out += "! " + human_count(suspects) + (suspects == 1 ? " connection is" : " connections are") +
               " suspect: probed on suspicion and silent since; see holdfast list --suspect\n";
    }
    const std::uint64_t alarms = status.count("/alarms_active");
    if (alarms > 0) {
        out += "! " + human_count(alarms) + (alarms == 1 ? " alarm is active" : " alarms are active") +
               "; see holdfast alarms\n";
    }
    const std::uint64_t drift = status.count("/registry_drift");
    if (drift > 0) {
        out += "! registry and kernel disagree about " + human_count(drift) +
               (drift == 1 ? " connection" : " connections") + "; see holdfast doctor\n";
    }
    return out;
}

std::string sink_warnings(const AnswerView& status) {
    std::string out;
    const std::string trouble = status.text("/sink/error");
    if (!trouble.empty()) out += "! " + sink_fault_text(trouble) + "\n";
    const std::string away = status.text("/sink/nats/error");
    if (!away.empty()) out += "! publishing to NATS fails, and events wait in the spool: " + printable(away) + "\n";
    const std::string limits = status.text("/sink/nats/warning");
    if (!limits.empty()) out += "! " + printable(limits) + "\n";
    const std::string unread = status.text("/sink/spool/read_error");
    if (!unread.empty()) out += "! the spool cannot be read, and consumers wait: " + printable(unread) + "\n";
    const std::uint64_t quarantined = status.count("/sink/spool/quarantined_events");
    if (quarantined > 0) {
        out += "! " + human_count(quarantined) + (quarantined == 1 ? " event is" : " events are") +
               " damaged in the spool; its table quarantine and the log name the positions\n";
    }
    return out;
}

std::string warnings(const AnswerView& status) {
    std::string out = intake_warnings(status) + population_warnings(status) + sink_warnings(status);
    for (const AnswerView& listener : status.list("/listeners")) {
        if (listener.flag("/accept_paused")) out += "! " + accept_paused_text(listener.text("/name")) + "\n";
    }
    return out;
}

/// Returns the line of the latest takeover, or nothing.
std::string takeover_line(const AnswerView& status) {
    if (!status.has("/takeover/kept")) return "";
    const std::uint64_t processes = status.count("/takeover/processes");
    return line("keeper", takeover_text({.processes = processes,
                                         .kept = status.count("/takeover/kept"),
                                         .closed = status.count("/takeover/closed"),
                                         .downtime = std::chrono::milliseconds(std::min<std::uint64_t>(
                                             status.count("/takeover/downtime_ms"), 1'000'000'000'000))}) +
                              (processes > 1 ? "; " + human_count(processes) + " crashes in all" : ""));
}

std::string listeners_text(const AnswerView& status) {
    Table table({{"LISTENER"},
                 {"ADDRESS"},
                 {"CONNECTIONS", Align::right},
                 {"ACCEPTED", Align::right},
                 {"ITEMS", Align::right},
                 {"DETECT WITHIN", Align::right}});
    for (const AnswerView& one : status.list("/listeners")) {
        table.add({one.text("/name"), one.text("/address"), human_count(one.count("/connections")),
                   human_count(one.count("/accepted")), human_count(one.count("/items")), one.text("/detect_within")});
    }
    return table.text(false);
}

std::string alarm_line(std::string_view name, const std::string& content) {
    std::string out = "  " + std::string(name);
    out.resize(alarm_column, ' ');
    return content.empty() ? "" : out + content + "\n";
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

/// Returns the title of a column: "BAD ITEMS" for "bad_items".
std::string title_of(std::string name) {
    for (char& c : name) c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

/// Returns a member of a row as a cell: its text, its counts, or "-".
std::string cell_of(const AnswerView& row, const std::string& name) {
    const std::string pointer = "/" + name;
    if (row.flag(pointer)) return "yes";
    const auto counts = row.counts(pointer);
    return dash_if_empty(counts.empty() ? row.text(pointer) : counts_text(counts));
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

std::string rows_text(const AnswerView& answer) {
    std::vector<AnswerView> rows{answer};
    for (const std::string& name : answer.names()) {
        auto list = answer.list("/" + name);
        if (list.empty()) continue;
        rows = std::move(list);
        break;
    }
    const auto names = rows.front().names();
    std::vector<Column> columns;
    for (const std::string& name : names) {
        const bool right = is_number(rows.front().text("/" + name));
        columns.push_back({title_of(printable(name)), right ? Align::right : Align::left});
    }
    Table table(std::move(columns));
    for (const AnswerView& row : rows) {
        std::vector<std::string> cells;
        for (const std::string& name : names) cells.push_back(cell_of(row, name));
        table.add(std::move(cells));
    }
    return table.text(false);
}

std::string counts_text(const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
    std::string out;
    for (const auto& [name, number] : counts) {
        out += (out.empty() ? "" : ", ") + human_count(number) + " " + printable(name);
    }
    return out;
}

/// Returns what has passed the connections: items, the records of devices, bytes.
std::string traffic_text(const AnswerView& status) {
    const std::uint64_t unfinished = status.count("/unfinished_items");
    std::string out = line("items", human_count(status.count("/items")) + ", bad " + broken_down(status, "/bad_items") +
                                        (unfinished > 0 ? ", unfinished " + human_count(unfinished) : ""));
    if (status.count("/identified") + status.count("/acks") > 0) {
        out += line("devices", human_count(status.count("/identified")) + " identified; " +
                                   human_count(status.count("/acks")) + " acks, " +
                                   human_count(status.count("/repeated_items")) + " items sent again, " +
                                   human_count(status.count("/gaps")) + " gaps");
    }
    return out + line("bytes", human_bytes(status.count("/received_bytes")) + " received, " +
                                   human_bytes(status.count("/sent_bytes")) + " sent");
}

std::string status_text(const AnswerView& status) {
    std::string out = "holdfast " + printable(status.text("/version")) + ", pid " + status.text("/pid") + ", up " +
                      human_seconds(status.real("/uptime_s")) + " since " + printable(status.text("/started_at")) +
                      ", " + status.text("/reactors") + " reactors\n";
    out += warnings(status);
    out += takeover_line(status);
    out += line("connections", human_count(status.count("/connections")) + " of at most " +
                                   human_count(status.count("/max_connections")));
    out += line("accepted", human_count(status.count("/accepted")) + ", refused " + broken_down(status, "/refused"));
    if (status.count("/health_checks") + status.count("/health_checks_open") > 0) {
        out += line("health checks", human_count(status.count("/health_checks")) + " by proxies, " +
                                         human_count(status.count("/health_checks_open")) + " open");
    }
    out += line("closed", broken_down(status, "/closed"));
    out += traffic_text(status);
    out += line("probes", human_count(status.count("/probes/alive")) + " alive, " +
                              human_count(status.count("/probes/silent")) + " silent");
    if (status.has("/alarms_active")) {
        const bool known = !status.text("/registry_drift").empty();
        out += line("alarms", human_count(status.count("/alarms_active")) + " active, registry drift " +
                                  (known ? human_count(status.count("/registry_drift")) : "not known yet"));
    }
    if (status.has("/sink/type")) out += line("sink", sink_line(status));
    if (status.has("/sink/spool")) out += spool_text(status);
    if (status.has("/sink/nats/stream")) out += nats_text(status);
    out += plan_lines(status);
    return out + "\n" + listeners_text(status);
}

std::string evidence_meaning(const AnswerView& connection) {
    const auto count = [&](std::string_view name) { return connection.count("/evidence/" + std::string(name)); };
    const std::string within = milliseconds_text(connection, "/detect_within_ms");
    if (count("unsent_bytes") > 0 && count("peer_window") == 0) {
        return "The peer answers but does not read: its window is zero with " + human_bytes(count("unsent_bytes")) +
               " waiting. If the stall lasts, the connection is closed as window_stalled.";
    }
    if (count("unacked_bytes") > 0 && count("retransmits") > 0) {
        return human_bytes(count("unacked_bytes")) + " unacknowledged after " + human_count(count("retransmits")) +
               " retransmissions: the peer may be gone. If the silence lasts, the connection is closed as "
               "retransmit_expired "
               "within " +
               within + " of the last sign of life.";
    }
    if (count("probes") > 0) {
        return human_count(count("probes")) +
               " keep-alive probes are unanswered: the peer may be gone. If the silence lasts, the connection "
               "is closed as keepalive_expired within " +
               within + " of the last sign of life.";
    }
    if (count("unacked_bytes") > 0) return "Data is in flight and not acknowledged yet.";
    return "The last sign of life of the peer's kernel was " +
           milliseconds_text(connection, "/evidence/last_heard_ms") +
           " ago, and no data waits. Probe the connection for its present state.";
}

std::string evidence_text(const AnswerView& c) {
    const auto text = [&](std::string_view name) { return printable(c.text("/evidence/" + std::string(name))); };
    const auto bytes = [&](std::string_view name) { return human_bytes(c.count("/evidence/" + std::string(name))); };
    return line("evidence", "heard " + milliseconds_text(c, "/evidence/last_heard_ms") + " ago, acknowledged " +
                                milliseconds_text(c, "/evidence/last_ack_ms") + " ago, " + text("probes") +
                                " probes out, " + text("retransmits") + " retransmits") +
           line("", bytes("unacked_bytes") + " unacknowledged, " + bytes("unsent_bytes") +
                        " of them unsent, peer window " + bytes("peer_window") + ", rtt " + text("rtt_us") + " us") +
           line("", evidence_meaning(c));
}

/// Returns nothing for a connection without bad items.
std::string bad_items_text(const AnswerView& c) {
    const auto text = [&](std::string_view name) {
        return printable_again(c.text("/last_bad_item/" + std::string(name)));
    };
    if (!c.has("/last_bad_item")) return {};
    std::string out = line("bad items", counts_text(c.counts("/bad_items")));
    out += line("", "the latest: " + text("kind") + ", " + human_count(c.count("/last_bad_item/bytes")) +
                        (c.count("/last_bad_item/bytes") == 1 ? " byte at byte " : " bytes at byte ") +
                        human_count(c.count("/last_bad_item/position")) + ", " + text("at"));
    const std::string detail = text("detail");
    return out + line("", text("head")) + (detail.empty() ? std::string() : line("", detail));
}

std::string connection_text(const AnswerView& c) {
    const auto text = [&](std::string_view pointer) { return printable(c.text(pointer)); };
    std::string out = line("connection", text("/conn") + " on listener " + text("/listener"));
    if (c.has("/gateway")) out += line("gateway", text("/gateway"));
    out += line("peer", text("/peer"));
    if (c.has("/id")) {
        out += line("device", text("/id") + (c.has("/session") ? ", session " + text("/session") : std::string()) +
                                  (c.flag("/authenticated") ? ", authenticated" : ", not authenticated"));
    }
    if (c.has("/suspect_since")) {
        out += line("suspect", "since " + text("/suspect_since") +
                                   ": probed on suspicion and silent since; it stays open until its own plan ends it");
    }
    out += line("key", c.text("/key").empty() ? "none yet" : text("/key"));
    out += line("connected", text("/connected_at") + ", " + human_seconds(c.real("/age_s")) + " ago");
    out += line("items",
                human_count(c.count("/items")) + ", the latest " + human_seconds(c.real("/since_item_s")) + " ago");
    if (c.count("/items") == 0) out.replace(out.rfind("items"), std::string::npos, line("items", "none yet"));
    out += bad_items_text(c);
    out += line("bytes", human_bytes(c.count("/bytes_in")) + " received, " + human_bytes(c.count("/bytes_out")) +
                             " sent, " + human_bytes(c.count("/unfinished_item_bytes")) + " of an unfinished item, " +
                             human_bytes(c.count("/downlink_queue_bytes")) + " queued to send");
    out += evidence_text(c);
    out += line("detect_within", milliseconds_text(c, "/detect_within_ms") + ": " + plan_line(c));
    if (c.text("/liveness") != "path") return out;
    return out +
           line("liveness", "path: a proxy answers probes in place of the device; see docs/explanation/liveness.md");
}

std::string probe_text(const AnswerView& answer) {
    const std::string heard = "last heard " + milliseconds_text(answer, "/last_heard_ms") + " ago";
    const std::string waited = ", waited " + milliseconds_text(answer, "/waited_ms");
    const std::string who = printable(answer.text(answer.has("/id") ? "/id" : "/conn"));
    if (!answer.flag("/alive")) return who + " is silent: " + heard + waited + "\n";
    return who + " is alive: " + heard + waited + ", rtt " + answer.text("/rtt_us") + " us\n";
}

std::string probes_text(const AnswerView& summary) {
    std::string out = human_count(summary.count("/asked")) + " probed, " + human_count(summary.count("/alive")) +
                      " alive, " + human_count(summary.count("/silent")) + " silent, in " +
                      milliseconds_text(summary, "/waited_ms") + "\n";
    for (const AnswerView& silent : summary.list("/silent_connections"))
        out += "silent " + printable(silent.text("")) + "\n";
    return out;
}

std::string alarm_text(const AnswerView& alarm) {
    const auto text = [&](std::string_view pointer) { return printable(alarm.text(pointer)); };
    const std::string listener = text("/listener");
    std::string out = text("/alarm") + (listener.empty() ? "" : " on listener " + listener) + ", alarm " + text("/id") +
                      ", " + when(alarm) + "\n";
    out += alarm_line("what", text("/summary"));
    out += alarm_line("cause", text("/cause"));
    out += alarm_line("advice", text("/advice"));
    if (alarm.has("/suspect_since")) {
        out += alarm_line("suspects", human_count(alarm.count("/suspects")) + ", the first since " +
                                          text("/suspect_since") + "; " + human_count(alarm.count("/recovered")) +
                                          " answered again");
    }
    out += alarm_line("reasons", counts_text(alarm.counts("/reasons")));
    out += alarm_line("where", prefixes_of(alarm));
    if (alarm.count("/population_before") > 0) {
        out += alarm_line("population", human_count(alarm.count("/population_now")) + ", was " +
                                            human_count(alarm.count("/population_before")));
    }
    if (alarm.has("/acknowledged/at")) {
        out += alarm_line("note", text("/acknowledged/at") + ": " + text("/acknowledged/note"));
    }
    std::string_view label = "commands";
    for (const AnswerView& command : alarm.list("/commands")) {
        out += alarm_line(std::exchange(label, ""), printable(command.text("")));
    }
    return out;
}

std::string members_text(const AnswerView& alarm) {
    const auto count = [&](std::string_view name) { return alarm.count("/members/" + std::string(name)); };
    if (count("total") == 0) return {};
    Table table({{"ID"}, {"PEER"}, {"KEY"}, {"CONN"}, {"AT"}, {"REASON"}, {"BACK"}});
    for (const AnswerView& row : alarm.list("/members/rows")) {
        table.add({dash_if_empty(row.text("/id")), row.text("/peer"), dash_if_empty(row.text("/key")),
                   row.text("/conn"), row.text("/at"), row.has("/reason") ? row.text("/reason") : "suspect",
                   row.flag("/back") ? "yes" : "no"});
    }
    std::string out = alarm_line("members", human_count(count("total")) + ", " + human_count(count("back")) + " back");
    if (count("listed") < count("total")) {
        out += alarm_line("", human_count(count("listed")) + " of them were recorded");
    }
    out += "\n" + (table.size() > 0 ? table.text(false) : std::string());
    const bool more = table.size() < count("matching");
    return out + human_count(table.size()) + " of " + human_count(count("matching")) + " members" +
           (more ? "; --limit and --offset show others, --csv exports all" : "") + "\n";
}

}  // namespace holdfast
