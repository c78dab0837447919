#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace holdfast {

inline constexpr std::size_t block_size = 64;

/// Positions of the 64 bytes of a block that determine JSON's structure: bit i is byte i.
struct BlockMasks {
    std::uint64_t quote = 0;
    std::uint64_t backslash = 0;
    std::uint64_t open = 0;       ///< { or [
    std::uint64_t close = 0;      ///< } or ]
    std::uint64_t separator = 0;  ///< , or :
    std::uint64_t control = 0;    ///< below 0x20
    std::uint64_t blank = 0;      ///< control or space

    friend bool operator==(const BlockMasks&, const BlockMasks&) = default;
};

/// Returns the masks of block_size bytes. Pure.
[[nodiscard]] inline BlockMasks masks_of_portable(const char* bytes) noexcept {
    BlockMasks masks;
    for (std::size_t i = 0; i < block_size; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const auto bit = [i](bool hit) { return static_cast<std::uint64_t>(hit) << i; };
        masks.quote |= bit(byte == '"');
        masks.backslash |= bit(byte == '\\');
        masks.open |= bit(byte == '{' || byte == '[');
        masks.close |= bit(byte == '}' || byte == ']');
        masks.separator |= bit(byte == ',' || byte == ':');
        masks.control |= bit(byte < 0x20);
        masks.blank |= bit(byte <= 0x20);
    }
    return masks;
}

#ifdef __SSE2__

/// Returns the result of masks_of_portable(), by vector instructions.
[[nodiscard]] inline BlockMasks masks_of(const char* bytes) noexcept {
    constexpr int width = sizeof(__m128i);
    BlockMasks masks;
    for (int at = 0; at < static_cast<int>(block_size); at += width) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at));
        const __m128i folded = _mm_or_si128(block, _mm_set1_epi8(0x20));  // [ as {, ] as }
        const auto bits = [at](__m128i hits) {
            return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(hits))) << at;
        };
        const auto equal = [&bits](__m128i where, char byte) {
            return bits(_mm_cmpeq_epi8(where, _mm_set1_epi8(byte)));
        };
        const auto at_most = [&](char byte) {
            return bits(_mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(byte)), block));
        };
        masks.quote |= equal(block, '"');
        masks.backslash |= equal(block, '\\');
        masks.open |= equal(folded, '{');
        masks.close |= equal(folded, '}');
        masks.separator |= equal(block, ',') | equal(block, ':');
        masks.control |= at_most(0x1f);
        masks.blank |= at_most(0x20);
    }
    return masks;
}

#else

[[nodiscard]] inline BlockMasks masks_of(const char* bytes) noexcept { return masks_of_portable(bytes); }

#endif

}  // namespace holdfast
