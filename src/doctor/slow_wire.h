#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Carries Ethernet frames between two interfaces of one network namespace, each frame late by the delay that holds
/// when it arrives. Stands in for netem, which not every kernel has. Owns the thread that carries; ends with the
/// object.
class SlowWire {
public:
    /// Starts to carry, without a delay at first, between two packet sockets of open_end().
    [[nodiscard]] static Result<std::unique_ptr<SlowWire>> start(UniqueFd left, UniqueFd right);
    SlowWire(const SlowWire&) = delete;
    SlowWire& operator=(const SlowWire&) = delete;
    ~SlowWire();

    /// Sets the delay of one way, half a round trip. Frames under way keep theirs. Any thread.
    void set_delay(std::chrono::milliseconds one_way) noexcept { delay_ms_.store(one_way.count()); }

    /// Returns a packet socket on `interface` of the calling thread's network, or what failed.
    [[nodiscard]] static Result<UniqueFd> open_end(const char* interface);

private:
    SlowWire(UniqueFd left, UniqueFd right, UniqueFd stop);
    void carry();

    UniqueFd left_;
    UniqueFd right_;
    UniqueFd stop_;
    std::atomic<std::chrono::milliseconds::rep> delay_ms_{0};
    std::thread thread_;
};

/// Has the kernel compute every TCP checksum of `interface` itself, in the calling thread's network: a frame that a
/// packet socket sends on would arrive without one. Returns an empty text, or what failed.
[[nodiscard]] std::string compute_checksums(const char* interface);

}  // namespace holdfast
