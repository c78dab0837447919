#pragma once

#include <array>
#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "codec/framing.h"
#include "testing/seed.h"

namespace holdfast {

/// A frame without its offsets. Only items have a text: other frames are dropped.
struct Cut {
    Frame::Kind kind;
    std::string text;

    friend bool operator==(const Cut&, const Cut&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Cut& cut) {
        return out << static_cast<int>(cut.kind) << ':' << cut.text;
    }
};

/// Cuts a stream as a connection does: the remainder of a chunk precedes the next chunk. Ends at too_large, unless the
/// rules drop such an item. Aborts if a frame breaks the contract of next_frame().
[[nodiscard]] std::vector<Cut> cut_stream(const FrameRules& rules, const std::vector<std::string>& chunks,
                                          std::size_t max_bytes);
[[nodiscard]] inline std::vector<Cut> cut_stream(Framing framing, const std::vector<std::string>& chunks,
                                                 std::size_t max_bytes) {
    return cut_stream(FrameRules{.framing = framing}, chunks, max_bytes);
}

/// Cuts the same stream by other means: at every byte, it reads the text of the item again from its start.
[[nodiscard]] std::vector<Cut> oracle_cuts(const FrameRules& rules, const std::vector<std::string>& chunks,
                                           std::size_t max_bytes);

/// Delimiters of each kind: a control byte, white space, one that overlaps itself, one that begins with white space.
inline constexpr std::array<std::string_view, 6> odd_delimiters{
    std::string_view("\0", 1), "\r\n", "aab", "\n-", ";;;;;;;;", "\xff"};

/// Generates streams of good items, bad ones and noise, and splits them into chunks. One thread.
class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    [[nodiscard]] std::size_t below(std::size_t bound) { return engine_() % bound; }
    [[nodiscard]] std::string stream(const FrameRules& rules);
    [[nodiscard]] std::vector<std::string> chunks(const std::string& stream);

private:
    std::string object(int depth);
    std::string value(int depth);
    std::string piece(const FrameRules& rules);

    std::mt19937_64 engine_;
};

}  // namespace holdfast
