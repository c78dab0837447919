#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Carries Ethernet frames between two interfaces of one network namespace with a delay that applies at a frame's
/// arrival. Stands in for netem, which some kernels lack. Owns its thread; ends with the object.
class SlowWire {
public:
    /// Starts carrying, without delay, between two packet sockets of open_end().
    [[nodiscard]] static Result<std::unique_ptr<SlowWire>> start(UniqueFd left, UniqueFd right);
    SlowWire(const SlowWire&) = delete;
    SlowWire& operator=(const SlowWire&) = delete;
    ~SlowWire();

    /// Sets the delay of one direction, half a round trip. Frames in transit keep theirs. Any thread.
    void set_delay(std::chrono::milliseconds one_way) noexcept { delay_ms_.store(one_way.count()); }

    /// Returns a packet socket on `interface` of the calling thread's network, or an error.
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

/// Makes the kernel compute every TCP checksum of `interface` itself, in the calling thread's network: a frame
/// forwarded by a packet socket would lack one. Returns an empty text, or the failure.
[[nodiscard]] std::string compute_checksums(const char* interface);

}  // namespace holdfast
