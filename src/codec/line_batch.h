#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// Parses the objects of many lines with one run of simdjson's first stage (structure and UTF-8). Run per line, that
/// stage costs as much as the second. Returns a document only if simdjson would return the same for that line alone; in
/// doubt it returns none. Owns a parser of fixed size, allocated at the first window of two lines.
class LineBatch {
public:
    static constexpr std::size_t max_bytes = 16 * 1024;  ///< of lines in one run: their index stays in the cache

    explicit LineBatch(std::size_t depth) : depth_(depth) {}

    /// Announces that the next texts are lines of `window`, in order, or of no window if it is empty. Its bytes, and
    /// item_padding readable bytes after it, must not change until the next call.
    void expect(std::span<const char> window) noexcept {
        window_ = window;
        begin_ = end_ = window.data();
    }

    /// Returns the document that is exactly `text`, valid until the next call. Returns nullopt if another parser must
    /// decide.
    [[nodiscard]] std::optional<simdjson::dom::element> document(std::string_view text) noexcept {
        if (!holds(text)) return std::nullopt;
        if (text.data() >= end_) index_from(text);
        return next(text);
    }

private:
    [[nodiscard]] bool holds(std::string_view text) const noexcept;
    void index_from(std::string_view text) noexcept;
    [[nodiscard]] std::optional<simdjson::dom::element> next(std::string_view text) noexcept;
    [[nodiscard]] bool allocate() noexcept;

    std::size_t depth_;
    simdjson::dom::parser parser_;
    simdjson::dom::document document_;
    bool allocated_ = false;
    std::span<const char> window_;
    const char* begin_ = nullptr;  ///< [begin_, end_) of the window: lines of the latest run
    const char* end_ = nullptr;
    bool sound_ = false;  ///< the run was clean, and every text since was the next document
};

}  // namespace holdfast
