#include "text/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>

#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::string_view duration_forms = R"(write a number and its unit, e.g. "500ms", "30s", "5m" or "1h")";
constexpr std::string_view size_forms = R"(write a whole number of bytes or of a unit, e.g. "512B", "64KiB" or "1MiB")";

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 4> duration_units{{{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::uint64_t longest_ms = 1'000'000ULL * 3'600'000ULL;

constexpr std::array<Unit, 7> size_units{{{"b", 1},
                                          {"kib", 1ULL << 10},
                                          {"mib", 1ULL << 20},
                                          {"gib", 1ULL << 30},
                                          {"kb", 1'000},
                                          {"mb", 1'000'000},
                                          {"gb", 1'000'000'000}}};

Error complaint(std::string_view text, std::string_view what) {
    return Error{in_quotes(text) + " " + std::string(what)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

template <std::size_t N>
std::optional<std::uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
    for (const Unit& unit : units) {
        if (unit.name == name) return unit.factor;
    }
    return std::nullopt;
}

/// A text split after its leading digits; `digits` is empty if there are none.
struct Split {
    std::string_view digits;
    std::string_view rest;
};

Split split_digits(std::string_view text) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    return {text.substr(0, end), text.substr(end)};
}

/// Returns nullopt if the value does not fit.
std::optional<std::uint64_t> whole(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{}) return std::nullopt;
    return value;
}

/// Returns a fraction such as ".5" of a unit in milliseconds, or nullopt if it is finer than a millisecond.
std::optional<std::uint64_t> fraction(std::string_view digits, std::uint64_t factor) {
    while (digits.ends_with('0')) digits.remove_suffix(1);
    if (digits.empty()) return 0;
    if (digits.size() > 9) return std::nullopt;  // finer than a millisecond in any unit
    std::uint64_t scale = 1;
    for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
    const std::uint64_t scaled = *whole(digits) * factor;
    if (scaled % scale != 0) return std::nullopt;
    return scaled / scale;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto [digits, rest] = split_digits(text);
    if (digits.empty()) return complaint(text, "is not a duration; " + std::string(duration_forms));
    Split after{{}, rest};
    if (rest.starts_with('.')) {
        after = split_digits(rest.substr(1));
        if (after.digits.empty()) return complaint(text, "is not a duration; " + std::string(duration_forms));
    }
    if (after.rest.empty()) return complaint(text, "has no unit; " + std::string(duration_forms));
    const auto factor = factor_of(duration_units, after.rest);
    if (!factor) return complaint(text, "is not a duration; " + std::string(duration_forms));
    const auto units = whole(digits);
    if (!units || *units > longest_ms / *factor) return complaint(text, "is too long; write at most 1000000h");
    const auto part = fraction(after.digits, *factor);
    if (!part) return complaint(text, "is not a whole number of milliseconds; write fewer decimals");
    const std::uint64_t total = *units * *factor + *part;
    if (total > longest_ms) return complaint(text, "is too long; write at most 1000000h");
    return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

namespace {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;

/// Reads texts of a fixed form from left to right. `ok` stays false after the first part that does not fit.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    [[nodiscard]] int number(std::size_t digits, int min, int max) {
        const Split split = split_digits(rest_.substr(0, digits));
        const auto value = split.digits.size() == digits ? whole(split.digits) : std::nullopt;
        ok = ok && value && *value >= static_cast<std::uint64_t>(min) && *value <= static_cast<std::uint64_t>(max);
        rest_.remove_prefix(std::min(rest_.size(), digits));
        return ok ? static_cast<int>(*value) : min;
    }
    [[nodiscard]] bool take(std::string_view any_of) {
        const bool fits = !rest_.empty() && any_of.find(rest_.front()) != std::string_view::npos;
        if (fits) rest_.remove_prefix(1);
        return fits;
    }
    void need(std::string_view any_of) { ok = take(any_of) && ok; }
    [[nodiscard]] std::string_view digits() {
        const Split split = split_digits(rest_);
        rest_ = split.rest;
        return split.digits;
    }
    [[nodiscard]] std::string_view rest() const { return rest_; }

    bool ok = true;

private:
    std::string_view rest_;
};

std::chrono::milliseconds time_of_day(Scanner& scan) {
    std::chrono::milliseconds time = std::chrono::hours(scan.number(2, 0, 23));
    scan.need(":");
    time += std::chrono::minutes(scan.number(2, 0, 59));
    scan.need(":");
    time += std::chrono::seconds(scan.number(2, 0, 60));
    if (!scan.take(".")) return time;
    std::string part(scan.digits());
    scan.ok = scan.ok && !part.empty();
    part.resize(3, '0');
    return time + std::chrono::milliseconds(whole(part).value_or(0));
}

std::chrono::minutes offset_of(Scanner& scan) {
    if (scan.take("Zz")) return {};
    const bool west = scan.rest().starts_with('-');
    scan.need("+- ");  // a query turns a '+' into a space
    const std::chrono::hours hours(scan.number(2, 0, 23));
    scan.need(":");
    const std::chrono::minutes offset = hours + std::chrono::minutes(scan.number(2, 0, 59));
    return west ? -offset : offset;
}

/// Parses RFC 3339.
std::optional<Instant> timestamp(std::string_view text) {
    Scanner scan(text);
    const std::chrono::year year(scan.number(4, 0, 9999));
    scan.need("-");
    const std::chrono::month month(static_cast<unsigned>(scan.number(2, 1, 12)));
    scan.need("-");
    const std::chrono::year_month_day date(year, month, std::chrono::day(static_cast<unsigned>(scan.number(2, 1, 31))));
    scan.need("Tt ");
    const std::chrono::milliseconds time = time_of_day(scan);
    const std::chrono::minutes offset = offset_of(scan);
    if (!scan.ok || !scan.rest().empty() || !date.ok()) return std::nullopt;
    return std::chrono::sys_days(date) + time - offset;
}

}  // namespace

Result<Instant> parse_time(std::string_view text, Instant now) {
    constexpr std::uint64_t last_second = 253'402'300'799;  // of the year 9999
    if (const auto at = timestamp(text)) return *at;
    const Split split = split_digits(text);
    const auto seconds = split.rest.empty() ? whole(split.digits) : std::nullopt;
    if (seconds && *seconds <= last_second) return Instant(std::chrono::seconds(*seconds));
    if (const auto ago = parse_duration(text)) return now - ago.value();
    return complaint(text, R"(is not a time; write e.g. "2026-11-22T08:00:00Z", or "10m" for ten minutes ago)");
}

Result<std::size_t> parse_size(std::string_view text) {
    const auto [digits, rest] = split_digits(text);
    const std::string unit = lower(rest);
    const auto factor = unit.empty() ? std::optional<std::uint64_t>(1) : factor_of(size_units, unit);
    if (digits.empty() || !factor) return complaint(text, "is not a size; " + std::string(size_forms));
    const auto units = whole(digits);
    if (!units || *units > std::numeric_limits<std::size_t>::max() / *factor) {
        return complaint(text, "is too large for a size; write fewer bytes");
    }
    return static_cast<std::size_t>(*units * *factor);
}

std::string format_duration(std::chrono::milliseconds duration) {
    const std::int64_t count = duration.count();
    // Not -count: the smallest value has no positive counterpart.
    const std::uint64_t ms = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    const std::string sign = count < 0 ? "-" : "";
    if (ms == 0) return "0s";
    if (ms < 1'000) return sign + std::to_string(ms) + "ms";
    if (ms % 3'600'000 == 0) return sign + std::to_string(ms / 3'600'000) + "h";
    if (ms % 60'000 == 0) return sign + std::to_string(ms / 60'000) + "m";
    std::string out = sign + std::to_string(ms / 1'000);
    if (ms % 1'000 != 0) {
        out += '.' + std::to_string(1'000 + ms % 1'000).substr(1);
        while (out.ends_with('0')) out.pop_back();
    }
    return out + "s";
}

std::string format_size(std::size_t bytes) {
    if (bytes == 0) return "0B";
    if (bytes % (1ULL << 30) == 0) return std::to_string(bytes >> 30) + "GiB";
    if (bytes % (1ULL << 20) == 0) return std::to_string(bytes >> 20) + "MiB";
    if (bytes % (1ULL << 10) == 0) return std::to_string(bytes >> 10) + "KiB";
    return std::to_string(bytes) + "B";
}

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

std::string count_of(std::uint64_t number, std::string_view noun) {
    return std::to_string(number).append(" ").append(noun).append(number == 1 ? "" : "s");
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

std::string format_time(std::chrono::sys_time<std::chrono::milliseconds> time) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm parts{};
    std::array<char, 32> text{};
    if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(seconds);
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string error_name(int error) {
    if (error == 0) return {};
    const char* const name = ::strerrorname_np(error);
    return name != nullptr ? name : "errno " + std::to_string(error);
}

int parse_error_name(std::string_view name) {
    constexpr int max_errno = 4095;  // MAX_ERRNO of Linux
    if (name.empty()) return 0;
    for (int error = 1; error <= max_errno; ++error) {
        if (error_name(error) == name) return error;
    }
    return 0;
}

}  // namespace holdfast
