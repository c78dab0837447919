#pragma once

#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "codec/framing.h"
#include "testing/seed.h"

namespace holdfast {

/// A frame without its offsets; text of items only, as what else is dropped is nobody's.
struct Cut {
    Frame::Kind kind;
    std::string text;

    friend bool operator==(const Cut&, const Cut&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Cut& cut) {
        return out << static_cast<int>(cut.kind) << ':' << cut.text;
    }
};

/// Cuts as a connection does: what is left of a chunk goes in front of the next. Ends at too_large. Aborts if a frame
/// breaks the contract of next_frame.
[[nodiscard]] std::vector<Cut> cut_stream(Framing framing, const std::vector<std::string>& chunks,
                                          std::size_t max_bytes);

/// The same by other means: byte after byte, each item's text looked at from its start at every byte.
[[nodiscard]] std::vector<Cut> oracle_cuts(Framing framing, const std::vector<std::string>& chunks,
                                           std::size_t max_bytes);

/// Streams of good items, bad ones and noise, and ways to split them. One thread.
class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    [[nodiscard]] std::size_t below(std::size_t bound) { return engine_() % bound; }
    [[nodiscard]] std::string stream(Framing framing);
    [[nodiscard]] std::vector<std::string> chunks(const std::string& stream);

private:
    std::string object(int depth);
    std::string value(int depth);
    std::string piece(Framing framing);

    std::mt19937_64 engine_;
};

}  // namespace holdfast
