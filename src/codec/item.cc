#include "codec/item.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <new>
#include <vector>

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
    explicit Impl(ItemConfig rules)
        : key_field_(std::move(rules.key)),
          takes_numbers_(rules.numeric_key),
          replaces_surrogates_(rules.lone_surrogates == LoneSurrogates::replace),
          max_depth_(rules.max_depth),
          max_bytes_(rules.max_bytes),
          lines_(rules.max_depth),
          parser_(rules.max_depth),
          deep_parser_(std::size_t{rules.max_depth} + 1) {
        std::transform(key_field_.begin(), key_field_.end(), key_field_.begin(), lower);
        if (key_field_.find('.') == std::string::npos) return;
        for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
            end = key_field_.find('.', at);
            key_path_.push_back(key_field_.substr(at, end == std::string::npos ? end : end - at));
        }
    }

    Decoded decode(std::string_view text) {
        object_.reset();
        has_shrunk_numbers_ = false;
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
        if ((*object_)["seq"].get(number) != simdjson::SUCCESS) return std::nullopt;
        return number >= 1 && number <= max_seq ? std::optional(number) : std::nullopt;
    }

    Greeting greeting() const {
        simdjson::dom::element field;
        if (!object_ || (*object_)["hello"].get(field) != simdjson::SUCCESS) return {};
        return {.tried = true, .hello = read_hello(field)};
    }

    std::optional<FieldValue> find(std::string_view name) {
        if (!object_) return std::nullopt;
        const auto field = field_at(*object_, name);
        return field ? value_of(*field) : std::nullopt;
    }

private:
    /// Returns the field with exactly this name, else the one at this path.
    static std::optional<simdjson::dom::element> field_at(simdjson::dom::object object, std::string_view name) {
        simdjson::dom::element field;
        if (object.at_key(name).get(field) == simdjson::SUCCESS) return field;
        for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
            if (object.at_key(name.substr(0, dot)).get(object) != simdjson::SUCCESS) return std::nullopt;
            name.remove_prefix(dot + 1);
            if (name.find('.') == std::string_view::npos && object.at_key(name).get(field) == simdjson::SUCCESS)
                return field;
        }
        return std::nullopt;
    }

    std::optional<FieldValue> value_of(simdjson::dom::element field) {
        using Type = simdjson::dom::element_type;
        const bool is_number =
            field.type() == Type::INT64 || field.type() == Type::UINT64 || field.type() == Type::DOUBLE;
        if (is_number && has_shrunk_numbers_) return std::nullopt;
        switch (field.type()) {
            case Type::NULL_VALUE:
                return nullptr;
            case Type::BOOL:
                return field.get_bool().value_unsafe();
            case Type::INT64:
                return field.get_int64().value_unsafe();
            case Type::UINT64:
                return field.get_uint64().value_unsafe();
            case Type::DOUBLE:
                return field.get_double().value_unsafe();
            case Type::STRING:
                return field.get_string().value_unsafe();
            case Type::ARRAY:
            case Type::OBJECT:
                break;
        }
        if (has_shrunk_numbers_) return std::nullopt;
        field_text_ = simdjson::minify(field);
        return JsonText{field_text_};
    }

    Decoded classify(simdjson::dom::element document) {
        simdjson::dom::object object;
        if (document.get(object) != simdjson::SUCCESS) return {BadItem::not_object, {}};
        object_ = object;
        const auto field = key_field_.empty() ? std::nullopt : key_field(object);
        return field ? key_of(*field) : Decoded{BadItem::no_key, {}};
    }

    std::optional<simdjson::dom::element> key_field(simdjson::dom::object object) const {
        auto field = first_field(object, key_field_);
        if (field || key_path_.empty()) [[likely]]
            return field;
        for (const std::string& name : key_path_) {
            if (field && field->get(object) != simdjson::SUCCESS) return std::nullopt;
            field = first_field(object, name);
            if (!field) return std::nullopt;
        }
        return field;
    }

    /// Returns the first field with this name, in lower case, or nullopt.
    static std::optional<simdjson::dom::element> first_field(simdjson::dom::object object, std::string_view name) {
        for (const auto field : object) {
            if (has_name(field.key, name)) return field.value;
        }
        return std::nullopt;
    }

    static bool has_name(std::string_view key, std::string_view name) {
        return key.size() == name.size() &&
               std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) { return lower(a) == b; });
    }

    Decoded key_of(simdjson::dom::element field) {
        std::string_view key;
        if (field.get(key) == simdjson::SUCCESS && !key.empty()) [[likely]]
            return {std::nullopt, key};
        std::int64_t number = 0;
        std::uint64_t large = 0;
        const bool is_signed = field.get(number) == simdjson::SUCCESS;
        if (!is_signed && field.get(large) != simdjson::SUCCESS) return {BadItem::no_key, {}};
        if (takes_numbers_) return {std::nullopt, is_signed ? text_of(number) : text_of(large)};
        return {.bad = BadItem::no_key,
                .key = {},
                .mistake = "the key is a number; send it as a string, or set numeric_key = true"};
    }

    template <typename Number>
    std::string_view text_of(Number number) {
        const char* const end =
            std::to_chars(number_text_.data(), number_text_.data() + number_text_.size(), number).ptr;
        return {number_text_.data(), end};
    }

    // Classifies a text that simdjson rejected. simdjson reports whichever of several faults it meets first. Three of
    // its limits are not JSON's: depth one short of ours, numbers that fit no machine type, and lone surrogates.
    Decoded decode_again(std::string_view text, simdjson::error_code error) {
        if (error == simdjson::MEMALLOC) throw std::bad_alloc();
        if (!simdjson::validate_utf8(text.data(), text.size())) return {BadItem::bad_utf8, {}};
        const std::string_view replacement = without_lone_surrogates(text);
        const bool is_limit = error == simdjson::DEPTH_ERROR || error == simdjson::NUMBER_ERROR;
        if (!is_limit && replacement.empty()) return not_json(text);
        if (nesting_depth(text) > max_depth_) return {BadItem::too_deep, {}};
        if (!replacement.empty()) text = replacement;
        simdjson::dom::element document;
        error = deep_parser_.parse(text, document);
        if (error == simdjson::NUMBER_ERROR) {
            small_numbers_.assign(text);
            if (!shrink_numbers(small_numbers_)) return {BadItem::not_json, {}};
            has_shrunk_numbers_ = true;
            small_numbers_.append(item_padding, ' ');
            error = deep_parser_.parse(std::string_view(small_numbers_).substr(0, text.size()), document);
        }
        if (error == simdjson::MEMALLOC) throw std::bad_alloc();
        if (error != simdjson::SUCCESS) return {BadItem::not_json, {}};
        Decoded decoded = classify(document);
        decoded.replacement = replacement;
        return decoded;
    }

    /// Returns whether lone surrogates are all that is wrong with the text.
    Decoded not_json(std::string_view text) {
        simdjson::dom::element document;
        const std::string_view replaced = replaces_surrogates_ ? std::string_view() : with_replacements(text);
        const bool is_json = !replaced.empty() && deep_parser_.parse(replaced, document) == simdjson::SUCCESS;
        return {.bad = BadItem::not_json,
                .key = {},
                .mistake = is_json ? "an escape is half of a surrogate pair; send both halves, or set "
                                     "lone_surrogates = \"replace\""
                                   : ""};
    }

    /// Returns the text with its lone surrogates replaced, or an empty text if it has none or they stay.
    std::string_view without_lone_surrogates(std::string_view text) {
        return replaces_surrogates_ ? with_replacements(text) : std::string_view();
    }

    std::string_view with_replacements(std::string_view text) {
        if (text.find("\\u") == std::string_view::npos) return {};
        replaced_.assign(text);
        if (!replace_lone_surrogates(replaced_)) return {};
        replaced_.append(item_padding, ' ');
        return std::string_view(replaced_).substr(0, text.size());
    }

    std::string key_field_;
    std::vector<std::string> key_path_;  // parts of a key field with dots; else empty
    bool takes_numbers_;
    bool replaces_surrogates_;
    std::size_t max_depth_;
    std::size_t max_bytes_;
    LineBatch lines_;
    Parser parser_;
    Parser deep_parser_;
    std::string small_numbers_;
    bool has_shrunk_numbers_ = false;     // the latest document is of small_numbers_: its numbers are not the item's
    std::string field_text_;              // latest object or array of find()
    std::string replaced_;                // latest text with lone surrogates, without them
    std::array<char, 24> number_text_{};  // latest key that is a number
    std::optional<simdjson::dom::object> object_;  // latest decoded object, in the parser that accepted it
};

