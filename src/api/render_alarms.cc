#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "alarm/alarm_commands.h"
#include "alarm/alarm_members.h"
#include "api/render.h"

namespace holdfast {
namespace {

void write_shares(JsonWriter& json, const Alarm& alarm) {
    json.key("reasons").begin_object();
    for (const ReasonShare& share : alarm.reasons) json.field(to_string(share.reason), share.count);
    json.end_object().key("prefixes").begin_array();
    for (const PrefixShare& share : alarm.prefixes) {
        json.begin_object().field("prefix", to_string(share.prefix));
        json.field("dead", share.dead).field("alive", share.alive).end_object();
    }
    json.end_array();
}

}  // namespace

void write_alarm_fields(JsonWriter& json, const Alarm& alarm) {
    json.field("id", alarm.id).field("alarm", to_string(alarm.kind)).key("listener");
    write_or_null(json, alarm.listener);
    json.field("raised_at", render_time(alarm.raised_at)).key("cleared_at");
    write_or_null(json, alarm.cleared_at ? render_time(*alarm.cleared_at) : std::string());
    json.field("count", alarm.count).field("took_s", as_seconds(alarm.took));
    json.field("population_before", alarm.population_before).field("population_now", alarm.population_now);
    if (alarm.interval) {
        json.field("first_at", render_time(alarm.interval->from)).field("last_at", render_time(alarm.interval->to));
    }
    if (alarm.silent) {
        json.field("suspect_since", render_time(alarm.silent->since)).field("suspects", alarm.silent->suspects);
        json.field("recovered", alarm.silent->recovered);
    }
    write_shares(json, alarm);
    json.field("elsewhere", alarm.elsewhere).field("summary", alarm.summary);
    json.field("cause", alarm.cause).field("advice", alarm.advice).field("severity", severity_of(alarm.kind));
    json.key("commands").begin_array();
    for (const std::string& command : commands_of(alarm)) json.value(command);
    json.end_array().key("acknowledged");
    if (alarm.acknowledged) {
        json.begin_object().field("at", render_time(alarm.acknowledged->at));
        json.field("note", alarm.acknowledged->note).end_object();
    } else {
        json.null();
    }
}

namespace {

void write_alarm(JsonWriter& json, const Alarm& alarm) {
    json.begin_object();
    write_alarm_fields(json, alarm);
    json.end_object();
}

void write_alarms(JsonWriter& json, std::string_view name, const std::vector<Alarm>& alarms) {
    json.key(name).begin_array();
    for (const Alarm& alarm : alarms) write_alarm(json, alarm);
    json.end_array();
}

void write_member(JsonWriter& json, const MemberState& state) {
    const AlarmMember& member = state.member;
    json.begin_object().key("id");
    write_or_null(json, member.id);
    json.field("peer", to_string(member.peer)).key("key");
    write_or_null(json, member.key);
    json.field("conn", to_string(member.conn)).field("at", render_time(member.at)).key("reason");
    write_or_null(json, member.reason ? to_string(*member.reason) : std::string_view());
    json.field("back", state.back).end_object();
}

/// Returns the members in the wanted state.
std::vector<const MemberState*> matching(const AlarmDetail& detail, const MemberQuery& query) {
    std::vector<const MemberState*> rows;
    for (const MemberState& state : detail.members) {
        if (!query.back || state.back == *query.back) rows.push_back(&state);
    }
    return rows;
}

/// Appends a cell of a CSV file. A spreadsheet would take a text that begins with one of `=+-@` as a formula.
void append_cell(std::string& out, std::string_view text) {
    constexpr std::string_view formula = "=+-@\t\r";
    constexpr std::string_view quoted = "\",\r\n";
    const bool defused = !text.empty() && formula.find(text.front()) != std::string_view::npos;
    const bool quotes = text.find_first_of(quoted) != std::string_view::npos;
    if (quotes) out += '"';
    if (defused) out += '\'';
    for (const char c : text) {
        out += c;
        if (c == '"') out += c;
    }
    if (quotes) out += '"';
}

void append_row(std::string& out, const MemberState& state) {
    const AlarmMember& member = state.member;
    const std::string_view reason = member.reason ? to_string(*member.reason) : std::string_view();
    for (const std::string& cell : {member.id, to_string(member.peer), member.key, to_string(member.conn),
                                    render_time(member.at), std::string(reason)}) {
        append_cell(out, cell);
        out += ',';
    }
    out += state.back ? "yes\r\n" : "no\r\n";
}

}  // namespace

std::string render_alarm(const Alarm& alarm) {
    JsonWriter json;
    write_alarm(json, alarm);
    return json.take();
}

std::string render_alarms(const AlarmBoard& board) {
    JsonWriter json;
    json.begin_object().field("total", board.active.size() + board.recent.size());
    write_alarms(json, "active", board.active);
    write_alarms(json, "recent", board.recent);
    json.end_object();
    return json.take();
}

void write_alarms_of_device(JsonWriter& json, const std::vector<AlarmOfDevice>& alarms) {
    json.key("alarms").begin_array();
    for (const AlarmOfDevice& each : alarms) {
        json.begin_object().field("id", each.alarm.id).field("alarm", to_string(each.alarm.kind));
        json.field("raised_at", render_time(each.alarm.raised_at)).key("cleared_at");
        write_or_null(json, each.alarm.cleared_at ? render_time(*each.alarm.cleared_at) : std::string());
        json.field("summary", each.alarm.summary).field("conn", to_string(each.member.conn));
        json.field("at", render_time(each.member.at)).key("reason");
        write_or_null(json, each.member.reason ? to_string(*each.member.reason) : std::string_view());
        json.end_object();
    }
    json.end_array();
}

std::string render_alarm_detail(const AlarmDetail& detail, const MemberQuery& query) {
    const std::vector<const MemberState*> rows = matching(detail, query);
    JsonWriter json;
    json.begin_object();
    write_alarm_fields(json, detail.alarm);
    json.key("members").begin_object().field("total", detail.total).field("listed", detail.members.size());
    json.field("back", detail.back).field("matching", rows.size()).key("rows").begin_array();
    const std::size_t first = std::min(query.offset, rows.size());
    const std::size_t last = first + std::min(query.limit, rows.size() - first);
    for (std::size_t i = first; i < last; ++i) write_member(json, *rows[i]);
    json.end_array().end_object().end_object();
    return json.take();
}

std::string render_members_csv(const AlarmDetail& detail, const MemberQuery& query) {
    std::string out = "id,peer,key,conn,at,reason,back\r\n";
    for (const MemberState* row : matching(detail, query)) append_row(out, *row);
    return out;
}

}  // namespace holdfast
