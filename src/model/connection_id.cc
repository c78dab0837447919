#include <charconv>
#include <string>

#include <holdfast/events.h>

namespace holdfast {

namespace {

template <typename Number>
std::optional<Number> parse_hex(std::string_view text) noexcept {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

std::string to_string(ConnectionId id) {
    std::array<char, 32> text;
    char* end = std::to_chars(text.data(), text.data() + text.size(), id.run, 16).ptr;
    *end++ = '-';
    end = std::to_chars(end, text.data() + text.size(), id.number, 16).ptr;
    return {text.data(), end};
}

std::optional<ConnectionId> parse_connection_id(std::string_view text) noexcept {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto run = parse_hex<std::uint32_t>(text.substr(0, dash));
    const auto number = parse_hex<std::uint64_t>(text.substr(dash + 1));
    if (!run || !number) return std::nullopt;
    return ConnectionId{*run, *number};
}

}  // namespace holdfast
