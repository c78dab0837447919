#include "codec/line_batch.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "codec/json_scan.h"

// A document found here equals the result of simdjson for its line alone, for these reasons:
// - Stage 1 passes over all lines without an error: all is UTF-8, no string holds a raw line break, and none is left
//   open. So each line starts outside strings, and stage 1 finds in each line what it finds in that line alone.
// - Stage 2 then starts at the first byte of the line, a `{`, and ends at its last. No other line is read.
// - A value that does not close before the end of the last line meets the line break there, with which no token begins.
//   So stage 2 never reads past the end of the index. (simdjson's own streams avoid that by counting brackets first.)
// The code uses simdjson's stages as its document_stream does. The latter would cost an allocation and locks for each
// window, and accepts an open string at the end.

namespace holdfast {

bool LineBatch::holds(std::string_view text) const noexcept {
    const std::less_equal<const char*> ordered;
    return !text.empty() && !window_.empty() && ordered(window_.data(), text.data()) &&
           ordered(text.data() + text.size(), window_.data() + window_.size());
}

void LineBatch::index_from(std::string_view text) noexcept {
    const std::span<const char> rest = window_.subspan(static_cast<std::size_t>(text.data() - window_.data()));
    const std::size_t max = std::min(rest.size(), max_bytes);
    sound_ = false;
    if (text.size() >= max) return;
    const void* const found = ::memrchr(rest.data() + text.size(), '\n', max - text.size());
    if (found == nullptr) return;
    const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - rest.data());
    const bool one_line = skip_json_space(rest.first(size), text.size()) == size;
    if (one_line || !allocate()) return;
    begin_ = rest.data();
    end_ = begin_ + size + 1;
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(begin_);
    sound_ = parser_.implementation->stage1(bytes, size, simdjson::stage1_mode::regular) == simdjson::SUCCESS;
}

std::optional<simdjson::dom::element> LineBatch::next(std::string_view text) noexcept {
    if (!sound_) return std::nullopt;
    sound_ = false;
    simdjson::internal::dom_parser_implementation& stages = *parser_.implementation;
    const std::uint32_t first = stages.next_structural_index;
    if (first >= stages.n_structural_indexes) return std::nullopt;
    if (text.front() != '{' || begin_ + stages.structural_indexes[first] != text.data()) return std::nullopt;
    if (stages.stage2_next(document_) != simdjson::SUCCESS) return std::nullopt;
    const std::uint32_t last = stages.structural_indexes[stages.next_structural_index - 1];
    if (begin_ + last != &text.back()) return std::nullopt;
    sound_ = true;
    return document_.root();
}

bool LineBatch::allocate() noexcept {
    if (!allocated_)
        allocated_ = parser_.allocate(max_bytes, depth_) == simdjson::SUCCESS &&
                     document_.allocate(max_bytes) == simdjson::SUCCESS;
    return allocated_;
}

}  // namespace holdfast
