#include "codec/item.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <new>

#include "codec/json_scan.h"
#include "codec/line_batch.h"

namespace holdfast {

namespace {

static_assert(item_padding >= simdjson::SIMDJSON_PADDING);

constexpr std::size_t smallest_buffer = 1024;

constexpr char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte; }

/// simdjson's parser and its document, for texts that nest less deep than `depth`. Owns both; grows on demand.
class Parser {
public:
    explicit Parser(std::size_t depth) : depth_(depth) {}

    simdjson::error_code parse(std::string_view text, simdjson::dom::element& root) {
        if (parser_.capacity() < text.size() || parser_.capacity() == 0) grow(text.size());
        return parser_.parse_into_document(document_, text.data(), text.size(), false).get(root);
    }

private:
    // Grows by powers of two, since simdjson itself would grow by a few bytes for each longer item.
    void grow(std::size_t size) {
        const std::size_t capacity = std::bit_ceil(std::max(size, smallest_buffer));
        if (parser_.allocate(capacity, depth_) != simdjson::SUCCESS) throw std::bad_alloc();
        if (document_.allocate(capacity) != simdjson::SUCCESS) throw std::bad_alloc();
    }

    std::size_t depth_;
    simdjson::dom::parser parser_;
    simdjson::dom::document document_;
};

/// Reads a field that is a device word. Returns false if the field is invalid, or missing although needed. A missing
/// optional field leaves `word` empty.
bool read_word(simdjson::dom::object object, std::string_view name, std::size_t max, bool needed, std::string& word) {
    simdjson::dom::element field;
    if (object[name].get(field) != simdjson::SUCCESS) return !needed;
    std::string_view text;
    if (field.get(text) != simdjson::SUCCESS || !is_device_word(text, max)) return false;
    word = text;
    return true;
}

std::optional<Hello> read_hello(simdjson::dom::element field) {
    simdjson::dom::object object;
    Hello hello;
    if (field.get(object) != simdjson::SUCCESS) return std::nullopt;
    if (!read_word(object, "id", max_device_id, true, hello.id)) return std::nullopt;
    if (!read_word(object, "session", max_session, false, hello.session)) return std::nullopt;
    if (!read_word(object, "token", max_token, false, hello.token)) return std::nullopt;
    if (object["from"].get(field) != simdjson::SUCCESS) return hello;
    const bool good = field.get(hello.from) == simdjson::SUCCESS && hello.from >= 1 && hello.from <= max_seq;
    return good ? std::optional(hello) : std::nullopt;
}

}  // namespace

/// Implements the decoder, and keeps simdjson's header out of other translation units. Owns a parser for many lines and
/// two for one. simdjson counts depth one short: a text that nests to its limit is rejected, unless the innermost value
/// is empty.
class ItemDecoder::Impl {
public:
    Impl(std::string key_field, unsigned max_depth, std::size_t max_bytes)
        : key_field_(std::move(key_field)),
          max_depth_(max_depth),
          max_bytes_(max_bytes),
          lines_(max_depth),
          parser_(max_depth),
          deep_parser_(std::size_t{max_depth} + 1) {
        std::transform(key_field_.begin(), key_field_.end(), key_field_.begin(), lower);
    }

    Decoded decode(std::string_view text) {
        object_.reset();
        with_numbers_ = {};
        if (text.size() > max_bytes_) return {BadItem::too_large, {}};
        if (const auto line = lines_.document(text)) return classify(*line);
        simdjson::dom::element document;
        const simdjson::error_code error = parser_.parse(text, document);
        if (error == simdjson::SUCCESS) [[likely]]
            return classify(document);
        return decode_again(text, error);
    }

    void expect_lines(std::span<const char> window) noexcept { lines_.expect(window); }

    std::optional<std::uint64_t> seq() const noexcept {
        std::uint64_t number = 0;
        if (!object_) return std::nullopt;
        if (!with_numbers_.empty()) return seq_among_large_numbers();
        if ((*object_)["seq"].get(number) != simdjson::SUCCESS) return std::nullopt;
        return number >= 1 && number <= max_seq ? std::optional(number) : std::nullopt;
    }

