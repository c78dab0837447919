#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast {

/// Sizes of the messages in a queue of bytes, which show whether a part of one was sent. A value.
class MessageBounds {
public:
    /// Adds a message of which `bytes` are left. `is_begun`: others of it were sent.
    void add(std::size_t bytes, bool is_begun);
    /// Takes bytes off the front.
    void take(std::size_t bytes);
    /// Returns true if a part of the first message was sent.
    [[nodiscard]] bool is_cut() const noexcept { return is_cut_; }
    [[nodiscard]] std::size_t memory() const noexcept { return left_.size() * sizeof(std::uint32_t); }

private:
    std::vector<std::uint32_t> left_;
    std::size_t first_ = 0;  // in left_
    bool is_cut_ = false;
};

}  // namespace holdfast
