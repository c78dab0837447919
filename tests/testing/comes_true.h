#pragma once

#include <chrono>
#include <thread>

namespace holdfast {

/// Waits until `holds` returns true, checked every few milliseconds. Returns whether it did in time. For tests.
template <typename Condition>
[[nodiscard]] bool comes_true(Condition holds, std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace holdfast
