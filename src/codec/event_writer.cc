#include "codec/event_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "codec/base64.h"
#include "codec/event_fields.h"
#include "codec/line_buffer.h"
#include "codec/one_line.h"
#include "text/json_writer.h"

namespace holdfast {

namespace {

using std::chrono::days;
using std::chrono::milliseconds;

void append_padded(std::string& out, unsigned number, unsigned digits) {
    std::array<char, 10> text;
    for (unsigned i = digits; i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
    out.append(text.data(), digits);
}

// Marks the bytes of a word that are not printable ASCII, or are " or \. By arithmetic on each byte, its high bit stays
// clear unless it or a lower byte is such a byte.
std::uint64_t odd_ones(const char* eight) {
    constexpr std::uint64_t each = 0x0101010101010101;
    std::uint64_t word = 0;
    std::memcpy(&word, eight, sizeof word);
    const auto is_zero = [](std::uint64_t bytes) { return (bytes - each) & ~bytes; };
    return word | (word - each * 0x20) | (word + each) | is_zero(word ^ each * '"') | is_zero(word ^ each * '\\');
}

bool stands_for_itself(char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

bool is_plain(std::string_view text) {
    constexpr std::size_t width = 8;
    if (text.size() < width) return std::all_of(text.begin(), text.end(), stands_for_itself);
    std::uint64_t odd = odd_ones(text.data() + text.size() - width);
    for (std::size_t at = 0; at + width < text.size(); at += width) odd |= odd_ones(text.data() + at);
    return (odd & 0x8080808080808080) == 0;
}

/// Appends as append_json_text() does, but U+007F stays one byte: RFC 8259 requires no escape for it. Six bytes instead
/// of one would make the event of a small item larger than NATS accepts. Other controls stay escaped.
void append_event_text(std::string& out, std::string_view text) {
    out += '"';
    std::string part;
    for (;;) {
        const std::size_t end = text.find('\x7f');
        part.clear();
        append_json_text(part, text.substr(0, end));
        out.append(part, 1, part.size() - 2);
        if (end == std::string_view::npos) break;
        out += '\x7f';
        text.remove_prefix(end + 1);
    }
    out += '"';
}

/// A text, and whether it stands for itself: keys nearly always do.
struct Text {
    std::string_view text;
    bool plain;
};

[[gnu::noinline]] std::string escaped(std::string_view text) {
    std::string out;
    append_event_text(out, text);
    return out;
}
[[gnu::noinline]] std::size_t escaped_size(std::string_view text) { return escaped(text).size(); }
[[gnu::noinline]] void write_escaped(LineBuffer& out, std::string_view text) { out.text(escaped(text)); }

Text prepared(std::string_view text) { return {text, is_plain(text)}; }
std::optional<Text> prepared(const std::optional<std::string_view>& text) {
    return text ? std::optional(prepared(*text)) : std::nullopt;
}
template <typename Value>
const Value& prepared(const Value& value) {
    return value;
}

// Room that a value needs at most.
template <typename Value>
std::size_t room_for(const Value&) {
    return 35;  // a connection; a number, a flag, a time and a duration need less
}
std::size_t room_for(const Endpoint&) { return 80; }
inline std::size_t room_for(const Text& text) { return text.plain ? text.text.size() + 2 : escaped_size(text.text); }
std::size_t room_for(const std::string& text) { return room_for(prepared(std::string_view(text))); }
std::size_t room_for(const JsonCopy& copy) { return copy.text.size(); }
std::size_t room_for(const ItemText& item) {
    if (item.payload == Payload::json) [[likely]]
        return item.text.size();
    return item.payload == Payload::text ? escaped_size(item.text) : base64_size(item.text.size()) + 2;
}
std::size_t room_for(const Evidence&) { return 400; }
std::size_t room_for(const EventEvidence&) { return 400; }
std::size_t room_for(const CountsOfBadItems&) { return 300; }
std::size_t room_for(const BadItemFacts& facts);

inline void write(LineBuffer& out, const Text& text) {
    if (!text.plain) return write_escaped(out, text.text);
    out.literal("\"");
    out.text(text.text);
    out.literal("\"");
}
void write(LineBuffer& out, std::string_view text) { write(out, prepared(text)); }

void write(LineBuffer& out, std::same_as<bool> auto flag) { out.text(flag ? "true" : "false"); }
template <std::integral Number>
requires(!std::same_as<Number, bool>) inline void write(LineBuffer& out, Number number) {
    out.to(std::to_chars(out.here(), out.here() + 20, number).ptr);
}
void write(LineBuffer& out, const JsonCopy& copy) { out.text(copy.text); }
[[gnu::noinline]] void write_in_base64(LineBuffer& out, std::string_view bytes) {
    out.literal("\"");
    out.to(write_base64(out.here(), bytes));
    out.literal("\"");
}
void write(LineBuffer& out, const ItemText& item) {
    if (item.payload == Payload::json) [[likely]]
        return out.to(copy_one_line(out.here(), item.text));
    item.payload == Payload::text ? write_escaped(out, item.text) : write_in_base64(out, item.text);
}

// As to_string(ConnectionId) and to_string(Endpoint), without their strings.
void write(LineBuffer& out, ConnectionId id) {
    out.literal("\"");
    out.hexadecimal(id.run);
    out.literal("-");
    out.hexadecimal(id.number);
    out.literal("\"");
}

void write(LineBuffer& out, const Endpoint& endpoint) {
    out.literal("\"");
    if (endpoint.address.is_v4()) {
        const auto& bytes = endpoint.address.bytes;
        for (std::size_t i = 12; i < 16; ++i) {
            if (i > 12) out.literal(".");
            out.decimal(unsigned{bytes[i]});
        }
        out.literal(":");
        out.decimal(unsigned{endpoint.port});
    } else {
        out.text(to_string(endpoint));
    }
    out.literal("\"");
}

void write(LineBuffer& out, EventTime at) {
    std::string text;
    append_time(text, at);
    write(out, std::string_view(text));
}

void write(LineBuffer& out, TenthsOfSeconds time) {
    const auto tenths = static_cast<std::uint64_t>((std::max(time.duration, milliseconds{0}).count() + 50) / 100);
    out.decimal(tenths / 10);
    out.literal(".");
    out.decimal(tenths % 10);
}

void write(LineBuffer& out, Seconds time) {
    const double seconds = static_cast<double>(time.duration.count()) / 1000.0;
    out.to(std::to_chars(out.here(), out.here() + 32, seconds).ptr);
}

void write(LineBuffer& out, const Evidence& evidence);
void write(LineBuffer& out, const EventEvidence& evidence);
void write(LineBuffer& out, const CountsOfBadItems& bad);
void write(LineBuffer& out, const BadItemFacts& facts);

template <const auto& kind>
constexpr std::size_t field_count = std::tuple_size_v<std::remove_cvref_t<decltype(kind.fields)>>;

/// `,"name":` of a field, as a literal.
template <const auto& kind, std::size_t index>
struct NameLiteral {
    static constexpr std::string_view name = std::get<index>(kind.fields).name;
    char text[name.size() + 5] = {',', '"'};

    constexpr NameLiteral() {
        std::copy(name.begin(), name.end(), text + 2);
        text[name.size() + 2] = '"';
        text[name.size() + 3] = ':';
    }
};

template <const auto& kind, std::size_t index>
struct FieldWriter {
    static constexpr NameLiteral<kind, index> name{};

    template <typename Value>
    static std::size_t room(const Value& value) {
        return sizeof name.text + room_for(value);
    }
    template <typename Value>
    static std::size_t room(const std::optional<Value>& value) {
        return sizeof name.text + (value ? room_for(*value) : 4);
    }
    template <typename Value>
    static void put(LineBuffer& out, const Value& value) {
        out.literal(name.text);
        write(out, value);
    }
    template <typename Value>
    static void put(LineBuffer& out, const std::optional<Value>& value) {
        if (value) {
            put(out, *value);
        } else if (std::get<index>(kind.fields).is_nullable) {
            out.literal(name.text);
            out.literal("null");
        }
    }
};

/// Appends `head`, the fields of `kind` from `from` on that `index` counts, and `tail`.
template <const auto& kind, std::size_t from, typename Event, std::size_t... index>
void append_some(std::string& out, std::string_view head, const Event& event, std::string_view tail,
                 std::index_sequence<index...>) {
    const std::tuple values(prepared(std::get<from + index>(kind.fields).get(event))...);
    LineBuffer line(out,
                    head.size() + tail.size() + (... + FieldWriter<kind, from + index>::room(std::get<index>(values))));
    line.text(head);
    (FieldWriter<kind, from + index>::put(line, std::get<index>(values)), ...);
    line.text(tail);
}

/// Appends the fields from `from` to before `to`.
template <const auto& kind, std::size_t from, std::size_t to, typename Event>
void append_fields(std::string& out, std::string_view head, const Event& event, std::string_view tail) {
    append_some<kind, from>(out, head, event, tail, std::make_index_sequence<to - from>());
}

/// `{"event":"..."`
template <const auto& kind>
constexpr auto head_text = [] {
    constexpr std::string_view before = R"({"event":")";
    std::array<char, before.size() + kind.word.size() + 1> text{};
    *std::copy(kind.word.begin(), kind.word.end(), std::copy(before.begin(), before.end(), text.begin())) = '"';
    return text;
}();

template <const auto& kind>
std::string_view head_of() {
    return {head_text<kind>.data(), head_text<kind>.size()};
}

/// Appends an event without its last field, the time, which `tail` has.
template <const auto& kind, typename Event>
void append_timed(std::string& out, const Event& event, std::string_view tail) {
    append_fields<kind, 0, field_count<kind> - 1>(out, head_of<kind>(), event, tail);
}

template <const auto& kind, typename Event>
void append_whole(std::string& out, const Event& event) {
    append_fields<kind, 0, field_count<kind>>(out, head_of<kind>(), event, "}\n");
}

/// Appends the fields as an object that is no event.
template <const auto& kind, typename Event>
void append_object(std::string& out, const Event& event) {
    const std::size_t begin = out.size();
    append_fields<kind, 0, field_count<kind>>(out, {}, event, "}");
    out[begin] = '{';  // in place of the comma
}

void write(LineBuffer& out, const Evidence& evidence) {
    std::string text;
    append_evidence(text, evidence);
    out.text(text);
}

void write(LineBuffer& out, const EventEvidence& evidence) {
    std::string text;
    append_object<event_evidence_kind>(text, evidence.evidence);
    out.text(text);
}

void write(LineBuffer& out, const CountsOfBadItems& bad) {
    std::string text;
    append_bad_item_counts(text, bad.counts);
    out.text(text);
}

void write(LineBuffer& out, const BadItemFacts& facts) {
    std::string text;
    append_bad_item(text, facts);
    out.text(text);
}

std::size_t room_for(const BadItemFacts& facts) {
    std::string text;
    append_bad_item(text, facts);
    return text.size();
}

}  // namespace

void EventWriter::append_connected(std::string& out, const ConnectedEvent& event) {
    if (at_ != event.at) remember_time(event.at);
    append_timed<connected_kind>(out, event, tail_);
}

void EventWriter::append_identified(std::string& out, const IdentifiedEvent& event) {
    if (at_ != event.at) remember_time(event.at);
    append_timed<identified_kind>(out, event, tail_);
}

void EventWriter::append_bad_item(std::string& out, const BadItemEvent& event) {
    if (at_ != event.at) remember_time(event.at);
    append_timed<bad_item_event_kind>(out, event, tail_);
}

void EventWriter::append_item(std::string& out, const ItemEvent& event) {
    if (!remembers(event)) remember_connection(event);
    if (at_ != event.at) remember_time(event.at);
    append_fields<item_kind, field::origin_count, field_count<item_kind> - 1>(out, item_head_, event, tail_);
}

void EventWriter::append_closed(std::string& out, const ClosedEvent& event) {
    if (at_ != event.at) remember_time(event.at);
    append_timed<closed_kind>(out, event, tail_);
}

void append_event(std::string& out, const ClosedAfterRestart& event) { append_whole<lost_kind>(out, event); }
void append_event(std::string& out, const ClosedByFleet& event) { append_whole<lost_elsewhere_kind>(out, event); }
void append_event(std::string& out, const ConnectedAgain& event) { append_whole<returned_kind>(out, event); }
void append_event(std::string& out, const DeadLetter& event) { append_whole<dead_letter_kind>(out, event); }

void append_closed_life(std::string& out, const ClosedLife& life) { append_object<closed_life_kind>(out, life); }
void append_evidence(std::string& out, const Evidence& evidence) { append_object<evidence_kind>(out, evidence); }
void append_bad_item(std::string& out, const BadItemFacts& facts) { append_object<last_bad_item_kind>(out, facts); }
void append_bad_item_row(std::string& out, const BadItemRow& row) { append_object<bad_item_row_kind>(out, row); }

void append_bad_item_counts(std::string& out, const std::array<std::uint64_t, bad_item_count>& counts) {
    out += '{';
    for (std::size_t kind = 0; kind < counts.size(); ++kind) {
        if (counts[kind] == 0) continue;
        if (out.back() != '{') out += ',';
        out.append("\"").append(to_string(static_cast<BadItem>(kind))).append("\":");
        out += std::to_string(counts[kind]);
    }
    out += '}';
}

bool EventWriter::remembers(const ItemEvent& event) const {
    return conn_ == event.conn && peer_ == event.peer && id_ == event.device.id && session_ == event.device.session &&
           authenticated_ == event.device.authenticated && !item_head_.empty();
}

void EventWriter::remember_connection(const ItemEvent& event) {
    conn_ = event.conn;
    peer_ = event.peer;
    id_ = event.device.id;
    session_ = event.device.session;
    authenticated_ = event.device.authenticated;
    item_head_.clear();
    append_fields<item_kind, 0, field::origin_count>(item_head_, head_of<item_kind>(), event, {});
}

void EventWriter::remember_time(EventTime at) {
    at_ = at;
    tail_.assign(",\"").append(field::at.name).append("\":\"");
    append_time(tail_, at);
    tail_ += "\"}\n";
}

void append_time(std::string& out, EventTime at) {
    using namespace std::chrono;
    constexpr EventTime first = sys_days{year{0} / January / 1};
    constexpr EventTime last = EventTime{sys_days{year{10'000} / January / 1}} - milliseconds{1};
    at = std::clamp(at, first, last);
    const auto day = floor<days>(at);
    const year_month_day date{day};
    const hh_mm_ss time{at - day};
    append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    out += '-';
    append_padded(out, static_cast<unsigned>(date.month()), 2);
    out += '-';
    append_padded(out, static_cast<unsigned>(date.day()), 2);
    out += 'T';
    append_padded(out, static_cast<unsigned>(time.hours().count()), 2);
    out += ':';
    append_padded(out, static_cast<unsigned>(time.minutes().count()), 2);
    out += ':';
    append_padded(out, static_cast<unsigned>(time.seconds().count()), 2);
    out += '.';
    append_padded(out, static_cast<unsigned>(time.subseconds().count()), 3);
    out += 'Z';
}

}  // namespace holdfast
