#pragma once

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// A device as a plain socket, which can die in the ways that a socket of this process can be made to. Owns it; one
/// thread.
class ProveDevice {
public:
    struct Options {
        Endpoint to;
        IpAddress from;
        bool small_window = false;  ///< the smallest receive buffer, so that its window closes soon
    };

    /// In the calling thread's network.
    [[nodiscard]] static Result<ProveDevice> connect(const Options& options);

    [[nodiscard]] const Endpoint& name() const noexcept { return name_; }

    /// Sends an item; false if the socket does not take it.
    bool speak() const noexcept;
    void close() noexcept { fd_.reset(); }
    void reset() noexcept;
    /// Speaks a last time, and once that is acknowledged drops whatever comes before TCP sees it, so that not even the
    /// kernel answers any more: to the gateway it has vanished.
    [[nodiscard]] bool vanish() const noexcept;
    /// Ends what vanish() began: TCP sees again what arrives. Returns false if the kernel does not do it.
    [[nodiscard]] bool reappear() const noexcept;

private:
    ProveDevice(UniqueFd fd, const Endpoint& name) : fd_(std::move(fd)), name_(name) {}

    UniqueFd fd_;
    Endpoint name_;
};

}  // namespace holdfast
