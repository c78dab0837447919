#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <holdfast/config.h>
#include <holdfast/events.h>
#include <holdfast/status.h>

#include "text/printable.h"

namespace holdfast {

inline constexpr std::size_t max_token = 256;
/// Largest number that every JSON library represents exactly.
inline constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;

/// Hello of a device: docs/reference/protocol.md.
struct Hello {
    std::string id;
    std::string session;     ///< empty: items are not numbered
    std::uint64_t from = 0;  ///< next number of the device; 0: not stated
    std::string token;       ///< empty: none; never written to any output
};

/// Detail of an `unauthenticated` close: another connection, on any gateway, has proved the id, and this one has not.
inline constexpr std::string_view another_has_proved = "another connection has proved this id, and this one has not";
inline constexpr std::string_view later_one_has_the_id =
    "the id was claimed after a connection that was established later";

/// Returns true if the text is valid UTF-8. Pure.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Returns the text in a field of an object; nullopt if it has none. Pure.
[[nodiscard]] std::optional<std::string> text_field(std::string_view json_object, std::string_view name);

/// Number of readable bytes that must follow an item passed to ItemDecoder::decode(). Their content does not matter.
inline constexpr std::size_t item_padding = 64;

/// Validates one framed item (whole document: JSON, UTF-8, depth, object, key) and finds its key. Owns the parser's
/// buffers, which grow to the largest item seen. One per reactor; not thread-safe.
class ItemDecoder final : public ItemFields {
public:
    explicit ItemDecoder(ItemConfig rules);
    ItemDecoder(std::string key, unsigned max_depth, std::size_t max_bytes)
        : ItemDecoder(ItemConfig{.key = std::move(key), .max_bytes = max_bytes, .max_depth = max_depth}) {}
    ~ItemDecoder() override;

    struct Decoded {
        std::optional<BadItem> bad;  ///< nullopt: a valid item
        std::string_view key;        ///< unescaped; valid until the next decode
        /// Text of the item where it differs from the decoded one (see decode()); empty: the decoded text. Valid until
        /// the next decode.
        std::string_view replacement = {};
        std::string_view mistake = {};  ///< option with which the bad item would be valid; static text
    };

    /// Decodes one item. `text` must be followed by item_padding readable bytes. Throws only std::bad_alloc.
    ///
    /// Every JSON object of RFC 8259 is valid, whatever the size of its numbers, with two exceptions, which are
    /// not_json. Half of a surrogate pair as an escape ("\ud800") has no UTF-8 form (RFC 7493, 2.1). With
    /// LoneSurrogates::replace the item is valid and has \ufffd in its place. The other is a leading byte order mark.
    /// The key is the first top-level field whose unescaped name matches, ASCII letters in either case. A name with
    /// dots that is no top-level field is a path: each part names a field of the object before. The key must be a
    /// non-empty string, or with ItemConfig::numeric_key a 64-bit integer, whatever a later field of that name
    /// contains. Without a key field no object has a key. An object without nested brackets has depth 1. The first of
    /// several faults in this order is reported: too_large, bad_utf8, too_deep, not_json, not_object, no_key. A text
    /// that is not JSON to its end may be reported as not_json before its depth is known.
    [[nodiscard]] Decoded decode(std::string_view text);

    /// Returns the field `seq`, a whole number of 1 to max_seq, of the last decoded object, even if it was not a valid
    /// item. Valid until the next decode.
    [[nodiscard]] std::optional<std::uint64_t> seq() const noexcept;

    struct Greeting {
        bool tried = false;          ///< the object has a field `hello`
        std::optional<Hello> hello;  ///< nullopt: that field is not a valid hello
    };
    /// Returns the field `hello` of the object that was decoded last: docs/reference/protocol.md.
    [[nodiscard]] Greeting greeting() const;

    /// Returns a field of the object that was decoded last. Texts are valid until the next call.
    [[nodiscard]] std::optional<FieldValue> find(std::string_view name) const override;

    /// Announces that the next texts to decode are lines of `window`, in order, or of no window if it is empty. Two or
    /// more lines together cost less than one by one, with the same results. The window, and item_padding readable
    /// bytes after it, must not change before the next call.
    void expect_lines(std::span<const char> window) noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