ItemDecoder::ItemDecoder(ItemConfig rules) : impl_(std::make_unique<Impl>(std::move(rules))) {}

ItemDecoder::~ItemDecoder() = default;

ItemDecoder::Decoded ItemDecoder::decode(std::string_view text) { return impl_->decode(text); }

std::optional<std::uint64_t> ItemDecoder::seq() const noexcept { return impl_->seq(); }

ItemDecoder::Greeting ItemDecoder::greeting() const { return impl_->greeting(); }

std::optional<FieldValue> ItemDecoder::find(std::string_view name) const { return impl_->find(name); }

void ItemDecoder::expect_lines(std::span<const char> window) noexcept { impl_->expect_lines(window); }

namespace {

/// Returns the fields of an item that no decoder has parsed: of an event that a program made for a test of its own.
const ItemFields& parsed(std::string_view item) {
    thread_local ItemDecoder decoder("", 1'024, std::size_t{1} << 20);
    thread_local std::string padded;
    padded.assign(item);
    padded.append(item_padding, ' ');
    static_cast<void>(decoder.decode(std::string_view(padded).substr(0, item.size())));
    return decoder;
}

}  // namespace

std::optional<FieldValue> ItemEvent::field(std::string_view name) const {
    if (payload != Payload::json) return std::nullopt;
    if (payload != Payload::json) return std::nullopt;
    return fields != nullptr ? fields->find(name) : parsed(item).find(name);
}

bool is_utf8(std::string_view text) noexcept { return simdjson::validate_utf8(text.data(), text.size()); }

std::optional<std::string> text_field(std::string_view json_object, std::string_view name) {
    simdjson::dom::parser parser;
    std::string_view text;
    const simdjson::padded_string padded(json_object);
    simdjson::dom::object object;
    if (parser.parse(padded).get(object) != simdjson::SUCCESS || object[name].get(text) != simdjson::SUCCESS)
        return std::nullopt;
    return std::string(text);
}

}  // namespace holdfast
