#include "daemon/state_alarms.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace holdfast {
namespace {

constexpr std::string_view board_word = "alarms";
constexpr std::string_view alarm_word = "alarm";
constexpr std::string_view reason_word = "alarm-reason";
constexpr std::string_view prefix_word = "alarm-prefix";
constexpr std::string_view member_word = "alarm-member";
constexpr std::string_view none = "-";
constexpr std::size_t max_alarms = 1'000;
constexpr std::uint64_t max_id = std::uint64_t{1} << 53;  // JSON's readers take larger numbers as inexact ones

void write_time(TokenWriter& out, EventTime at) { out.number(at.time_since_epoch().count()); }

EventTime read_time(TokenReader& in) { return EventTime(in.milliseconds()); }

/// Writes whether there is a value. The caller writes the value behind it.
template <typename Value>
bool write_presence(TokenWriter& out, const std::optional<Value>& value) {
    out.number(value ? 1 : 0);
    return value.has_value();
}

bool read_flag(TokenReader& in) { return in.number<int>() == 1; }

void write_optional_parts(TokenWriter& out, const Alarm& alarm) {
    if (write_presence(out, alarm.cleared_at)) write_time(out, *alarm.cleared_at);
    if (write_presence(out, alarm.interval)) {
        write_time(out, alarm.interval->from);
        write_time(out, alarm.interval->to);
    }
    if (write_presence(out, alarm.silent)) {
        write_time(out, alarm.silent->since);
        out.number(alarm.silent->suspects).number(alarm.silent->recovered).number(alarm.silent->lasted.count());
        out.number(alarm.silent->times);
    }
    if (write_presence(out, alarm.acknowledged)) {
        write_time(out, alarm.acknowledged->at);
        out.text(alarm.acknowledged->note);
    }
}

void read_optional_parts(TokenReader& in, Alarm& alarm) {
    if (read_flag(in)) alarm.cleared_at = read_time(in);
    if (read_flag(in)) {
        alarm.interval.emplace().from = read_time(in);
        alarm.interval->to = read_time(in);
    }
    if (read_flag(in)) {
        alarm.silent.emplace().since = read_time(in);
        alarm.silent->suspects = in.number<std::size_t>();
        alarm.silent->recovered = in.number<std::size_t>();
        alarm.silent->lasted = in.milliseconds();
        alarm.silent->times = in.number<std::size_t>();
    }
    if (read_flag(in)) {
        alarm.acknowledged.emplace().at = read_time(in);
        alarm.acknowledged->note = in.text();
    }
}

void write_alarm(TokenWriter& out, const Alarm& alarm) {
    out.word(alarm_word).number(alarm.id).word(to_string(alarm.kind));
    write_time(out, alarm.raised_at);
    out.number(alarm.count).number(alarm.took.count());
    out.number(alarm.population_before).number(alarm.population_now).number(alarm.elsewhere);
    write_optional_parts(out, alarm);
    out.text(alarm.listener).text(alarm.summary).text(alarm.cause).text(alarm.advice).end_line();
    for (const ReasonShare& share : alarm.reasons) {
        out.word(reason_word).word(to_string(share.reason)).number(share.count).end_line();
    }
    for (const PrefixShare& share : alarm.prefixes) {
        out.word(prefix_word).word(to_string(share.prefix)).number(share.dead).number(share.alive).end_line();
    }
}

void write_member(TokenWriter& out, const AlarmMember& member) {
    out.word(member_word).word(to_string(member.conn)).word(to_string(member.peer));
    write_time(out, member.at);
    out.word(member.reason ? to_string(*member.reason) : none).text(member.id).text(member.key).end_line();
}

}  // namespace

void write_alarms(TokenWriter& out, const AlarmHistory& alarms) {
    out.word(board_word).number(alarms.board.last_id);
    write_time(out, alarms.saved_at);
    out.end_line();
    for (const std::vector<Alarm>* part : {&alarms.board.active, &alarms.board.recent}) {
        for (const Alarm& alarm : *part) {
            write_alarm(out, alarm);
            const auto members = alarms.members.find(alarm.id);
            if (members == alarms.members.end()) continue;
            for (const AlarmMember& member : members->second) write_member(out, member);
        }
    }
}

void AlarmLines::take(std::string_view word, TokenReader& rest) {
    if (word == board_word) {
        const auto last_id = rest.number<std::uint64_t>();
        const EventTime saved_at = read_time(rest);
        if (!rest.ok || last_id > max_id) return;
        history_.board.last_id = last_id;
        history_.saved_at = saved_at;
    }
    if (word == alarm_word) take_alarm(rest);
    if (alarm_ == nullptr) return;
    if (word == reason_word) take_reason(rest);
    if (word == prefix_word) take_prefix(rest);
    if (word == member_word) take_member(rest);
}

void AlarmLines::take_alarm(TokenReader& in) {
    alarm_ = nullptr;
    Alarm alarm;
    alarm.id = in.number<std::uint64_t>();
    const auto kind = parse_alarm_kind(in.word());
    alarm.raised_at = read_time(in);
    alarm.count = in.number<std::size_t>();
    alarm.took = in.milliseconds();
    for (std::size_t* const count : {&alarm.population_before, &alarm.population_now, &alarm.elsewhere}) {
        *count = in.number<std::size_t>();
    }
    read_optional_parts(in, alarm);
    for (std::string* const text : {&alarm.listener, &alarm.summary, &alarm.cause, &alarm.advice}) *text = in.text();
    AlarmBoard& board = history_.board;
    const bool fits = alarm.id > 0 && alarm.id <= board.last_id && board.find(alarm.id) == nullptr;
    if (!in.ok || !kind || !fits || board.active.size() + board.recent.size() >= max_alarms) return;
    alarm.kind = *kind;
    std::vector<Alarm>& part = alarm.cleared_at ? board.recent : board.active;
    alarm_ = &part.emplace_back(std::move(alarm));
}

void AlarmLines::take_reason(TokenReader& in) {
    const auto reason = parse_close_reason(in.word());
    const auto count = in.number<std::size_t>();
    if (in.ok && reason && alarm_->reasons.size() < close_reason_count) alarm_->reasons.push_back({*reason, count});
}

void AlarmLines::take_prefix(TokenReader& in) {
    const auto prefix = parse_prefix(in.word());
    const auto dead = in.number<std::size_t>();
    const auto alive = in.number<std::size_t>();
    if (in.ok && prefix && alarm_->prefixes.size() < max_cover_prefixes)
        alarm_->prefixes.push_back({prefix.value(), dead, alive});
}

void AlarmLines::take_member(TokenReader& in) {
    AlarmMember member;
    const auto conn = parse_connection_id(in.word());
    const auto peer = parse_endpoint(in.word());
    member.at = read_time(in);
    const std::string_view word = in.word();
    member.reason = parse_close_reason(word);
    member.id = in.text();
    member.key = in.text();
    if (!in.ok || !conn || !peer || (!member.reason && word != none) || members_ >= AlarmMembers::max_in_all) return;
    member.conn = *conn;
    member.peer = peer.value();
    history_.members[alarm_->id].push_back(std::move(member));
    ++members_;
}

}  // namespace holdfast
