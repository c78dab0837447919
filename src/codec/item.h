#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/server.h>

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

    /// `text` must be followed by item_padding readable bytes.
    [[nodiscard]] Decoded decode(std::string_view text);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
