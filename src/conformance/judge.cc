#include "conformance/judge.h"

#include <simdjson.h>

#include <algorithm>

#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t first_kib = 1024;
constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;

std::string item_number(std::uint64_t seq) { return "item " + std::to_string(seq); }

/// Parses a frame. Returns false if it is not one JSON object.
bool parse(simdjson::dom::parser& parser, std::string_view frame, simdjson::dom::object& object) {
    const simdjson::padded_string padded(frame);
    return parser.parse(padded).get(object) == simdjson::SUCCESS;
}

std::string text_in(const simdjson::dom::object& object, std::string_view name) {
    std::string_view text;
    return object[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

/// Returns the text of the key: the field of that name without regard to case, else of the path with dots.
std::string key_of(const simdjson::dom::object& item, std::string_view key) {
    std::string_view text;
    if (item.at_key_case_insensitive(key).get(text) == simdjson::SUCCESS) return std::string(text);
    std::string pointer = "/" + std::string(key);
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    return item.at_pointer(pointer).get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

std::optional<HelloSeen> Judge::take_hello(std::string_view frame, std::size_t wire_bytes) {
    simdjson::dom::parser parser;
    simdjson::dom::object whole;
    simdjson::dom::object stated;
    const bool good = parse(parser, frame, whole) && whole["hello"].get(stated) == simdjson::SUCCESS;
    if (!findings_.expect(Rule::hello_first, good, "a hello as the first frame", in_quotes(frame))) return {};
    HelloSeen hello{.id = text_in(stated, "id"), .session = text_in(stated, "session")};
    if (stated["from"].get(hello.from) != simdjson::SUCCESS) hello.from = 0;
    if (!first_hello_ && hello.from > 0) cover(hello.from - 1);  // a session that the device has kept
    stated_from_ = hello.from;
    fitting_from_ = covered_ + 1;
    judge_names(hello);
    findings_.expect(Rule::hello_from, hello.from != 0, "a from in each hello", in_quotes(frame));
    findings_.expect(Rule::hello_size, wire_bytes <= first_kib, "at most 1024 bytes with the framing",
                     std::to_string(wire_bytes) + " bytes");
    if (!expectations_.token.empty()) {
        findings_.expect(Rule::hello_token, text_in(stated, "token") == expectations_.token, "the token of --token",
                         whole["hello"]["token"].error() == simdjson::SUCCESS ? "another token" : "no token");
    }
    if (!first_hello_) first_hello_ = hello;
    return hello;
}

void Judge::judge_names(const HelloSeen& hello) {
    const HelloSeen& first = first_hello_ ? *first_hello_ : hello;
    findings_.expect(Rule::hello_id, is_device_word(hello.id, max_device_id) && hello.id == first.id,
                     first_hello_ ? "the id " + in_quotes(first.id) : "an id of 1 to 128 bytes", in_quotes(hello.id));
    findings_.expect(Rule::hello_session, is_device_word(hello.session, max_session) && hello.session == first.session,
                     first_hello_ ? "the session " + in_quotes(first.session) : "a session of 1 to 64 bytes",
                     in_quotes(hello.session));
}

void Judge::expect_first(std::uint64_t first, Rule rule) {
    next_ = first;
    first_rule_ = rule;
    order_rule_ = Rule::order;
}

std::optional<std::uint64_t> Judge::take_any_item(std::string_view frame) {
    simdjson::dom::parser parser;
    simdjson::dom::object item;
    if (!findings_.expect(Rule::framing, parse(parser, frame, item), "one JSON object", in_quotes(frame))) return {};
    const std::string& key = expectations_.key;
    const bool is_hello = item["hello"].error() == simdjson::SUCCESS && (key.empty() || key_of(item, key).empty());
    if (!findings_.expect(Rule::hello_once, !is_hello, "items after the hello", "a second hello")) return {};
    findings_.expect(Rule::key, key.empty() || !key_of(item, key).empty(),
                     "the field " + in_quotes(key) + " with a text", in_quotes(frame));
    std::uint64_t seq = 0;
    const bool numbered = item["seq"].get(seq) == simdjson::SUCCESS && seq >= 1 && seq <= max_seq;
    if (!findings_.expect(Rule::seq, numbered, "a seq from 1 to 2^53 - 1", in_quotes(frame))) return {};
    const auto [known, is_new] = texts_.emplace(seq, frame);
    if (!is_new && seq > covered_) {
        findings_.expect(Rule::repeat, known->second == frame, "the same item again, " + in_quotes(known->second),
                         in_quotes(frame));
    }
    return seq;
}

std::optional<std::uint64_t> Judge::take_item(std::string_view frame) {
    const auto seq = take_any_item(frame);
    if (seq) judge_place(*seq);
    return seq;
}

void Judge::judge_place(std::uint64_t seq) {
    const std::string expected = item_number(next_);
    const bool is_first = first_rule_.has_value();
    const Rule rule = first_rule_.value_or(order_rule_);
    first_rule_.reset();
    if (findings_.expect(rule, seq == next_, expected, item_number(seq)) && is_first && stated_from_ != 0) {
        findings_.expect(Rule::hello_from, stated_from_ == fitting_from_, "from " + std::to_string(fitting_from_),
                         "from " + std::to_string(stated_from_));
    }
    next_ = seq + 1;
}

void Judge::cover(std::uint64_t seq) {
    covered_ = std::max(covered_, seq);
    texts_.erase(texts_.begin(), texts_.upper_bound(seq));
}

}  // namespace holdfast
