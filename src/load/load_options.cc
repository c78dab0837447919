#include "load/load_options.h"

#include <string>

#include "net/address.h"

namespace holdfast {

namespace {

constexpr std::uint64_t max_addresses = 1ULL << 24;

/// Returns `address` + n, within its last 64 bits.
IpAddress plus(IpAddress address, std::uint64_t n) noexcept {
    for (std::size_t i = address.bytes.size(); n > 0 && i-- > 8;) {
        n += address.bytes[i];
        address.bytes[i] = static_cast<std::uint8_t>(n);
        n >>= 8;
    }
    return address;
}

std::uint64_t last_64_bits(const IpAddress& address) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i < address.bytes.size(); ++i) value = value << 8 | address.bytes[i];
    return value;
}

bool same_first_64_bits(const IpAddress& a, const IpAddress& b) noexcept {
    for (std::size_t i = 0; i < 8; ++i) {
        if (a.bytes[i] != b.bytes[i]) return false;
    }
    return true;
}

}  // namespace

Result<SourceRange> SourceRange::parse(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash != std::string_view::npos) {
        const auto first = parse_ip_address(text.substr(0, dash));
        if (!first) return first.error();
        const auto last = parse_ip_address(text.substr(dash + 1));
        if (!last) return last.error();
        if (!same_first_64_bits(first.value(), last.value()) || last.value() < first.value()) {
            return Error{"\"" + std::string(text) +
                         "\" is not a range; write the lower address first, as in 127.1.0.1-127.1.0.9"};
        }
        const std::uint64_t size = last_64_bits(last.value()) - last_64_bits(first.value());
        return SourceRange(first.value(), static_cast<std::uint32_t>(std::min(size, max_addresses - 1) + 1));
    }
    const auto prefix = parse_prefix(text);
    if (!prefix) return prefix.error();
    const unsigned host_bits = 128 - prefix.value().bits;
    if (host_bits < 2) return SourceRange(prefix.value().address, 1U << host_bits);
    const std::uint64_t size = host_bits > 24 ? max_addresses : 1ULL << host_bits;
    return SourceRange(plus(prefix.value().address, 1), static_cast<std::uint32_t>(size - 2));
}

IpAddress SourceRange::of_device(std::uint64_t device) const noexcept { return plus(first_, device % size_); }

Result<Endpoint> check_target(const Endpoint& target, bool any_target) {
    if (target.port == 0)
        return Error{"the target " + to_string(target) + " has no port; give the port of the listener"};
    if (any_target || is_private(target.address)) return target;
    return Error{to_string(target.address) +
                 " is neither a loopback nor a private address; add --allow-any-target if you may load it"};
}

}  // namespace holdfast
