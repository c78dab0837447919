#include <bit>
#include <cstddef>
#include <string>
#include <utility>

#include "pipeline/pipeline.h"
#include "tcp/peer_state.h"
#include "text/printable.h"

namespace holdfast {
namespace {

std::string_view without_hello(const PipelineListener& listener) {
    if (listener.has_own_codec) return "the first message is not a login";
    return listener.tokens ? "the first object is not a hello with a token" : "the first object is not a hello";
}

}  // namespace

std::optional<Error> cannot_acknowledge(const ServerConfig& config, const Pipeline& pipeline) {
    if (pipeline.acknowledges()) return std::nullopt;
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const ListenerConfig& listener = config.listeners[i];
        if (!listener.acks) continue;
        return Error{"listener " + in_quotes(listener.name) +
                         " has acks = true, but its sink is not durable; choose the sink spool or "
                         "nats, or give the server a durable handler",
                     ErrorCode::invalid_config, "listeners[" + std::to_string(i) + "].acks"};
    }
    return std::nullopt;
}

void put_off_acks(ServerConfig& wanted, const Pipeline& pipeline, ApplyReport& report) {
    if (pipeline.acknowledges()) return;
    for (ListenerConfig& listener : wanted.listeners) {
        if (!std::exchange(listener.acks, false)) continue;
        report.needs_restart.push_back(
            "acks of listener " + in_quotes(listener.name) +
            ": runs with false, configured as true; restart with a durable sink to apply it");
    }
}

void Pipeline::know_devices(DeviceContext around) {
    around.durable = events_->durable();
    shard_ = around.shard;
    post_ = around.post;
    devices_.start(
        std::move(around), counters_,
        [this](Connection& connection, std::string_view json) { return send(connection, json); },
        [this](Connection& connection, Token number) { give_identity(connection, number, shard_->time()); },
        [this](std::uint64_t count) { send_safe_answers(count); });
}

bool Pipeline::frame(const Connection& connection, std::string_view message, std::string& out) {
    if (listeners_[connection.listener].codec->append(out, message)) return true;
    counters_[connection.listener]->unencodable.increment();
    return false;
}

SendOutcome Pipeline::send(Connection& connection, std::string_view message) {
    framed_.clear();
    return frame(connection, message, framed_) ? shard_->send(connection, framed_) : SendOutcome::unencodable;
}

void Pipeline::on_certified(Connection& connection, Token number, std::string_view id) {
    devices_.certify(connection, number, id);
}

/// Handles a hello. On a listener that identifies devices by certificates, a hello without one is refused.
Pipeline::Next Pipeline::on_hello(Arrival& arrival, const Hello& hello, TokenMark token) {
    Connection& connection = arrival.connection;
    if (arrival.device != nullptr && arrival.device->id != hello.id) {
        return deny(arrival, "the hello has another id than the certificate");
    }
    connection.last_item = arrival.time.tick;
    const auto greeted = devices_.greet(connection, arrival.number, hello, arrival.listener.acks, token);
    if (greeted == DeviceSessions::Greeted::denied) return deny(arrival, another_has_proved);
    arrival.device = devices_.find(arrival.number);
    if (greeted == DeviceSessions::Greeted::delayed) return Next::hold;  // identified once it holds its id
    give_identity(connection, arrival.number, arrival.time);
    return greeted == DeviceSessions::Greeted::held ? Next::hold : Next::go_on;
}

void Pipeline::give_identity(Connection& connection, Token number, const TurnTime& time) {
    if (!login_answers_.empty()) send_login_answer(connection, number);  // before what the handler sends
    give_identified(connection, number, time);
}

void Pipeline::give_identified(Connection& connection, Token number, const TurnTime& time) {
    if (connection.connected_pending) return give_connected(connection, number, time);
    Device& device = *devices_.find(number);
    devices_.note_given(number, device);
    note_given();
    events_->on_identified({.conn = {run_, number},
                            .listener = listeners_[connection.listener].name,
                            .peer = connection.peer,
                            .device = name_of(connection, &device),
                            .at = time.wall,
                            .authenticated = connection.identity == Identity::authenticated,
                            .established = established(connection, time),
                            .ended = peer_has_shut(connection.fd)});
}

Pipeline::Next Pipeline::deny(Arrival& arrival, std::string_view why) {
    arrival.end = CloseReason::unauthenticated;
    arrival.detail = why;
    return Next::end;
}

