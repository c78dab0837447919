#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// Parses the objects of many lines with one run of simdjson's first stage (structure and UTF-8) over all of them: run
/// for each line, it costs as much as the second. Gives a document only if simdjson, asked about that line alone, would
/// give the same; in any doubt it gives none. Owns its parser, of fixed size, from the first window of two lines on.
class LineBatch {
public:
    static constexpr std::size_t max_bytes = 16 * 1024;  ///< of lines in one run: their index stays in the cache

    explicit LineBatch(std::size_t depth) : depth_(depth) {}

    /// The texts to come are lines of `window`, in order; or of no window, if it is empty. Its bytes, and item_padding
    /// readable ones behind it, stay as they are until the next call.
    void expect(std::span<const char> window) noexcept {
        window_ = window;
        begin_ = end_ = window.data();
    }

    /// The document that is exactly `text`, valid until the next call; nothing: ask another parser.
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
    const char* begin_ = nullptr;  ///< [begin_, end_) of the window are the lines of the latest run
    const char* end_ = nullptr;
    bool sound_ = false;  ///< the run was clean and every text since was the next document
};

}  // namespace holdfast
