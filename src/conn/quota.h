#pragma once

#include <atomic>
#include <cstddef>

namespace holdfast {

/// Limit of the process on one resource, shared by all reactors. Any thread.
class ConnectionQuota {
public:
    explicit ConnectionQuota(std::size_t max) : max_(max) {}

    [[nodiscard]] bool take() noexcept {
        if (used_.fetch_add(1, std::memory_order_relaxed) < max()) return true;
        give_back();
        return false;
    }
    void give_back() noexcept { used_.fetch_sub(1, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t max() const noexcept { return max_.load(std::memory_order_relaxed); }
    /// Sets the limit. Below the present use, holders keep what they have, and take() fails until there is room.
    void set_max(std::size_t max) noexcept { max_.store(max, std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> max_;
    std::atomic<std::size_t> used_{0};
};

}  // namespace holdfast
