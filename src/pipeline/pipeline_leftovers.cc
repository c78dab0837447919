#include <utility>

#include "codec/json_scan.h"
#include "codec/recognize.h"
#include "pipeline/pipeline.h"
#include "tcp/socket_options.h"
#include "text/units.h"

// Received bytes that became no item: bad items, and the rest at the end of a connection.

namespace holdfast {
namespace {

void append_sentence(std::string& detail, const std::string& sentence) {
    if (!detail.empty() && !sentence.empty()) detail += "; ";
    detail += sentence;
}

/// Returns e.g. "17 bytes of TLS records were left unread".
std::string were_left(std::uint64_t bytes, std::string_view of_what, std::string_view how) {
    std::string text = count_of(bytes, "byte").append(of_what);
    return text.append(bytes == 1 ? " was left" : " were left").append(how);
}

/// Returns where `text` begins within `rest`; 0 if a codec has it in a buffer of its own.
std::size_t place_of(std::string_view text, std::span<const char> rest) {
    const std::less_equal<const char*> is_before;
    const bool is_within = is_before(rest.data(), text.data()) && is_before(text.data(), rest.data() + rest.size());
    return is_within ? static_cast<std::size_t>(text.data() - rest.data()) : 0;
}

std::string_view text_of(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

/// Returns the bytes of the framing `length` without the empty frames before the item.
std::string_view behind_empty_frames(std::string_view bytes) {
    constexpr std::string_view empty("\0\0\0\0", length_header);
    while (bytes.starts_with(empty)) bytes.remove_prefix(empty.size());
    return bytes;
}

}  // namespace

void Pipeline::note_bad_item(const Arrival& arrival, BadItem kind) {
    const Connection& connection = arrival.connection;
    const std::uint64_t before = place_of(arrival.text, arrival.rest);
    BadItemFacts facts{.kind = kind,
                       .position = connection.bytes_in - arrival.rest.size() + before,
                       .bytes = arrival.text.size(),
                       .head = {},
                       .detail = detail_of(arrival, kind),
                       .at = arrival.time.wall};
    facts.head.assign(without_secret(arrival.text.substr(0, BadItemHead::max_size)));
    if (!bad_items_.count(arrival.number, facts, arrival.time.steady)) return;
    const DeviceName name = name_of(connection, arrival.device);
    events_->on_bad_item(
        {facts, {run_, arrival.number}, arrival.listener.name, connection.peer, name, connection.items});
    BadItemRow row;
    static_cast<BadItemFacts&>(row) = facts;
    row.conn = {run_, arrival.number};
    row.listener = arrival.listener.name;
    row.peer = connection.peer;
    row.id = name.id;
    row.authenticated = name.authenticated;
    bad_item_history_.add(std::move(row));
}

/// Returns what the current frame shows, or the length that makes it too large.
std::string Pipeline::detail_of(const Arrival& arrival, BadItem kind) {
    const std::string_view recognized = recognize(arrival);
    if (!recognized.empty() || kind != BadItem::too_large || !arrival.listener.is_counted())
        return std::string(recognized);
    const bool has_field = arrival.listener.framing == Framing::length_field;
    return "its length announces " + count_of(announced_size(arrival.listener.rules(), arrival.text), "byte") +
           (has_field ? "; compare the length_field options with the protocol, or raise item.max_bytes"
                      : "; send the length as 4 bytes, big-endian, or raise item.max_bytes");
}

/// Recognizes the first bytes of a connection once: those behind them belong to the same, until an item comes.
std::string_view Pipeline::recognize(const Arrival& arrival) {
    const std::string_view known = bad_items_.protocol(arrival.number);
    if (!known.empty() && arrival.connection.items == 0) return known;
    const std::string_view of_frame = recognize_frame(arrival);
    const std::string_view sentence = of_frame.empty() ? arrival.mistake : of_frame;
    if (arrival.first && !sentence.empty()) bad_items_.set_protocol(arrival.number, sentence);
    return sentence;
}

std::string_view Pipeline::recognize_frame(const Arrival& arrival) {
    const PipelineListener& listener = arrival.listener;
    const bool is_counted = !listener.has_own_codec && listener.framing == Framing::length;
    const std::size_t before = place_of(arrival.text, arrival.rest);
    const std::string_view bytes =
        is_counted ? behind_empty_frames(text_of(arrival.rest)) : text_of(arrival.rest).substr(before);
    const std::string_view protocol =
        arrival.first ? recognize_protocol(arrival.connection.encrypted, bytes) : std::string_view();
    if (!protocol.empty() || !listener.is_recognized()) return protocol;
    return recognize_framing(listener.rules(), bytes);
}

std::string Pipeline::detail_of(const Connection& connection, Token number, const CloseInfo& info) {
    std::string detail(info.detail);
    append_sentence(detail, about_bad_items(connection, number, info.reason));
    const auto freed = left_over_.extract(number);
    append_sentence(detail, freed ? freed.mapped() : about_unfinished(connection, number, info));
    append_sentence(detail, about_unread(connection, number, info));
    return detail;
}

/// Returns what the device sent instead of items, if that explains the close, and the protocol of the first bytes.
std::string Pipeline::about_bad_items(const Connection& connection, Token number, CloseReason reason) const {
    std::string text = about_last_bad_item(connection, number, reason);
    const std::string protocol(bad_items_.protocol(number));
    if (text.find(protocol) == std::string::npos) append_sentence(text, protocol);
    return text;
}

std::string Pipeline::about_last_bad_item(const Connection& connection, Token number, CloseReason reason) const {
    const BadItems* bad = bad_items_.find(number);
    if (bad == nullptr) return {};
    if (reason == CloseReason::item_too_large) return to_sentence(bad->last);
    if (reason == CloseReason::too_many_bad_items) {
        const unsigned in_row = connection.bad_items_in_row;
        return count_of(in_row, "bad item") + (in_row == 1 ? ", " : " in a row, the last ") + to_sentence(bad->last);
    }
    if (reason == CloseReason::read_idle && connection.bad_items_in_row > 0) {
        return "the last of " + count_of(bad->total(), "bad item") + " was " + to_sentence(bad->last);
    }
    return {};
}

/// Counts the rest of an unfinished item, and returns how much of it was left over.
std::string Pipeline::about_unfinished(const Connection& connection, Token number, const CloseInfo& info) {
    if (!connection.unfinished) return {};
    const PipelineListener& listener = listeners_[connection.listener];
    const auto kept = connection.unfinished->bytes();
    const Frame left =
        listener.has_own_codec ? Frame{.end = kept.size()} : holdfast::last_frame(listener.rules(), kept);
    if (left.begin == left.end || drops_item(connection)) return {};
    counters_[connection.listener]->unfinished_items.increment();
    counters_[connection.listener]->left_over_bytes.add(left.end - left.begin);
    const std::size_t bytes = left.end - left.begin;
    std::string text = connection.paused ? were_left(bytes, " after the hello", " over")
                       : connection.held ? were_left(bytes, " in a connection that the program held", " over")
                                         : "an unfinished item of " + count_of(bytes, "byte") + " was left over";
    if (info.detail.empty() && bad_items_.protocol(number).empty()) {
        const std::string_view why = why_unfinished(connection);
        if (!why.empty()) text.append(": ").append(why);
    }
    return text;
}

/// Counts the bytes that arrived and became nothing: behind those that ended the connection, in an incomplete
/// handshake, and in the kernel.
std::string Pipeline::about_unread(const Connection& connection, Token number, const CloseInfo& info) {
    const std::uint64_t bytes = bad_items_.left(number) + info.decrypted_unread + info.handshake_bytes.value_or(0) +
                                unread_bytes(connection.fd);
    if (bytes == 0) return {};
    counters_[connection.listener]->left_over_bytes.add(bytes);
    if (info.handshake_bytes) return were_left(bytes, " without a complete TLS handshake", " over");
    return were_left(bytes, connection.encrypted ? " of TLS records" : "", " unread");
}

void Pipeline::leave_over(const Arrival& arrival, std::span<const char> bytes) {
    const std::size_t from =
        !arrival.listener.is_recognized() || arrival.listener.is_counted() ? 0 : skip_json_space(bytes, 0);
    if (from < bytes.size()) bad_items_.set_left(arrival.number, bytes.size() - from);
}

std::string_view Pipeline::why_unfinished(const Connection& connection) {
    if (drops_item(connection)) return "the item exceeds item.max_bytes, and its end has not come";
    if (!connection.unfinished) return {};
    const PipelineListener& listener = listeners_[connection.listener];
    if (!listener.is_recognized()) return {};
    const auto window = connection.unfinished->bytes();
    const bool is_counted = listener.framing == Framing::length;
    const std::string_view bytes =
        text_of(window).substr(is_counted ? 0 : holdfast::last_frame(listener.rules(), window).begin);
    const bool is_first = connection.items == 0 && !connection.spoke;
    const std::string_view protocol = is_first ? recognize_protocol(connection.encrypted, bytes) : std::string_view();
    if (!protocol.empty()) return protocol;
    const std::string_view mistake = recognize_framing(listener.rules(), bytes);
    if (!mistake.empty() || listener.framing != Framing::ndjson || !is_complete_object(bytes)) return mistake;
    if (!listener.delimiter.empty())
        return "the bytes are JSON without the listener's delimiter; end each object with it";
    const bool is_one = holdfast::last_frame(Framing::ndjson, bytes).kind == Frame::Kind::item;
    return is_one ? "the bytes are a complete JSON object without a line end; the client probably needs framing = "
                    "\"json\""
                  : "the bytes are JSON objects without line ends; the client probably needs framing = \"json\"";
}

}  // namespace holdfast
