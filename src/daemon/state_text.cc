#include "daemon/state_text.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <holdfast/bad_items.h>
#include <holdfast/reason.h>

#include "daemon/state_alarms.h"
#include "text/token_lines.h"

namespace holdfast {
namespace {

constexpr std::string_view life_word = "life";
constexpr std::string_view bad_word = "bad";  // the bad items of the life before it
constexpr std::string_view spool_word = "spool";
constexpr std::string_view trend_word = "trend";
constexpr std::size_t max_lives = 100'000;

void write_evidence(TokenWriter& out, const Evidence& evidence) {
    out.number(evidence.probes).number(evidence.retransmits).number(evidence.last_ack.count());
    out.number(evidence.last_heard.count()).number(evidence.unacked_bytes).number(evidence.unsent_bytes);
    out.number(evidence.peer_window).number(evidence.rtt.count());
}

void read_evidence(TokenReader& in, Evidence& evidence) {
    evidence.probes = in.number<std::uint32_t>();
    evidence.retransmits = in.number<std::uint32_t>();
    evidence.last_ack = std::chrono::milliseconds(in.number<std::int64_t>());
    evidence.last_heard = std::chrono::milliseconds(in.number<std::int64_t>());
    evidence.unacked_bytes = in.number<std::uint64_t>();
    evidence.unsent_bytes = in.number<std::uint64_t>();
    evidence.peer_window = in.number<std::uint32_t>();
    evidence.rtt = std::chrono::microseconds(in.number<std::int64_t>());
}

void write_life(TokenWriter& out, const ClosedLife& life) {
    out.word(life_word).word(to_string(life.conn)).word(to_string(life.peer)).word(to_string(life.reason));
    out.number(life.error).number(life.items).number(life.bytes_in).number(life.bytes_out);
    out.number(life.duration.count()).number(life.at.time_since_epoch().count());
    out.number(life.liveness == LivenessOf::path ? 1 : 0).number(life.authenticated ? 1 : 0);
    out.number(life.observed ? 1 : 0);
    out.text(life.listener).text(life.detail).text(life.key).text(life.id);
    write_evidence(out, life.evidence);
    out.end_line();
}

void write_bad_items(TokenWriter& out, const BadItems& bad) {
    out.word(bad_word);
    for (const std::uint64_t count : bad.counts) out.number(count);
    out.word(to_string(bad.last.kind)).number(bad.last.position).number(bad.last.bytes);
    out.number(bad.last.at.time_since_epoch().count()).text(bad.last.head.view()).text(bad.last.detail);
    out.end_line();
}

/// Returns nullptr if the line is of another form, or names a kind of a newer version.
std::shared_ptr<const BadItems> read_bad_items(TokenReader& in) {
    BadItems bad;
    for (std::uint64_t& count : bad.counts) count = in.number<std::uint64_t>();
    const auto kind = parse_bad_item(in.word());
    bad.last.position = in.number<std::uint64_t>();
    bad.last.bytes = in.number<std::uint64_t>();
    bad.last.at = EventTime(in.milliseconds());
    bad.last.head.assign(in.text());
    bad.last.detail = in.text();
    if (!in.ok || !in.at_line_end() || !kind) return nullptr;
    bad.last.kind = *kind;
    return std::make_shared<const BadItems>(bad);
}

/// Returns nullopt if the line is of another form, or names a reason of a newer version.
std::optional<ClosedLife> read_life(TokenReader& in) {
    ClosedLife life;
    const auto conn = parse_connection_id(in.word());
    const auto peer = parse_endpoint(in.word());
    const auto reason = parse_close_reason(in.word());
    life.error = in.number<int>();
    life.items = in.number<std::uint64_t>();
    life.bytes_in = in.number<std::uint64_t>();
    life.bytes_out = in.number<std::uint64_t>();
    life.duration = in.milliseconds();
    life.at = EventTime(in.milliseconds());
    life.liveness = in.number<int>() == 1 ? LivenessOf::path : LivenessOf::device;
    life.authenticated = in.number<int>() == 1;
    life.observed = in.number<int>() == 1;
    for (std::string* const text : {&life.listener, &life.detail, &life.key, &life.id}) *text = in.text();
    read_evidence(in, life.evidence);
    if (!in.ok || !conn || !peer || !reason) return std::nullopt;
    life.conn = *conn;
    life.peer = peer.value();
    life.reason = *reason;
    return life;
}

/// Reads the lines of closed connections, in order.
class LifeLines {
public:
    void take(std::string_view word, TokenReader& rest) {
        if (word == bad_word) {
            if (has_latest_) lives_.back().bad_items = read_bad_items(rest);
        } else if (word == life_word) {
            auto life = lives_.size() < max_lives ? read_life(rest) : std::nullopt;
            has_latest_ = life.has_value();
            if (life) lives_.push_back(std::move(*life));
        }
    }
    [[nodiscard]] std::vector<ClosedLife> lives() && { return std::move(lives_); }

private:
    std::vector<ClosedLife> lives_;
    bool has_latest_ = false;  // the latest line of a life was read
};

void take_spool(TokenReader& in, SavedState& state) {
    std::string spool = in.text();
    const auto position = in.number<Position>();
    if (!in.ok) return;
    state.spool = std::move(spool);
    state.position = position;
}

}  // namespace

std::string to_state_text(const SavedState& state) {
    TokenWriter out;
    if (!state.spool.empty()) out.word(spool_word).text(state.spool).number(state.position).end_line();
    for (const ClosedLife& life : state.closed) {
        write_life(out, life);
        if (life.bad_items != nullptr) write_bad_items(out, *life.bad_items);
    }
    write_alarms(out, state.alarms);
    out.word(trend_word).end_line();
    return out.take() + state.trend;
}

SavedState read_state_text(std::string_view body) {
    SavedState state;
    AlarmLines alarms;
    LifeLines lives;
    for (std::size_t begin = 0; begin < body.size();) {
        const std::string_view line = body.substr(begin, body.find('\n', begin) - begin);
        begin += line.size() + 1;
        TokenReader in(line);
        static_cast<void>(in.next_line());
        const std::string_view word = in.word();
        if (word == trend_word) {
            state.trend = body.substr(std::min(begin, body.size()));
            break;
        }
        if (word == spool_word) take_spool(in, state);
        lives.take(word, in);
        alarms.take(word, in);
    }
    state.closed = std::move(lives).lives();
    state.alarms = std::move(alarms).history();
    return state;
}

}  // namespace holdfast
