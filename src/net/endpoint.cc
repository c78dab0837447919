#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <holdfast/endpoint.h>

#include "net/address.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Error unusable(std::string message) { return {std::move(message), ErrorCode::invalid_argument}; }

Error not_an_address(std::string_view text) {
    return unusable(in_quotes(text) +
                    " is not an IP address; write e.g. 10.2.0.9 or 2001:db8::1 (names are not looked up)");
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

}  // namespace

bool IpAddress::is_v4() const noexcept {
    return std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), bytes.begin());
}

IpAddress masked(const IpAddress& address, unsigned bits) noexcept {
    IpAddress result;
    const std::size_t whole = std::min<std::size_t>(bits / 8, result.bytes.size());
    std::copy_n(address.bytes.begin(), whole, result.bytes.begin());
    if (whole < result.bytes.size()) {
        result.bytes[whole] = static_cast<std::uint8_t>(address.bytes[whole] & (0xff00U >> (bits % 8)));
    }
    return result;
}

bool Prefix::contains(const IpAddress& other) const noexcept { return masked(other, bits) == masked(address, bits); }

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string to_string(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.is_v4()) {
        inet_ntop(AF_INET, address.bytes.data() + v4_mapped_prefix.size(), text.data(), text.size());
    } else {
        inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
    }
    return text.data();
}

std::string to_string(const Endpoint& endpoint) {
    const std::string address = to_string(endpoint.address);
    const std::string port = std::to_string(endpoint.port);
    return endpoint.address.is_v4() ? address + ":" + port : "[" + address + "]:" + port;
}

std::string to_string(const Prefix& prefix) {
    const unsigned bits = prefix.address.is_v4() && prefix.bits >= 96 ? prefix.bits - 96 : prefix.bits;
    return to_string(prefix.address) + "/" + std::to_string(bits);
}

Result<IpAddress> parse_ip_address(std::string_view text) {
    std::string_view bare = text;
    if (bare.size() >= 2 && bare.front() == '[' && bare.back() == ']') bare = bare.substr(1, bare.size() - 2);
    const std::string terminated(bare);
    IpAddress address;
    if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
    if (bare.size() == text.size()) {
        std::copy(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), address.bytes.begin());
        if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + v4_mapped_prefix.size()) == 1) return address;
    }
    return not_an_address(text);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
    const bool bare_v6 = host.find(':') != std::string_view::npos && host.front() != '[';
    const auto port = colon == std::string_view::npos ? std::nullopt : parse_number(text.substr(colon + 1), 65535);
    if (!port || host.empty() || bare_v6) {
        return unusable(in_quotes(text) + " is not an address with a port; write e.g. 127.0.0.1:7000 or [::]:7000");
    }
    const auto address = parse_ip_address(host);
    if (!address) return address.error();
    return Endpoint{address.value(), static_cast<std::uint16_t>(*port)};
}

Result<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_ip_address(text.substr(0, slash));
    if (!address)
        return unusable(in_quotes(text) +
                        " is not an address prefix; write e.g. 10.2.0.0/16, 10.2.0.9 or 2001:db8::/32");
    const bool v4 = address.value().is_v4();
    unsigned bits = 128;
    if (slash != std::string_view::npos) {
        const auto length = parse_number(text.substr(slash + 1), v4 ? 32 : 128);
        if (!length) {
            return unusable(in_quotes(text) + " has no prefix length from 0 to " + (v4 ? "32" : "128") +
                            " after the slash");
        }
        bits = v4 ? 96 + *length : *length;
    }
    const Prefix prefix{masked(address.value(), bits), bits};
    if (prefix.address != address.value()) {
        return unusable(in_quotes(text) + " has bits set behind its prefix length; did you mean " + to_string(prefix) +
                        "?");
    }
    return prefix;
}

}  // namespace HOLDFAST_PUBLIC

namespace {

bool is_within(const IpAddress& address, std::string_view prefix) {
    return parse_prefix(prefix).value().contains(address);
}

}  // namespace

bool is_loopback(const IpAddress& address) { return is_within(address, "127.0.0.0/8") || is_within(address, "::1"); }

bool is_unspecified(const IpAddress& address) { return is_within(address, "0.0.0.0") || is_within(address, "::"); }

bool is_private(const IpAddress& address) {
    constexpr std::array<std::string_view, 6> others{"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16",
                                                     "169.254.0.0/16", "fc00::/7",      "fe80::/10"};
    return is_loopback(address) || std::any_of(others.begin(), others.end(),
                                               [&](std::string_view prefix) { return is_within(address, prefix); });
}

}  // namespace holdfast
