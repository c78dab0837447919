#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/server.h>

#include "codec/hello.h"

namespace holdfast {

/// Bytes that must be readable behind an item handed to ItemDecoder::decode (their content does not matter).
inline constexpr std::size_t item_padding = 64;

/// Validates one framed item (whole document: JSON, UTF-8, depth, object, key) and finds its key. Owns the parser's
/// buffers, which grow to the largest item seen. One a reactor; not thread-safe.
class ItemDecoder {
public:
    ItemDecoder(std::string key_field, unsigned max_depth, std::size_t max_bytes);
    ~ItemDecoder();

    struct Decoded {
        std::optional<BadItem> bad;  ///< nothing: it is an item
        std::string_view key;        ///< unescaped; valid until the next decode
    };

    /// `text` must be followed by item_padding readable bytes. Throws std::bad_alloc only, as a std::string would.
    ///
    /// Every JSON object of RFC 8259 is one, whatever the size of its numbers; but half of a surrogate pair as an
    /// escape ("\ud800") is not_json, since it has no UTF-8 form (RFC 7493, 2.1), and so is a byte order mark in front.
    /// The key is the first field at the top whose unescaped name matches, ASCII letters in either case; it must be a
    /// string and not empty, whatever a later field of that name says. A depth of 1 is an object that holds no other.
    /// Of several faults one is named, in this order: too_large, bad_utf8, too_deep, not_json, not_object, no_key
    /// (a text that is not JSON to its end may be called not_json before its depth is known).
    [[nodiscard]] Decoded decode(std::string_view text);

    /// The field `seq` of the object that was decoded last, an item or not: a whole number of 1 to max_seq. Until the
    /// next decode.
    [[nodiscard]] std::optional<std::uint64_t> seq() const noexcept;

    struct Greeting {
        bool tried = false;          ///< there is a field `hello`
        std::optional<Hello> hello;  ///< and it is one
    };
    /// The same for the field `hello`: docs/reference/protocol.md.
    [[nodiscard]] Greeting greeting() const;

    /// The texts of the next decodes are lines of `window`, in order (or of none, if it is empty): two or more together
    /// cost less than one by one, and come to the same. The window, and item_padding readable bytes behind it, must not
    /// change before the next call.
    void expect_lines(std::span<const char> window) noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
