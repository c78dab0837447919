#include <utility>

#include "pipeline/hello_decision.h"
#include "pipeline/pipeline.h"
#include "text/printable.h"

// The frames of a program's codec, and items that are not JSON.

namespace holdfast {
namespace {

constexpr std::string_view impossible =
    "the program's codec returned a frame that does not fit its window or does not advance";

/// Returns true if the frame lies within a window of `size` bytes, and the next one behind its front.
bool is_possible(const Frame& frame, std::size_t size) {
    if (frame.kind == Frame::Kind::partial) return frame.next <= size;
    const bool is_ordered = frame.begin <= frame.end && frame.end <= frame.next && frame.next <= size;
    return is_ordered && (frame.next > 0 || frame.kind == Frame::Kind::end);
}

std::string_view item_of(const Frame& frame, std::span<const char> window, const CodecStream& stream) {
    return stream.item.data() != nullptr ? stream.item
                                         : std::string_view(window.data() + frame.begin, frame.end - frame.begin);
}

}  // namespace

CodecStream Pipeline::stream_of(const Arrival& arrival, std::uint64_t scan) const {
    CodecStream stream{.max_bytes = max_item_bytes_, .scan = scan};
    if (!arrival.listener.has_own_codec) return stream;
    stream.conn = {run_, arrival.number};
    stream.peer = arrival.connection.peer;
    const auto state = codec_states_.find(arrival.number);
    if (state != codec_states_.end()) stream.state = state->second;
    return stream;
}

/// Cuts the next frame, and checks that of a program's codec.
Frame Pipeline::next_frame(Arrival& arrival, std::span<const char> window, CodecStream& stream) {
    Codec& codec = *arrival.listener.codec;
    if (!arrival.listener.has_own_codec) [[likely]]
        return codec.next(window, stream);
    prepare(arrival, stream);
    const std::size_t max_bytes = stream.max_bytes;
    const Frame frame = codec.next(window, stream);
    stream.max_bytes = max_bytes;
    return checked(arrival, frame, window, stream);
}

Frame Pipeline::last_frame(Arrival& arrival, std::span<const char> window, CodecStream& stream) {
    Codec& codec = *arrival.listener.codec;
    if (!arrival.listener.has_own_codec) return codec.last(window, stream);
    prepare(arrival, stream);
    const std::size_t max_bytes = stream.max_bytes;
    Frame frame = codec.last(window, stream);
    stream.max_bytes = max_bytes;
    if (frame.kind != Frame::Kind::partial) frame.next = window.size();
    return checked(arrival, frame, window, stream);
}

/// Clears what the codec has said of the frame before.
void Pipeline::prepare(Arrival& arrival, CodecStream& stream) {
    stream.device = name_of(arrival.connection, arrival.device);
    stream.answer = stream.item = stream.key = stream.id = stream.token = {};
    stream.close = {.reason = CloseReason::application};
}

Frame Pipeline::checked(Arrival& arrival, const Frame& frame, std::span<const char> window, CodecStream& stream) {
    arrival.stream = &stream;
    if (!stream.answer.empty()) stream.answer = answer_.assign(stream.answer);
    if (!stream.key.empty()) stream.key = key_.assign(stream.key);
    if (stream.state != 0) {
        codec_states_[arrival.number] = stream.state;
    } else if (!codec_states_.empty()) {
        codec_states_.erase(arrival.number);
    }
    if (!is_possible(frame, window.size())) {
        stream.close.detail = impossible;
        return {Frame::Kind::end, 0, 0, 0};
    }
    const bool is_partial = frame.kind == Frame::Kind::partial;
    if (!is_partial) stream.scan = 0;
    if (is_partial && window.size() - frame.next > stream.max_bytes + unfinished_margin)
        return {Frame::Kind::too_large, frame.next, window.size(), window.size()};
    const bool is_large = frame.kind == Frame::Kind::item && item_of(frame, window, stream).size() > stream.max_bytes;
    return is_large ? Frame{Frame::Kind::too_large, frame.begin, frame.end, frame.next} : frame;
}

Pipeline::Next Pipeline::on_codec_frame(Arrival& arrival, Frame::Kind kind) {
    Next next = Next::go_on;
    switch (kind) {
        case Frame::Kind::partial:
            return Next::go_on;
        case Frame::Kind::item:
            arrival.first = !arrival.connection.spoke;
            arrival.connection.spoke = true;
            if (arrival.stream->item.data() != nullptr) arrival.text = padded(arrival.stream->item);
            next = on_whole_item(arrival);
            break;
        case Frame::Kind::skipped:
            arrival.connection.last_item = arrival.time.tick;  // the device lives, and speaks its protocol
            break;
        case Frame::Kind::login:
            next = on_login(arrival);
            break;
        case Frame::Kind::malformed:
        case Frame::Kind::too_large:
            next = on_bad_frame(arrival, kind);
            break;
        case Frame::Kind::end:
            return end_by_codec(arrival);
    }
    if (next == Next::end || kind == Frame::Kind::login) return next;
    answer(arrival, next == Next::go_on ? kind : Frame::Kind::malformed);
    if (!answers_.is_full(arrival.number)) return next;
    held_for_answers_.insert(arrival.number);  // read again once they are sent
    return Next::hold;
}

/// Takes the id of a login. A connection keeps the id that it has.
Pipeline::Next Pipeline::on_login(Arrival& arrival) {
    const CodecStream& stream = *arrival.stream;
    if (!is_device_word(stream.id, max_device_id)) {
        arrival.mistake = "its id must have 1 to 128 bytes of UTF-8 without control characters";
        return on_unreadable(arrival, BadItem::bad_hello);
    }
    const Device* const device = arrival.device;
    if (device != nullptr && device->given && device->id == stream.id) {
        arrival.connection.last_item = arrival.time.tick;
        answer(arrival, Frame::Kind::login);
        return Next::go_on;
    }
    const bool is_certified = device != nullptr && arrival.connection.identity == Identity::authenticated;
    if (device != nullptr && !is_certified) {
        arrival.mistake = "the connection has logged in with another id";
        return on_unreadable(arrival, BadItem::bad_hello);
    }
    login_answers_.insert_or_assign(arrival.number, std::string(stream.answer));
    return on_hello(arrival, {.id = std::string(stream.id), .session = {}, .token = {}}, 0);
}

/// Ends the connection as the codec says, behind the answers that wait.
Pipeline::Next Pipeline::end_by_codec(Arrival& arrival) {
    CloseOrder order = arrival.stream->close;
    if (kind_of(order.reason) != ReasonKind::policy) order.reason = CloseReason::application;
    LastWords words{.close = close_info(order),
                    .detail = kept_detail(order.detail),
                    .bytes = std::string(arrival.stream->answer),
                    .flush = order.flush};
    ended_by_codec_.insert(arrival.number);
    if (answers_.contains(arrival.number)) {
        last_words_.insert_or_assign(arrival.number, std::move(words));
    } else {
        part(arrival.connection, words);
    }
    return Next::closed;
}

/// Counts bytes behind the end that the codec has found.
ReadResult Pipeline::discard(const Arrival& arrival, std::span<const char> window) {
    counters_[arrival.connection.listener]->left_over_bytes.add(window.size());
    return {.consumed = window.size(), .scan = 0, .end = {}, .detail = {}};
}

void Pipeline::part(Connection& connection, const LastWords& words) {
    if (connection.is_closing()) return;
    if (!words.bytes.empty()) static_cast<void>(shard_->send(connection, words.bytes));
    static_cast<void>(shard_->close(connection, words.close, words.detail, words.flush));
}

/// Takes an item that is not JSON. Its key is the codec's, else the id of the device, else the peer's address.
Pipeline::Next Pipeline::on_payload(Arrival& arrival, std::string_view text) {
    arrival.text = text;
    if (arrival.listener.payload == Payload::text && !is_utf8(text)) return on_bad_item(arrival, BadItem::bad_utf8);
    std::string address;
    std::string_view key = arrival.stream != nullptr ? arrival.stream->key : std::string_view();
    if (!is_utf8(key)) return on_bad_item(arrival, BadItem::no_key);
    if (key.empty() && arrival.device != nullptr) key = arrival.device->id;
    if (key.empty()) key = address = to_string(arrival.connection.peer.address);
    give_item(arrival, text, key, 0);
    return Next::go_on;
}

/// Returns the decoded item with the codec's key.
ItemDecoder::Decoded Pipeline::keyed_by_codec(const Arrival& arrival, ItemDecoder::Decoded decoded) {
    const std::string_view key = arrival.stream->key;
    if (decoded.bad && *decoded.bad != BadItem::no_key) return decoded;
    decoded.bad = is_utf8(key) ? std::nullopt : std::optional(BadItem::no_key);
    decoded.key = key;
    return decoded;
}

std::string_view Pipeline::padded(std::string_view text) {
    padded_.assign(text).append(item_padding, '\0');
    return std::string_view(padded_).substr(0, text.size());
}

/// Takes frames of an unauthenticated connection, up to its login or, with JSON, its hello.
ReadResult Pipeline::on_unauthenticated_frames(Arrival& arrival, std::span<const char> window, std::uint64_t scan) {
    CodecStream stream = stream_of(arrival, scan);
    stream.max_bytes = max_unauthenticated_bytes;
    decoder_.expect_lines({});
    std::size_t done = 0;
    while (done < window.size() && !arrival.connection.is_identified()) {
        arrival.rest = window.subspan(done);
        const Frame frame = next_frame(arrival, arrival.rest, stream);
        const Next next = on_unauthenticated_frame(arrival, frame);
        if (next == Next::end) return turn_away(arrival, frame, arrival.rest.subspan(frame.next));
        done += frame.next;
        if (frame.kind == Frame::Kind::partial) return {.consumed = done, .scan = stream.scan, .end = {}, .detail = {}};
        if (next == Next::hold) return {.consumed = done, .scan = 0, .end = {}, .detail = {}, .hold = true};
        if (next == Next::closed) {
            leave_over(arrival, window.subspan(done));
            return {.consumed = window.size(), .scan = 0, .end = {}, .detail = {}};
        }
    }
    if (done == window.size()) return {.consumed = done, .scan = 0, .end = {}, .detail = {}};
    ReadResult rest = on_bytes(arrival.connection, arrival.number, window.subspan(done), 0, arrival.time);
    rest.consumed += done;
    return rest;
}

/// Takes one of them, within the bytes that an unauthenticated device may send.
Pipeline::Next Pipeline::on_unauthenticated_frame(Arrival& arrival, const Frame& frame) {
    const bool is_partial = frame.kind == Frame::Kind::partial;
    const std::uint64_t behind = is_partial ? 0 : arrival.rest.size() - frame.next;
    arrival.text = {arrival.rest.data() + frame.begin, frame.end - frame.begin};
    if (arrival.connection.bytes_in - behind > max_unauthenticated_bytes || frame.kind == Frame::Kind::too_large)
        return deny(arrival, "more than 1 KiB arrived before a login");
    return is_partial ? Next::go_on : let_in_by_frame(arrival, frame.kind);
}

/// Decides on one frame of an unauthenticated connection.
Pipeline::Next Pipeline::let_in_by_frame(Arrival& arrival, Frame::Kind kind) {
    if (arrival.stream == nullptr) return let_in(arrival, arrival.text);
    if (kind == Frame::Kind::item && arrival.listener.has_json()) {
        login_answers_.insert_or_assign(arrival.number, std::string(arrival.stream->answer));
        return let_in(arrival, arrival.stream->item.data() != nullptr ? padded(arrival.stream->item) : arrival.text);
    }
    if (kind == Frame::Kind::end) return end_by_codec(arrival);
    if (kind == Frame::Kind::skipped) {
        answer(arrival, kind);
        return Next::go_on;
    }
    if (kind != Frame::Kind::login || !is_device_word(arrival.stream->id, max_device_id))
        return deny(arrival, "the first message is not a login");
    login_answers_.insert_or_assign(arrival.number, std::string(arrival.stream->answer));
    return authenticate(
        arrival, {.id = std::string(arrival.stream->id), .session = {}, .token = std::string(arrival.stream->token)});
}

/// Sends the codec's answer to a frame that was handled: to an item once it is durable.
void Pipeline::answer(const Arrival& arrival, Frame::Kind kind) {
    const bool waits = kind == Frame::Kind::item && devices_.waits_for_safety();
    pass_answer(arrival.connection, arrival.number, arrival.stream->answer, !waits);
}

/// Sends an answer, or keeps it behind those that wait.
void Pipeline::pass_answer(Connection& connection, Token number, std::string_view bytes, bool is_safe) {
    if (bytes.empty() || connection.is_closing()) return;
    if (!is_safe || answers_.contains(number)) return answers_.add(number, given_, bytes);
    if (shard_->send(connection, bytes) == SendOutcome::queue_full) answers_.block(number, bytes);
}

void Pipeline::send_login_answer(Connection& connection, Token number) {
    const auto found = login_answers_.extract(number);
    if (found) pass_answer(connection, number, found.mapped(), true);
}

void Pipeline::send_safe_answers(std::uint64_t count) {
    answers_.release(count, [this](Token number, const std::string& bytes, bool is_last) {
        return send_answer(number, bytes, is_last);
    });
}

/// Sends an answer that waited. Returns false if the device does not read, so that it waits on.
bool Pipeline::send_answer(Token number, const std::string& bytes, bool is_last) {
    Connection* const connection = shard_->registry().find(number);
    if (connection == nullptr || connection->is_closing()) return true;
    if (shard_->send(*connection, bytes) == SendOutcome::queue_full) return false;
    if (!is_last) return true;
    if (held_for_answers_.erase(number) > 0) shard_->after_turn([this, number] { release_after_answers(number); });
    if (const auto words = last_words_.extract(number)) {
        part(*connection, words.mapped());
    } else if (!devices_.owes_acks(number)) {
        shard_->answered(*connection);
    }
    return true;
}

void Pipeline::release_after_answers(Token number) {
    if (Connection* const connection = shard_->registry().find(number)) shard_->release(*connection);
}

void Pipeline::forget_codec(Token number) {
    codec_states_.erase(number);
    login_answers_.erase(number);
    ended_by_codec_.erase(number);
    held_for_answers_.erase(number);
    last_words_.erase(number);
}

}  // namespace holdfast
