#pragma once

#include <cstdint>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// The addresses that devices connect from, taken in turn. One address has about 28,000 ports towards one target, so a
/// larger fleet needs several; on loopback all of 127.0.0.0/8 can be used as it is. A value.
class SourceRange {
public:
    /// "127.1.0.0/16" (without its first and last address), "127.1.0.1-127.1.0.9", "127.1.0.1". At most 2^24 are used.
    [[nodiscard]] static Result<SourceRange> parse(std::string_view text);

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] IpAddress of_device(std::uint64_t device) const noexcept;
    [[nodiscard]] bool is_v4() const noexcept { return first_.is_v4(); }

private:
    SourceRange(const IpAddress& first, std::uint32_t size) : first_(first), size_(size) {}

    IpAddress first_;
    std::uint32_t size_;
};

}  // namespace holdfast
