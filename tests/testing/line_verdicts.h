#pragma once

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "codec/framing.h"
#include "codec/item.h"

namespace holdfast {

/// Result for one line.
struct LineVerdict {
    std::string text;
    std::optional<BadItem> bad;
    std::string key;

    friend bool operator==(const LineVerdict&, const LineVerdict&) = default;
    friend std::ostream& operator<<(std::ostream& out, const LineVerdict& verdict) {
        return out << (verdict.bad ? to_string(*verdict.bad) : "item of " + verdict.key) << ": " << verdict.text
                   << '\n';
    }
};

/// Returns the results for the lines of a connection's chunks; the remainder of a chunk precedes the next chunk. Ends
/// at a line that is too large. Bytes of `padding`, and no others, follow each window. `ahead`: the decoder receives
/// each window first.
[[nodiscard]] inline std::vector<LineVerdict> line_verdicts(ItemDecoder& decoder,
                                                            const std::vector<std::string>& chunks,
                                                            std::size_t max_bytes, char padding, bool ahead) {
    std::vector<LineVerdict> verdicts;
    std::string kept;
    FrameScan scan;
    for (const std::string& chunk : chunks) {
        kept += chunk;
        std::vector<char> memory(kept.begin(), kept.end());
        memory.resize(kept.size() + item_padding, padding);
        std::span<const char> window(memory.data(), kept.size());
        decoder.expect_lines(ahead ? window : std::span<const char>());
        for (;;) {
            const Frame frame = next_frame(Framing::ndjson, window, scan, max_bytes);
            if (frame.kind == Frame::Kind::too_large) return verdicts;
            if (frame.kind == Frame::Kind::item) {
                const std::string_view text(window.data() + frame.begin, frame.end - frame.begin);
                const auto decoded = decoder.decode(text);
                verdicts.push_back({std::string(text), decoded.bad, std::string(decoded.key)});
            }
            window = window.subspan(frame.next);
            if (frame.kind == Frame::Kind::partial) break;
        }
        kept.assign(window.begin(), window.end());
    }
    decoder.expect_lines({});
    return verdicts;
}

}  // namespace holdfast