/// Takes bytes of an unauthenticated connection: its first frame must be a hello that can prove its id, within its
/// first KiB.
ReadResult Pipeline::on_unauthenticated(Arrival& arrival, std::span<const char> window, std::uint64_t scan_note) {
    constexpr std::size_t max_bytes = max_unauthenticated_bytes;
    if (arrival.listener.has_own_codec) return on_unauthenticated_frames(arrival, window, scan_note);
    Connection& connection = arrival.connection;
    auto scan = std::bit_cast<FrameScan>(scan_note);
    arrival.rest = window;
    decoder_.expect_lines({});
    FrameRules rules = arrival.listener.rules();
    rules.drops = false;
    const Frame frame = holdfast::next_frame(rules, window, scan, max_bytes);
    const bool partial = frame.kind == Frame::Kind::partial;
    const std::uint64_t behind = partial ? 0 : window.size() - frame.next;
    const bool too_much = connection.bytes_in - behind > max_bytes || frame.kind == Frame::Kind::too_large;
    if (partial && !too_much)
        return {.consumed = frame.next, .scan = std::bit_cast<std::uint64_t>(scan), .end = {}, .detail = {}};
    Next next = Next::end;
    if (too_much) {
        next = deny(arrival, arrival.listener.tokens ? "more than 1 KiB arrived before a hello with a token"
                                                     : "more than 1 KiB arrived before a hello");
    } else if (frame.kind == Frame::Kind::malformed) {
        next = deny(arrival, without_hello(arrival.listener));
    } else {
        next = let_in(arrival, {window.data() + frame.begin, frame.end - frame.begin});
    }
    if (next == Next::end) return turn_away(arrival, frame, window.subspan(too_much ? frame.begin : frame.next));
    if (next == Next::hold) return {.consumed = frame.next, .scan = 0, .end = {}, .detail = {}, .hold = true};
    ReadResult rest = on_bytes(connection, arrival.number, window.subspan(frame.next), 0, arrival.time);
    rest.consumed += frame.next;
    return rest;
}

/// Ends a connection whose first frame is no valid hello, and keeps what it was. The frame may contain a secret.
ReadResult Pipeline::turn_away(Arrival& arrival, const Frame& frame, std::span<const char> left) {
    arrival.first = !arrival.connection.spoke;
    arrival.text = {arrival.rest.data() + frame.begin, frame.end - frame.begin};
    if (arrival.first) static_cast<void>(recognize(arrival));
    leave_over(arrival, left);
    return {.consumed = 0, .scan = 0, .end = arrival.end, .detail = arrival.detail};
}

/// Decides on an id and token. An unknown id and a wrong token give the same answer in the same time.
Pipeline::Next Pipeline::let_in(Arrival& arrival, std::string_view text) {
    const ItemDecoder::Decoded decoded = decoder_.decode(text);
    const auto greeting = decoded.bad == BadItem::no_key ? decoder_.greeting() : ItemDecoder::Greeting{};
    if (!greeting.hello || arrival.connection.spoke) return deny(arrival, without_hello(arrival.listener));
    return authenticate(arrival, *greeting.hello);
}

Pipeline::Next Pipeline::authenticate(Arrival& arrival, const Hello& hello) {
    arrival.connection.spoke = true;
    if (arrival.listener.tokens == nullptr) return pass_on(arrival, hello);
    if (hello.token.empty()) return deny(arrival, "the hello has no token");
    const auto mark = arrival.listener.tokens->check(hello.id, hello.token);
    return mark ? on_hello(arrival, hello, *mark) : deny(arrival, "the token is not valid for the id");
}

bool Pipeline::may_stay(const Connection& connection, Token number) {
    const auto& tokens = listeners_[connection.listener].tokens;
    const Device* device = connection.is_identified() ? devices_.find(number) : nullptr;
    if (tokens == nullptr || device == nullptr)
        return true;  // unidentified connections keep their ten-second hello timeout
    const bool certified = device->token == 0;
    return certified || tokens->has(device->id, device->token);
}

/// Takes an item of a numbered session: the table of docs/reference/protocol.md, row by row.
Pipeline::Next Pipeline::on_numbered_item(Arrival& arrival, std::string_view text,
                                          const ItemDecoder::Decoded& decoded) {
    Device& device = *arrival.device;
    if (device.drops()) {
        devices_.drop(arrival.connection);
        return Next::go_on;
    }
    const auto seq = decoder_.seq();
    if (seq) {
        auto verdict = device.numbers.classify(*seq);
        if (verdict == SequenceTracker::Verdict::gap &&
            devices_.begins_at(arrival.number, device, arrival.connection.identity, *seq))
            verdict = device.numbers.classify(*seq);
        device.resyncs = false;
        if (verdict != SequenceTracker::Verdict::expected) {
            arrival.connection.last_item = arrival.time.tick;
            verdict == SequenceTracker::Verdict::repeated
                ? devices_.repeat(arrival.connection, arrival.number, device, *seq)
                : devices_.refuse_number(arrival.connection, device, *seq, verdict);
            return Next::go_on;
        }
    }
    if (decoded.bad || !seq) return refuse(arrival, decoded.bad.value_or(BadItem::bad_seq));
    give_item(arrival, text, decoded.key, device.numbers.next());
    devices_.take(arrival.number, device, given_);
    return Next::go_on;
}

/// Refuses a bad item, which uses up the expected number.
Pipeline::Next Pipeline::refuse(Arrival& arrival, BadItem kind) {
    Device& device = *arrival.device;
    if (device.resyncs) {  // the rest of an item whose beginning was lost has no number
        devices_.drop(arrival.connection);
        return Next::bad;
    }
    devices_.send_nack(arrival.connection, device.numbers.next(), to_string(kind));
    ++given_;
    events_->on_refused(
        {.conn = {run_, arrival.number}, .device = name_of(arrival.connection, &device), .seq = device.numbers.next()});
    devices_.take(arrival.number, device, given_);
    return on_bad_item(arrival, kind);
}

Pipeline::Next Pipeline::on_unreadable(Arrival& arrival, BadItem kind) {
    const bool numbered = arrival.device != nullptr && arrival.device->counts() && !arrival.device->drops();
    return numbered ? refuse(arrival, kind) : on_bad_item(arrival, kind);
}

}  // namespace holdfast
