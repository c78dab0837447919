#include "codec/event_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstring>

#include "base/json_writer.h"
#include "codec/line_buffer.h"
#include "codec/one_line.h"

namespace holdfast {

namespace {

using std::chrono::days;
using std::chrono::milliseconds;

void append_number(std::string& out, std::integral auto number, int base = 10) {
    std::array<char, 24> text;
    const auto written = std::to_chars(text.data(), text.data() + text.size(), number, base);
    out.append(text.data(), written.ptr);
}

void append_padded(std::string& out, unsigned number, unsigned digits) {
    std::array<char, 10> text;
    for (unsigned i = digits; i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
    out.append(text.data(), digits);
}

// Equal to to_string(ConnectionId) and to_string(Endpoint), but without strings, since a busy gateway writes them for
// every item.
void write_connection_id(LineBuffer& out, ConnectionId id) {
    out.hexadecimal(id.run);
    out.literal("-");
    out.hexadecimal(id.number);
}

void write_endpoint(LineBuffer& out, const Endpoint& endpoint) {
    if (!endpoint.address.is_v4()) {
        out.text(to_string(endpoint));
        return;
    }
    const auto& bytes = endpoint.address.bytes;
    for (std::size_t i = 12; i < 16; ++i) {
        if (i > 12) out.literal(".");
        out.decimal(unsigned{bytes[i]});
    }
    out.literal(":");
    out.decimal(unsigned{endpoint.port});
}

constexpr std::size_t max_connection_id = 2 * LineBuffer::max_hexadecimal + 1;
constexpr std::size_t max_endpoint = 80;  // the longest is [ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535

// Returns true if all eight bytes are printable ASCII and neither " nor a backslash, by arithmetic on a word. The high
// bit of a byte stays clear unless that byte, or one below it, violates this.
bool stand_for_themselves(const char* eight) {
    constexpr std::uint64_t each = 0x0101010101010101;
    std::uint64_t word = 0;
    std::memcpy(&word, eight, sizeof word);
    const auto is_zero = [](std::uint64_t bytes) { return (bytes - each) & ~bytes; };
    const std::uint64_t odd =
        word | (word - each * 0x20) | (word + each) | is_zero(word ^ each * '"') | is_zero(word ^ each * '\\');
    return (odd & each * 0x80) == 0;
}

bool stands_for_itself(char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

bool is_plain(std::string_view text) {
    constexpr std::size_t width = 8;
    if (text.size() < width) return std::all_of(text.begin(), text.end(), stands_for_itself);
    for (std::size_t at = 0; at + width < text.size(); at += width) {
        if (!stand_for_themselves(text.data() + at)) return false;
    }
    return stand_for_themselves(text.data() + text.size() - width);
}

/// Equal to append_json_text(), but U+007F stays one byte: RFC 8259 requires no escape for it, and six bytes instead of
/// one would make an event of a small item larger than NATS accepts. Other controls stay escaped.
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

// Optimized for keys without escapes, which nearly all are.
void append_text(std::string& out, std::string_view text) {
    if (!is_plain(text)) {
        append_event_text(out, text);
        return;
    }
    out += '"';
    out += text;
    out += '"';
}

// Appends `"conn":...,"peer":...`, with the listener between them unless it is empty, and the device's name if it is
// identified.
void append_origin(std::string& out, ConnectionId conn, std::string_view listener, const Endpoint& peer,
                   const DeviceName& device) {
    {
        LineBuffer line(out, max_connection_id + 10);
        line.literal(R"("conn":")");
        write_connection_id(line, conn);
        line.literal("\"");
    }
    if (!listener.empty()) {
        out += R"(,"listener":)";
        append_text(out, listener);
    }
    {
        LineBuffer line(out, max_endpoint + 10);
        line.literal(R"(,"peer":")");
        write_endpoint(line, peer);
        line.literal("\"");
    }
    if (device.id.empty()) return;
    out += R"(,"id":)";
    append_text(out, device.id);
    if (!device.session.empty()) {
        out += R"(,"session":)";
        append_text(out, device.session);
    }
    out += device.authenticated ? R"(,"authenticated":true)" : R"(,"authenticated":false)";
}

template <typename Number>
void append_field(std::string& out, std::string_view head, Number number) {
    out += head;
    append_number(out, number);
}

void append_error(std::string& out, int error) {
    out += R"(,"error":)";
    if (error == 0) {
        out += "null";
        return;
    }
    const char* name = strerrorname_np(error);
    append_json_text(out, name != nullptr ? std::string(name) : "errno " + std::to_string(error));
}

void append_evidence(std::string& out, const Evidence& evidence) {
    append_field(out, R"(,"evidence":{"probes":)", evidence.probes);
    append_field(out, R"(,"retransmits":)", evidence.retransmits);
    append_field(out, R"(,"last_ack_ms":)", evidence.last_ack.count());
    append_field(out, R"(,"unacked_bytes":)", evidence.unacked_bytes);
    append_field(out, R"(,"peer_window":)", evidence.peer_window);
    append_field(out, R"(,"rtt_us":)", evidence.rtt.count());
    out += '}';
}

/// Appends the field only if the liveness is not the device's own.
void append_liveness(std::string& out, LivenessOf liveness) {
    if (liveness == LivenessOf::path) out += R"(,"liveness":"path")";
}

void append_seconds(std::string& out, milliseconds duration) {
    const auto tenths = (std::max(duration, milliseconds{0}).count() + 50) / 100;
    append_number(out, tenths / 10);
    out += '.';
    append_number(out, tenths % 10);
}

}  // namespace

void EventWriter::append_connected(std::string& out, const ConnectedEvent& event) {
    remember_time(event.at);
    out += R"({"event":"connected",)";
    append_origin(out, event.conn, event.listener, event.peer, event.device);
    append_liveness(out, event.liveness);
    out += tail_;
}

void EventWriter::append_identified(std::string& out, const IdentifiedEvent& event) {
    remember_time(event.at);
    out += R"({"event":"identified",)";
    append_origin(out, event.conn, event.listener, event.peer, event.device);
    out += tail_;
}

void EventWriter::append_item(std::string& out, const ItemEvent& event) {
    remember_connection(event);
    remember_time(event.at);
    const std::string_view key = is_plain(event.key) ? event.key : escaped(event.key);
    LineBuffer line(
        out, item_head_.size() + 2 * LineBuffer::max_decimal + key.size() + event.item.size() + tail_.size() + 30);
    line.text(item_head_);
    if (has_seq_) {
        line.decimal(event.seq);
        line.literal(R"(,"n":)");
    }
    line.decimal(event.n);
    line.literal(R"(,"key":")");
    line.text(key);
    line.literal(R"(","item":)");
    line.to(copy_one_line(line.here(), event.item));
    line.text(tail_);
}

void EventWriter::append_closed(std::string& out, const ClosedEvent& event) {
    remember_time(event.at);
    out += R"({"event":"closed",)";
    append_origin(out, event.conn, {}, event.peer, event.device);
    append_liveness(out, event.liveness);
    out += R"(,"reason":")";
    out += to_string(event.reason);
    out += R"(","kind":")";
    out += to_string(kind_of(event.reason));
    out += '"';
    append_error(out, event.error);
    if (!event.detail.empty()) {
        out += R"(,"detail":)";
        append_text(out, event.detail);
    }
    append_evidence(out, event.evidence);
    append_field(out, R"(,"items":)", event.items);
    append_field(out, R"(,"bytes_in":)", event.bytes_in);
    append_field(out, R"(,"bytes_out":)", event.bytes_out);
    out += R"(,"duration_s":)";
    append_seconds(out, event.duration);
    out += tail_;
}

// Returns the text without surrounding quotes.
std::string_view EventWriter::escaped(std::string_view text) {
    escaped_.clear();
    append_event_text(escaped_, text);
    return std::string_view(escaped_).substr(1, escaped_.size() - 2);
}

void EventWriter::remember_connection(const ItemEvent& event) {
    const bool has_seq = event.seq != 0;
    if (!item_head_.empty() && conn_ == event.conn && peer_ == event.peer && has_seq_ == has_seq &&
        id_ == event.device.id && session_ == event.device.session && authenticated_ == event.device.authenticated) {
        return;
    }
    conn_ = event.conn;
    peer_ = event.peer;
    id_ = event.device.id;
    session_ = event.device.session;
    authenticated_ = event.device.authenticated;
    has_seq_ = has_seq;
    item_head_ = R"({"event":"item",)";
    append_origin(item_head_, conn_, {}, peer_, event.device);
    item_head_ += has_seq ? R"(,"seq":)" : R"(,"n":)";
}

void EventWriter::remember_time(EventTime at) {
    if (at_ == at) return;
    at_ = at;
    tail_ = R"(,"at":")";
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
