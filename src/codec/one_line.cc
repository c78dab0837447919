#include "codec/one_line.h"

#include <algorithm>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace holdfast {

namespace {

bool is_line_break(char byte) { return byte == '\n' || byte == '\r'; }

#ifdef __SSE2__

constexpr std::size_t width = sizeof(__m128i);

// Copies `width` bytes. Sets all bits of the result for each byte that is a line break.
__m128i copy_block(char* to, const char* from) noexcept {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    return _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\r')));
}

// Returns true if there was a line break. The last block overlaps the one before.
bool copy_and_scan(char* to, std::string_view json) noexcept {
    if (json.size() < width) {
        std::copy(json.begin(), json.end(), to);
        return std::any_of(json.begin(), json.end(), is_line_break);
    }
    const std::size_t last = json.size() - width;
    __m128i found = copy_block(to + last, json.data() + last);
    for (std::size_t at = 0; at < last; at += width) found = _mm_or_si128(found, copy_block(to + at, json.data() + at));
    return _mm_movemask_epi8(found) != 0;
}

#else

bool copy_and_scan(char* to, std::string_view json) noexcept {
    std::copy(json.begin(), json.end(), to);
    return std::any_of(json.begin(), json.end(), is_line_break);
}

#endif

}  // namespace

char* copy_one_line(char* to, std::string_view json) noexcept {
    char* const end = to + json.size();
    if (copy_and_scan(to, json)) std::replace_if(to, end, is_line_break, ' ');
    return end;
}

void append_one_line(std::string& out, std::string_view json) {
    const std::size_t from = out.size();
    out.resize(from + json.size());
    static_cast<void>(copy_one_line(out.data() + from, json));
}

}  // namespace holdfast
