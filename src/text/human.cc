#include "text/human.h"

#include <array>
#include <cmath>
#include <cstddef>

namespace holdfast {
namespace {

/// Formats with one decimal: 49.14 becomes "49.1".
std::string with_tenth(double value) {
    const auto tenths = static_cast<std::uint64_t>(std::llround(value * 10));
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

}  // namespace

std::string human_count(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) out.push_back(',');
        out.push_back(digits[i]);
    }
    return out;
}

std::string human_bytes(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    constexpr std::array<const char*, 6> units{" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    auto value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1023.95 && unit + 1 < units.size(); ++unit) value /= 1024;
    return with_tenth(value) + units[unit];
}

std::string human_seconds(double seconds) {
    // A damaged answer may contain any number.
    if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e15) return "?";
    if (seconds < 120) return with_tenth(seconds) + "s";
    const auto whole = static_cast<std::uint64_t>(seconds);
    const auto pair = [](std::uint64_t large, const char* one, std::uint64_t small, const char* two) {
        return std::to_string(large) + one + " " + std::to_string(small) + two;
    };
    if (whole < 3600) return pair(whole / 60, "m", whole % 60, "s");
    if (whole < 86400) return pair(whole / 3600, "h", whole % 3600 / 60, "m");
    return pair(whole / 86400, "d", whole % 86400 / 3600, "h");
}

}  // namespace holdfast
