#include "server/pipeline.h"

#include <bit>
#include <cstring>

namespace holdfast {

static_assert(sizeof(FrameScan) == sizeof(std::uint64_t), "a connection keeps it as one number");

Pipeline::Pipeline(Options options, std::unique_ptr<EventHandler> events, ClosedHistory& history, NoticeGate& notices)
    : run_(options.run),
      listeners_(std::move(options.listeners)),
      max_item_bytes_(options.item.max_bytes),
      events_(std::move(events)),
      history_(history),
      notices_(notices),
      decoder_(options.item.key, options.item.max_depth, options.item.max_bytes) {}

void Pipeline::open_listener(std::uint8_t number, PipelineListener listener, ListenerCounters& counters) {
    if (number == listeners_.size()) {
        listeners_.emplace_back();
        counters_.emplace_back();
    }
    listeners_[number] = std::move(listener);
    counters_[number] = &counters;
}

void Pipeline::on_open(const Connection& connection, Token number, const TurnTime& time) {
    events_given_.increment();
    events_->on_connected({.conn = {run_, number},
                           .listener = listeners_[connection.listener].name,
                           .peer = connection.peer,
                           .at = time.wall});
}

Taken Pipeline::on_bytes(Connection& connection, Token number, std::span<const char> window, std::uint64_t scan_note,
                         const TurnTime& time) {
    const PipelineListener& listener = listeners_[connection.listener];
    auto scan = std::bit_cast<FrameScan>(scan_note);
    decoder_.expect_lines(listener.framing == Framing::ndjson ? window : std::span<const char>());
    std::size_t done = 0;
    while (done < window.size()) {
        const auto rest = window.subspan(done);
        const Frame frame = next_frame(listener.framing, rest, scan, max_item_bytes_);
        if (frame.kind == Frame::Kind::partial) {
            return {.consumed = done + frame.next, .scan = std::bit_cast<std::uint64_t>(scan), .end = {}, .detail = {}};
        }
        const Step step = on_frame(connection, number, rest, frame, time);
        if (step.end) return {.consumed = done, .scan = 0, .end = step.end, .detail = step.detail};
        done += step.next;
    }
    return {.consumed = done, .scan = 0, .end = {}, .detail = {}};
}

Pipeline::Step Pipeline::on_frame(Connection& connection, Token number, std::span<const char> window,
                                  const Frame& frame, const TurnTime& time) {
    if (frame.kind == Frame::Kind::too_large) {
        static_cast<void>(on_bad_item(connection, BadItem::too_large));
        return {.next = 0, .end = CloseReason::item_too_large, .detail = "item.max_bytes is the limit"};
    }
    if (frame.kind == Frame::Kind::malformed) {
        return {.next = frame.next, .end = on_bad_item(connection, BadItem::not_json), .detail = {}};
    }
    const auto end = on_item(connection, number, {window.data() + frame.begin, frame.end - frame.begin}, time);
    const bool bad = connection.bad_items_in_row > 0;
    const bool resync = bad && listeners_[connection.listener].framing == Framing::json;
    return {.next = resync ? resync_after(window, frame.next) : frame.next, .end = end, .detail = {}};
}

std::optional<CloseReason> Pipeline::on_item(Connection& connection, Token number, std::string_view text,
                                             const TurnTime& time) {
    const ItemDecoder::Decoded decoded = decoder_.decode(text);
    if (decoded.bad) return on_bad_item(connection, *decoded.bad);
    connection.bad_items_in_row = 0;
    connection.last_item = time.tick;
    connection.key.assign(decoded.key);
    ++connection.items;
    counters_[connection.listener]->items.increment();
    events_given_.increment();
    events_->on_item({.conn = {run_, number},
                      .listener = listeners_[connection.listener].name,
                      .peer = connection.peer,
                      .n = connection.items,
                      .key = decoded.key,
                      .item = text,
                      .at = time.wall});
    return std::nullopt;
}

std::optional<CloseReason> Pipeline::on_bad_item(Connection& connection, BadItem kind) {
    counters_[connection.listener]->bad_items[static_cast<std::size_t>(kind)].increment();
    if (++connection.bad_items_in_row < listeners_[connection.listener].max_bad_items) return std::nullopt;
    return CloseReason::too_many_bad_items;
}

void Pipeline::on_close(const Connection& connection, Token number, const Death& death, const TurnTime& time) {
    const ClosedEvent event{.conn = {run_, number},
                            .listener = listeners_[connection.listener].name,
                            .peer = connection.peer,
                            .reason = death.reason,
                            .error = death.error,
                            .detail = death.detail,
                            .evidence = death.evidence,
                            .items = connection.items,
                            .bytes_in = connection.bytes_in,
                            .bytes_out = connection.bytes_out,
                            .duration = time.tick.since(connection.opened),
                            .at = time.wall};
    events_given_.increment();
    events_->on_closed(event);
    history_.add({.conn = event.conn,
                  .listener = std::string(event.listener),
                  .peer = event.peer,
                  .key = std::string(connection.key.view()),
                  .reason = event.reason,
                  .error = event.error,
                  .detail = std::string(event.detail),
                  .evidence = event.evidence,
                  .items = event.items,
                  .bytes_in = event.bytes_in,
                  .bytes_out = event.bytes_out,
                  .duration = event.duration,
                  .at = event.at});
}

std::string_view Pipeline::why_unfinished(const Connection& connection) {
    if (listeners_[connection.listener].framing != Framing::ndjson || !connection.unfinished) return {};
    const auto bytes = connection.unfinished->bytes();
    if (!is_complete_object({bytes.data(), bytes.size()})) return {};
    return "the bytes are a complete JSON object without a line end: the client probably wants framing = \"json\"";
}

void Pipeline::on_accept_paused(std::uint8_t listener, int error) {
    notices_.pass(listener,
                  {.kind = Notice::Kind::accept_paused,
                   .listener = listeners_[listener].name,
                   .message = std::string("accepting paused: ") + std::strerror(error) +
                              "; devices wait in the backlog; raise the descriptor limit (LimitNOFILE, ulimit -n) or "
                              "lower limits.max_connections"});
}

void Pipeline::on_accept_resumed(std::uint8_t listener) {
    notices_.pass(
        listener,
        {.kind = Notice::Kind::accept_resumed, .listener = listeners_[listener].name, .message = "accepting again"});
}

}  // namespace holdfast