    Greeting greeting() const {
        simdjson::dom::element field;
        if (!object_ || (*object_)["hello"].get(field) != simdjson::SUCCESS) return {};
        return {.tried = true, .hello = read_hello(field)};
    }

private:
    Decoded classify(simdjson::dom::element document) {
        simdjson::dom::object object;
        if (document.get(object) != simdjson::SUCCESS) return {BadItem::not_object, {}};
        object_ = object;
        for (const auto field : object) {
            if (!is_key(field.key)) continue;
            std::string_view key;
            if (field.value.get(key) != simdjson::SUCCESS || key.empty()) break;
            return {std::nullopt, key};
        }
        return {BadItem::no_key, {}};
    }

    bool is_key(std::string_view name) const {
        return name.size() == key_field_.size() &&
               std::equal(name.begin(), name.end(), key_field_.begin(), [](char a, char b) { return lower(a) == b; });
    }

    // Uses the on-demand parser, which reads no further than the requested field.
    std::optional<std::uint64_t> seq_among_large_numbers() const noexcept {
        simdjson::ondemand::parser parser;
        simdjson::ondemand::document document;
        std::uint64_t number = 0;
        const simdjson::padded_string_view padded(with_numbers_, with_numbers_.size() + item_padding);
        if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return std::nullopt;
        if (document["seq"].get(number) != simdjson::SUCCESS) return std::nullopt;
        return number >= 1 && number <= max_seq ? std::optional(number) : std::nullopt;
    }

    // Classifies a text that simdjson rejected. simdjson reports whichever of several faults it meets first. Two of its
    // limits are not JSON's: depth one short of ours, and numbers that fit no machine type.
    Decoded decode_again(std::string_view text, simdjson::error_code error) {
        if (error == simdjson::MEMALLOC) throw std::bad_alloc();
        if (!simdjson::validate_utf8(text.data(), text.size())) return {BadItem::bad_utf8, {}};
        if (error != simdjson::DEPTH_ERROR && error != simdjson::NUMBER_ERROR) return {BadItem::not_json, {}};
        if (nesting_depth(text) > max_depth_) return {BadItem::too_deep, {}};
        simdjson::dom::element document;
        error = deep_parser_.parse(text, document);
        if (error == simdjson::NUMBER_ERROR) {
            small_numbers_.assign(text);
            if (!shrink_numbers(small_numbers_)) return {BadItem::not_json, {}};
            small_numbers_.append(item_padding, ' ');
            error = deep_parser_.parse(std::string_view(small_numbers_).substr(0, text.size()), document);
            with_numbers_ = text;
        }
        if (error == simdjson::MEMALLOC) throw std::bad_alloc();
        return error == simdjson::SUCCESS ? classify(document) : Decoded{BadItem::not_json, {}};
    }

    std::string key_field_;
    std::size_t max_depth_;
    std::size_t max_bytes_;
    LineBatch lines_;
    Parser parser_;
    Parser deep_parser_;
    std::string small_numbers_;
    std::string_view with_numbers_;                // latest text, if it was judged without its numbers
    std::optional<simdjson::dom::object> object_;  // latest decoded object, in the parser that accepted it
};

ItemDecoder::ItemDecoder(std::string key_field, unsigned max_depth, std::size_t max_bytes)
    : impl_(std::make_unique<Impl>(std::move(key_field), max_depth, max_bytes)) {}

ItemDecoder::~ItemDecoder() = default;

ItemDecoder::Decoded ItemDecoder::decode(std::string_view text) { return impl_->decode(text); }

std::optional<std::uint64_t> ItemDecoder::seq() const noexcept { return impl_->seq(); }

ItemDecoder::Greeting ItemDecoder::greeting() const { return impl_->greeting(); }

void ItemDecoder::expect_lines(std::span<const char> window) noexcept { impl_->expect_lines(window); }

}  // namespace holdfast
