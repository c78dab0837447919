#include "pipeline/pipeline.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "model/identity.h"
#include "tcp/peer_state.h"

namespace holdfast {

void ClosedHistory::add(ClosedLife life) {
    if (capacity_ == 0) return;
    const std::lock_guard lock(mutex_);
    if (ring_.size() < capacity_) {
        ring_.push_back(std::move(life));
        return;
    }
    ring_[next_] = std::move(life);
    next_ = (next_ + 1) % capacity_;
}

void ClosedHistory::restore(std::vector<ClosedLife> lives) {
    const std::lock_guard lock(mutex_);
    const std::size_t fitting = std::min(lives.size(), capacity_ - ring_.size());
    const auto first = lives.end() - static_cast<std::ptrdiff_t>(fitting);
    std::rotate(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(next_), ring_.end());
    next_ = 0;
    ring_.insert(ring_.begin(), std::make_move_iterator(first), std::make_move_iterator(lives.end()));
}

namespace {

bool matches(const ClosedQuery& query, const ClosedLife& life) {
    return (!query.reason || life.reason == *query.reason) && (!query.id || matches_id(*query.id, life.id)) &&
           (!query.listener || life.listener == *query.listener) &&
           (!query.peer || query.peer->contains(life.peer.address)) && is_between(query.since, life.at, query.until);
}

}  // namespace

ClosedPage ClosedHistory::find(const ClosedQuery& query) const {
    ClosedPage found;
    const std::lock_guard lock(mutex_);
    for (std::size_t age = 0; age < ring_.size(); ++age) {
        const ClosedLife& life = ring_[(next_ + ring_.size() - 1 - age) % ring_.size()];
        if (!matches(query, life)) continue;
        const std::size_t place = found.total++;
        if (place >= query.offset && found.lives.size() < query.limit) found.lives.push_back(life);
    }
    return found;
}

static_assert(sizeof(FrameScan) == sizeof(std::uint64_t), "a connection keeps it as one number");

namespace {

/// Returns true if kept bytes with this note belong to an item that is dropped to its end.
bool drops(const PipelineListener& listener, std::uint64_t scan) {
    return !listener.has_own_codec && std::bit_cast<FrameScan>(scan).drops;
}

}  // namespace

PipelineListener pipeline_listener(const ListenerConfig& config, std::shared_ptr<const TokenSet> tokens,
                                   std::shared_ptr<Codec> codec) {
    PipelineListener listener{
        .name = config.name,
        .framing = config.framing,
        .delimiter = config.delimiter == "\n" ? std::string() : config.delimiter,
        .length_field = config.length_field,
        .payload = config.payload,
        .arrays = config.arrays,
        .oversize = config.oversize,
        .max_bad_items = config.max_bad_items,
        .acks = config.acks,
        .liveness = config.proxy_protocol == ProxyProtocol::off ? LivenessOf::device : LivenessOf::path,
        .tokens = std::move(tokens),
        .asks_program = config.authenticate_by_program,
        .codec = std::move(codec)};
    listener.has_own_codec = listener.codec != nullptr;
    return listener;
}

PipelineListener with_codec(PipelineListener listener) {
    if (listener.codec == nullptr) listener.codec = std::make_shared<FramingCodec>(listener.rules());
    return listener;
}

Pipeline::Pipeline(Options options, std::unique_ptr<EventHandler> events, const Shared& shared)
    : run_(options.run),
      clock_(options.clock),
      listeners_(std::move(options.listeners)),
      max_item_bytes_(options.item.max_bytes),
      keys_by_device_(options.item.key.empty()),
      events_(std::move(events)),
      history_(shared.closed),
      notices_(shared.notices),
      decoder_(options.item),
      bad_item_history_(shared.bad_items),
      bad_items_(shared.bad_items) {
    for (PipelineListener& listener : listeners_) listener = with_codec(std::move(listener));
}

void Pipeline::open_listener(std::uint8_t number, PipelineListener listener, ListenerCounters& counters) {
    if (number == listeners_.size()) {
        listeners_.emplace_back();
        counters_.emplace_back();
    }
    change_listener(number, std::move(listener));
    counters_[number] = &counters;
}

void Pipeline::on_open(Connection& connection, Token number, const TurnTime& time) {
    const PipelineListener& listener = listeners_[connection.listener];
    // The certificate's claim on its id must wait.
    const bool pending = connection.is_identified() && devices_.find(number)->is_pending();
    connection.paused = connection.paused || pending;
    if (listener.acks || (listener.authenticates() && !connection.is_identified()) || pending) {
        connection.connected_pending =
            true;  // until it has sent a hello or another frame, or stayed silent for a while
    } else {
        give_connected(connection, number, time);
    }
}

void Pipeline::on_connected_pending(Connection& connection, Token number, const TurnTime& time) {
    if (listeners_[connection.listener].authenticates() && !connection.is_identified())
        return;  // it is reported after authentication, or ends
    if (connection.is_identified() && devices_.find(number)->is_pending()) return;
    give_connected(connection, number, time);
}

Pipeline::Arrival Pipeline::arrive(Connection& connection, Token number, const TurnTime& time) {
    return {.connection = connection,
            .number = number,
            .time = time,
            .listener = listeners_[connection.listener],
            .device = connection.is_identified() ? devices_.find(number) : nullptr};
}

ReadResult Pipeline::on_bytes(Connection& connection, Token number, std::span<const char> window, std::uint64_t scan,
                              const TurnTime& time) {
    Arrival arrival = arrive(connection, number, time);
    if (!ended_by_codec_.empty() && ended_by_codec_.contains(number)) [[unlikely]]
        return discard(arrival, window);
    const bool starts_text =
        !connection.spoke && connection.bytes_in == window.size() && arrival.listener.is_recognized();
    if (!starts_text) [[likely]]
        return cut(arrival, window, scan);
    const auto start = skip_byte_order_mark(window);
    if (!start) return {.consumed = 0, .scan = 0, .end = {}, .detail = {}};
    ReadResult result = cut(arrival, window.subspan(*start), *start > 0 ? 0 : scan);
    result.consumed += *start;
    return result;
}

ReadResult Pipeline::waits_at(std::size_t done, const Arrival& arrival, Next next) {
    return {.consumed = done,
            .scan = 0,
            .end = {},
            .detail = {},
            .hold = next == Next::hold,
            .in_array = arrival.cut_at != nullptr};
}

ReadResult Pipeline::cut(Arrival& arrival, std::span<const char> window, std::uint64_t scan_note) {
    if (arrival.listener.authenticates() && !arrival.connection.is_identified()) [[unlikely]]
        return on_unauthenticated(arrival, window, scan_note);
    decoder_.expect_lines(arrival.listener.has_json_lines() ? window : std::span<const char>());
    CodecStream stream = stream_of(arrival, scan_note);
    std::size_t done = 0;
    std::size_t large_at = 0;  // the item whose rest is dropped began here
    while (done < window.size()) {
        const auto rest = window.subspan(done);
        Frame frame = next_frame(arrival, rest, stream);
        if (frame.kind == Frame::Kind::partial) {
            const bool same_item = drops(arrival.listener, stream.scan) && large_at == 0;
            return {done + frame.next, stream.scan, std::nullopt, {}, false, same_item};
        }
        if (frame.kind == Frame::Kind::too_large) large_at = done + frame.begin;
        const Next next = take_frame(arrival, rest, frame);
        if (next == Next::end || next == Next::closed) {
            leave_over(arrival, rest.subspan(frame.next));
            const auto end = next == Next::end ? std::optional(arrival.end) : std::nullopt;
            // A codec that ends a connection with a flush gets no byte twice.
            if (!end && !arrival.connection.is_closing()) done = window.size();
            return {.consumed = done, .scan = 0, .end = end, .detail = arrival.detail};
        }
        done += frame.next;
        if (next == Next::hold || next == Next::held) return waits_at(done, arrival, next);
    }
    return {.consumed = done, .scan = 0, .end = {}, .detail = {}};
}

/// Returns true if the connection's kept bytes belong to an item that was reported as too large.
bool Pipeline::drops_item(const Connection& connection) const {
    return connection.unfinished && drops(listeners_[connection.listener], connection.unfinished->scan);
}

ReadResult Pipeline::on_last_bytes(Connection& connection, Token number, std::span<const char> window,
                                   const TurnTime& time) {
    Arrival arrival = arrive(connection, number, time);
    if (drops_item(connection)) return {.consumed = 0, .scan = 0, .end = {}, .detail = {}};
    CodecStream stream = stream_of(arrival, connection.unfinished ? connection.unfinished->scan : 0);
    Frame frame = last_frame(arrival, window, stream);
    if (frame.kind == Frame::Kind::partial) return {.consumed = 0, .scan = 0, .end = {}, .detail = {}};
    decoder_.expect_lines({});
    const bool is_unauthenticated = arrival.listener.authenticates() && !connection.is_identified();
    arrival.is_last = true;
    arrival.rest = window;
    arrival.text = {window.data() + frame.begin, frame.end - frame.begin};
    const Next next = is_unauthenticated ? let_in_by_frame(arrival, frame.kind) : on_frame(arrival, window, frame);
    if (arrival.cut_at != nullptr)
        leave_over(arrival, window.last(static_cast<std::size_t>(window.data() + window.size() - arrival.cut_at)));
    if (next == Next::end) return {.consumed = 0, .scan = 0, .end = arrival.end, .detail = arrival.detail};
    return {.consumed = window.size(), .scan = 0, .end = {}, .detail = {}};
}

/// Advances `frame.next` if the framing's rule skips bytes after a bad item.
/// Calls on_frame(). Counts the rest of the window if there is no memory for the item.
Pipeline::Next Pipeline::take_frame(Arrival& arrival, std::span<const char> window, Frame& frame) {
    struct Rest {
        Counter& left_over;
        std::size_t bytes;
        ~Rest() {
            if (bytes > 0) [[unlikely]]
                left_over.add(bytes);
        }
    } rest{counters_[arrival.connection.listener]->left_over_bytes, window.size()};
    const bool was_closing = arrival.connection.is_closing();
    const Next next = on_frame(arrival, window, frame);
    rest.bytes = 0;
    if (arrival.cut_at != nullptr) [[unlikely]]
        frame.next = static_cast<std::size_t>(arrival.cut_at - window.data());
    if (next == Next::end || next == Next::hold) return next;
    if (!was_closing && arrival.connection.is_closing()) [[unlikely]]
        return Next::closed;
    return arrival.connection.held ? Next::held : next;
}

Pipeline::Next Pipeline::on_frame(Arrival& arrival, std::span<const char> window, Frame& frame) {
    arrival.rest = window;
    arrival.mistake = {};
    arrival.text = {window.data() + frame.begin, frame.end - frame.begin};
    if (arrival.stream != nullptr) [[unlikely]]
        return on_codec_frame(arrival, frame.kind);
    if (frame.kind != Frame::Kind::item) [[unlikely]]
        return on_bad_frame(arrival, frame.kind);
    arrival.first = !arrival.connection.spoke;
    arrival.connection.spoke = true;
    const Next next = on_whole_item(arrival);
    if (next == Next::bad && arrival.listener.framing == Framing::json && !arrival.listener.has_own_codec)
        frame.next = resync_after(window, frame.next);
    return next;
}

Pipeline::Next Pipeline::on_whole_item(Arrival& arrival) {
    if (!arrival.listener.has_json()) [[unlikely]]
        return on_payload(arrival, arrival.text);
    const bool is_batch = arrival.listener.arrays && arrival.text.starts_with('[');
    return is_batch ? on_batch(arrival, arrival.text) : on_item(arrival, arrival.text);
}

Pipeline::Next Pipeline::on_bad_frame(Arrival& arrival, Frame::Kind kind) {
    if (kind == Frame::Kind::skipped) return Next::go_on;
    arrival.first = !arrival.connection.spoke;
    arrival.connection.spoke = true;
    if (arrival.connection.connected_pending) give_connected(arrival.connection, arrival.number, arrival.time);
    if (kind == Frame::Kind::malformed) {
        const bool is_text = arrival.listener.is_recognized();
        return on_unreadable(arrival, is_text ? BadItem::not_json : BadItem::malformed);
    }
    if (arrival.listener.is_counted()) {  // its length makes the item too large, and so belongs to the item here
        const std::size_t header = header_size(arrival.listener.rules());
        arrival.text = {arrival.text.data() - header, arrival.text.size() + header};
    }
    const Next next = on_unreadable(arrival, BadItem::too_large);
    if (arrival.listener.oversize == Oversize::drop) return next;
    arrival.end = CloseReason::item_too_large;
    arrival.detail = "the item exceeds item.max_bytes";
    return Next::end;
}

/// Decodes an item. Without a key field, the device's id is the key of all its objects but a hello.
ItemDecoder::Decoded Pipeline::decode(const Arrival& arrival, std::string_view text) {
    ItemDecoder::Decoded decoded = decoder_.decode(text);
    if (arrival.stream != nullptr && !arrival.stream->key.empty()) [[unlikely]]
        return keyed_by_codec(arrival, decoded);
    const bool may_have_id = keys_by_device_ && arrival.device != nullptr && decoded.bad == BadItem::no_key;
    if (!may_have_id || decoder_.greeting().tried) [[likely]]
        return decoded;
    decoded.bad.reset();
    decoded.key = arrival.device->id;
    return decoded;
}

Pipeline::Next Pipeline::on_item(Arrival& arrival, std::string_view text) {
    arrival.text = text;
    const ItemDecoder::Decoded decoded = decode(arrival, text);
    arrival.mistake = decoded.mistake;
    if (!decoded.replacement.empty()) [[unlikely]]
        text = decoded.replacement;
    if (arrival.device != nullptr && arrival.device->counts()) return on_numbered_item(arrival, text, decoded);
    if (!decoded.bad) [[likely]] {
        give_item(arrival, text, decoded.key, 0);
        return Next::go_on;
    }
    if (*decoded.bad != BadItem::no_key) return on_bad_item(arrival, *decoded.bad);
    const ItemDecoder::Greeting greeting = decoder_.greeting();
    if (arrival.first && greeting.hello) return on_hello(arrival, *greeting.hello, 0);
    if (greeting.tried)
        arrival.mistake =
            arrival.in_batch ? "a hello is no element of an array; send it as an item" : std::string_view();
    return on_bad_item(arrival, greeting.tried ? BadItem::bad_hello : BadItem::no_key);
}

void Pipeline::give_item(const Arrival& arrival, std::string_view text, std::string_view key, std::uint64_t seq) {
    Connection& connection = arrival.connection;
    if (connection.connected_pending) [[unlikely]]
        give_connected(connection, arrival.number, arrival.time);
    connection.bad_items_in_row = 0;
    connection.last_item = arrival.time.tick;
    connection.key.assign(key);
    connection.count_item();
    if (devices_.waits_for_safety()) {
        devices_.count_when_safe(connection.listener);
    } else {
        counters_[connection.listener]->items.increment();
    }
    note_given();
    events_->on_item({.conn = {run_, arrival.number},
                      .listener = arrival.listener.name,
                      .peer = connection.peer,
                      .n = connection.items,
                      .key = key,
                      .item = text,
                      .at = arrival.time.wall,
                      .device = name_of(arrival.connection, arrival.device),
                      .seq = seq,
                      .payload = arrival.listener.payload,
                      .fields = &decoder_});
}

Pipeline::Next Pipeline::on_bad_item(Arrival& arrival, BadItem kind) {
    Connection& connection = arrival.connection;
    if (connection.connected_pending) give_connected(connection, arrival.number, arrival.time);
    counters_[connection.listener]->bad_items[static_cast<std::size_t>(kind)].increment();
    note_bad_item(arrival, kind);
    if (++connection.bad_items_in_row < arrival.listener.max_bad_items) return Next::bad;
    arrival.end = CloseReason::too_many_bad_items;
    return Next::end;
}

void Pipeline::give_connected(Connection& connection, Token number, const TurnTime& time) {
    Device* device = connection.is_identified() ? devices_.find(number) : nullptr;
    if (device != nullptr) devices_.note_given(number, *device);
    connection.connected_pending = false;
    note_given();
    events_->on_connected({.conn = {run_, number},
                           .listener = listeners_[connection.listener].name,
                           .peer = connection.peer,
                           .at = time.wall - time.tick.since(connection.opened),
                           .device = name_of(connection, device),
                           .liveness = listeners_[connection.listener].liveness,
                           .authenticated = connection.identity == Identity::authenticated,
                           .established = established(connection, time),
                           .ended = device != nullptr && peer_has_shut(connection.fd)});
}

EventTime Pipeline::established(const Connection& connection, const TurnTime& time) const {
    constexpr std::chrono::milliseconds tick{4};     // the kernel's usual tick: an age of one tick may be zero
    constexpr std::chrono::milliseconds error{200};  // of the slot's time, which counts in tenths of a second
    const bool is_beyond = connection.backlog_wait == Connection::max_backlog_wait;
    const EventTime by_slot =
        time.wall - time.tick.since(connection.opened) - std::chrono::milliseconds(100) * connection.backlog_wait;
    if (connection.bytes_out != 0 || (!connection.is_identified() && !is_beyond)) return by_slot;
    const auto state = read_peer_state(connection.fd);
    if (!state) return by_slot;
    const auto of_turn = clock_ != nullptr ? clock_->steady() - time.steady : SteadyTime::duration(0);
    const EventTime read_at = time.wall + std::chrono::floor<std::chrono::milliseconds>(of_turn);
    const EventTime by_kernel = read_at - (state->age > tick ? state->age : std::chrono::milliseconds(0));
    // With TLS the kernel reports the time of the handshake's last record.
    return connection.encrypted ? std::min(by_kernel, by_slot + error) : by_kernel;
}

void Pipeline::on_end_while_held(Connection& connection, Token number, EndedBy by) {
    devices_.end_wait(connection, number, by);
    if (by == EndedBy::gateway && !connection.is_closing()) shard_->deliver_held(connection);
}

void Pipeline::on_close(Connection& connection, Token number, const CloseInfo& info, const TurnTime& time) {
    if (connection.connected_pending) give_connected(connection, number, time);
    const Device* device = connection.is_identified() ? devices_.find(number) : nullptr;
    if (device != nullptr && !device->given) give_identity(connection, number, time);
    const std::string detail = detail_of(connection, number, info);
    const ConnectionEnd end{.conn = {run_, number},
                            .peer = connection.peer,
                            .reason = info.reason,
                            .error = info.error,
                            .evidence = info.evidence,
                            .items = connection.items,
                            .bytes_in = connection.bytes_in,
                            .bytes_out = connection.bytes_out,
                            .duration = time.tick.since(connection.opened),
                            .at = time.wall,
                            .liveness = listeners_[connection.listener].liveness,
                            .bad_items = bad_items_.take(number),
                            .code = info.code};
    const std::string& listener = listeners_[connection.listener].name;
    const DeviceName name = name_of(connection, device);
    note_given();
    events_->on_closed({end, listener, detail, name, connection.key.view()});
    history_.add({end, listener, detail, std::string(connection.key.view()), std::string(name.id), name.authenticated});
    if (device != nullptr) devices_.part(connection, number);
    if (!hellos_.empty()) hellos_.erase(number);
    if (listeners_[connection.listener].has_own_codec) forget_codec(number);
}

void Pipeline::on_accept_paused(std::uint8_t listener, int error) {
    notices_.pass(
        listener,
        {.kind = Notice::Kind::accept_paused,
         .listener = listeners_[listener].name,
         .message = std::string("accepting paused: ") + std::strerror(error) +
                    ", and devices wait in the backlog; raise the descriptor limit (LimitNOFILE, ulimit -n) or "
                    "lower limits.max_connections"});
}

void Pipeline::on_accept_resumed(std::uint8_t listener) {
    notices_.pass(
        listener,
        {.kind = Notice::Kind::accept_resumed, .listener = listeners_[listener].name, .message = "accepting resumed"});
}

}  // namespace holdfast
