#include "forward/message.h"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/check.h"
#include "base/plant.h"
#include "codec/event_fields.h"
#include "codec/event_writer.h"
#include "text/hex.h"

namespace holdfast {
namespace {

bool stands_for_itself(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::string to_token(std::string_view text) {
    if (text.empty()) return "=";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (stands_for_itself(c)) {
            out += c;
            continue;
        }
        out += '=';
        append_hex(out, static_cast<unsigned char>(c), upper_hex_digits);
    }
    return out;
}

std::optional<std::string> from_token(std::string_view token) {
    if (token == "=") return "";
    if (token.empty()) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (stands_for_itself(token[i])) {
            out += token[i];
            continue;
        }
        if (token[i] != '=' || token.size() - i < 3) return std::nullopt;
        const auto high = hex_value(token[i + 1], upper_hex_digits);
        const auto low = hex_value(token[i + 2], upper_hex_digits);
        if (!high || !low) return std::nullopt;
        const char c = static_cast<char>(*high << 4 | *low);
        if (stands_for_itself(c)) return std::nullopt;  // to_token leaves such characters unchanged
        out += c;
        i += 2;
    }
    return out;
}

namespace {

constexpr std::size_t longest_token = 256;
constexpr std::size_t kept_of_a_long_one = 200;
constexpr std::size_t max_field_bytes = 1'024;  // of a dead letter: an id has 128 bytes, which may all be escaped

/// Kinds of events that the stream has subjects for.
constexpr std::array<std::string_view, 4> kinds{connected_kind.word, identified_kind.word, item_kind.word,
                                                closed_kind.word};

bool has_subject(std::string_view kind, bool bad_items) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end() ||
           (bad_items && kind == bad_item_event_kind.word);
}

/// Returns the FNV-1a hash, which is equal in every version, unlike std::hash.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

/// Returns an id that no other process uses: a planted defect.
std::string id_of_this_process() {
    static std::uint64_t made = 0;
    return "of-" + std::to_string(::getpid()) + '-' + std::to_string(++made);
}

/// Fields of an event that its message repeats outside.
struct EventHead {
    std::string_view kind;
    std::optional<std::string_view> id;
    std::optional<std::string_view> key;
    std::optional<bool> authenticated;
};

/// Reads an event's fields up to the key, or to the time that ends an event without one, and skips the device's bytes.
/// A view is valid as long as the parser's text.
EventHead read_head(simdjson::ondemand::object& object) {
    EventHead head;
    for (auto field : object) {
        std::string_view name;
        std::string_view text;
        bool flag = false;
        if (field.unescaped_key().get(name) != simdjson::SUCCESS || name == field::item.name || name == field::at.name)
            break;
        if (name == field::authenticated.name) {
            if (field.value().get(flag) == simdjson::SUCCESS) head.authenticated = flag;
        } else if (name == "event" || name == field::id.name || name == field::key.name) {
            if (field.value().get(text) != simdjson::SUCCESS) continue;
            if (name == "event") head.kind = text;
            if (name == field::id.name) head.id = text;
            if (name == field::key.name) head.key = text;
        }
        if (head.key) break;
    }
    return head;
}

}  // namespace

std::string message_id(const std::string& spool_id, const NatsMessage& message) {
    std::string id = spool_id + '-';
    if (message.epoch != 0) id += epoch_text(message.epoch) + '-';
    id += std::to_string(message.first);
    // The last position is a part of the id. Repetitions after a restart may have other bounds, and must not count as
    // this message.
    if (message.is_batch) id += '-' + std::to_string(message.last);
    if (message.is_dead_letter) id += '!';
    return id;
}

std::string epoch_text(std::uint64_t epoch) {
    std::array<char, 20> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(epoch));
    return text.data();
}

