#include "text/device_word.h"

#include <algorithm>

#include "text/utf8.h"

namespace holdfast {

bool is_device_word(std::string_view text, std::size_t max) noexcept {
    const auto controls = [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; };
    if (text.empty() || text.size() > max || std::any_of(text.begin(), text.end(), controls)) return false;
    while (!text.empty()) {
        const std::size_t size = next_code_point(text).size;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace holdfast
