#include "codec/event_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstring>

#include "base/json_writer.h"
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

// As to_string(ConnectionId) and to_string(Endpoint), without their strings: a busy gateway does it for every item.
void append_connection_id(std::string& out, ConnectionId id) {
    append_number(out, id.run, 16);
    out += '-';
    append_number(out, id.number, 16);
}

void append_endpoint(std::string& out, const Endpoint& endpoint) {
    if (!endpoint.address.is_v4()) {
        out += to_string(endpoint);
        return;
    }
    for (std::size_t i = 12; i < 16; ++i) {
        append_number(out, endpoint.address.bytes[i]);
        out += i == 15 ? ':' : '.';
    }
    append_number(out, endpoint.port);
}

void append_connection(std::string& out, ConnectionId conn, const Endpoint& peer) {
    out += R"("conn":")";
    append_connection_id(out, conn);
    out += R"(","peer":")";
    append_endpoint(out, peer);
    out += '"';
}

bool stands_for_itself(char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

// Keys nearly always need no escape.
void append_text(std::string& out, std::string_view text) {
    if (!std::all_of(text.begin(), text.end(), stands_for_itself)) {
        append_json_text(out, text);
        return;
    }
    out += '"';
    out += text;
    out += '"';
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

void append_seconds(std::string& out, milliseconds duration) {
    const auto tenths = (std::max(duration, milliseconds{0}).count() + 50) / 100;
    append_number(out, tenths / 10);
    out += '.';
    append_number(out, tenths % 10);
}

}  // namespace

void EventWriter::append_connected(std::string& out, const ConnectedEvent& event) {
    remember_time(event.at);
    out += R"({"event":"connected","conn":")";
    append_connection_id(out, event.conn);
    out += R"(","listener":)";
    append_text(out, event.listener);
    out += R"(,"peer":")";
    append_endpoint(out, event.peer);
    out += '"';
    out += tail_;
}

void EventWriter::append_item(std::string& out, const ItemEvent& event) {
    remember_connection(event);
    remember_time(event.at);
    out += item_head_;
    append_number(out, event.n);
    out += R"(,"key":)";
    append_text(out, event.key);
    out += R"(,"item":)";
    append_one_line(out, event.item);
    out += tail_;
}

void EventWriter::append_closed(std::string& out, const ClosedEvent& event) {
    remember_time(event.at);
    out += R"({"event":"closed",)";
    append_connection(out, event.conn, event.peer);
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

void EventWriter::remember_connection(const ItemEvent& event) {
    if (!item_head_.empty() && conn_ == event.conn && peer_ == event.peer) return;
    conn_ = event.conn;
    peer_ = event.peer;
    item_head_ = R"({"event":"item",)";
    append_connection(item_head_, conn_, peer_);
    item_head_ += R"(,"n":)";
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