std::string subject_token(std::string_view text) {
    std::string token = to_token(text);
    if (token.size() <= longest_token) return token;
    std::array<char, 32> end{};
    // No token of a complete text holds "==".
    std::snprintf(end.data(), end.size(), "==%016llx", static_cast<unsigned long long>(hash_of(text)));
    return token.substr(0, kept_of_a_long_one) + end.data();
}

struct MessageMaker::Parser {
    simdjson::ondemand::parser parser;
    std::string padded;
};

MessageMaker::MessageMaker(std::string prefix, std::string spool_id, std::size_t max_events, std::size_t max_bytes,
                           bool bad_items)
    : prefix_(std::move(prefix)),
      spool_id_(std::move(spool_id)),
      max_events_(max_events),
      max_bytes_(max_bytes),
      bad_items_(bad_items),
      parser_(std::make_unique<Parser>()) {}

MessageMaker::~MessageMaker() = default;

std::string MessageMaker::subject_of(const SpooledEvent& event, std::optional<bool>& authenticated) {
    const std::string out = prefix_ + '.' + subject_token(event.listener) + '.';
    std::string& padded = parser_->padded;
    padded.assign(event.line);
    padded.reserve(padded.size() + simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::document document;
    simdjson::ondemand::object object;
    if (parser_->parser.iterate(padded).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
        return out + "item._";
    }
    const EventHead head = read_head(object);
    if (!has_subject(head.kind, bad_items_)) return out + "item._";
    if (head.id) authenticated = head.authenticated;
    const auto& name = head.kind == "item" ? head.key : head.id;
    return out + std::string(head.kind) + '.' + (name ? subject_token(*name) : "_");
}

NatsMessage MessageMaker::make(std::span<const SpooledEvent> events, Position bound) {
    HOLDFAST_CHECK(!events.empty());
    NatsMessage out;
    out.first = events[0].position;
    out.last = out.first;
    out.committed_at = events[0].committed_at;
    out.epoch = events[0].epoch;
    if (max_events_ == 1) {
        out.subject = subject_of(events[0], out.authenticated);
        out.body = events[0].line;
        out.id = planted("dedupe_per_connection") ? id_of_this_process() : message_id(spool_id_, out);
        return out;
    }
    out.is_batch = true;
    out.subject = prefix_ + ".batch." + spool_id_;
    for (std::size_t i = 0; i < events.size() && i < max_events_; ++i) {
        const SpooledEvent& event = events[i];
        const bool is_next = event.position == out.last + 1 && event.epoch == out.epoch;
        const bool follows = i == 0 || (is_next && (bound == 0 || event.position <= bound) &&
                                        out.body.size() + event.line.size() + 1 <= max_bytes_);
        if (!follows) break;
        out.last = event.position;
        out.body += event.line;
        out.body += '\n';
    }
    out.id = planted("dedupe_per_connection") ? id_of_this_process() : message_id(spool_id_, out);
    return out;
}

NatsMessage MessageMaker::dead_letter(const SpooledEvent& event, std::string_view why) {
    NatsMessage out = make({&event, 1}, event.position);
    out.is_dead_letter = true;
    out.id = message_id(spool_id_, out);
    // The comma that ends the preceding field excludes the device's own text.
    const std::size_t key = event.line.find(",\"" + std::string(field::key.name) + "\":");
    const std::string_view head = key == std::string_view::npos ? event.line : event.line.substr(0, key + 1);
    const std::string_view at = time_of_line(event.line);
    append_event(out.body = {}, DeadLetter{.of = to_string(life_line(event.line).event),
                                           .lines = {.latest = head, .max_bytes = max_field_bytes},
                                           .listener = event.listener,
                                           .spool = spool_id_,
                                           .epoch = event.epoch != 0 ? epoch_text(event.epoch) : std::string(),
                                           .position = event.position,
                                           .bytes = event.line.size(),
                                           .why = why,
                                           .at = at.size() < max_field_bytes ? at : std::string_view()});
    if (!out.is_batch) out.body.pop_back();
    return out;
}

}  // namespace holdfast
