#pragma once

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// A device as a plain socket, with the fates that a socket of this process can have. Owns the socket; one thread.
class ProveDevice {
public:
    struct Options {
        Endpoint to;
        IpAddress from;
        bool small_window = false;  ///< smallest receive buffer, so that its window closes soon
    };

    /// Connects in the calling thread's network.
    [[nodiscard]] static Result<ProveDevice> connect(const Options& options);

    [[nodiscard]] const Endpoint& name() const noexcept { return name_; }

    /// Sends an item. Returns false if the socket does not accept it.
    bool speak() const noexcept;
    void close() noexcept { fd_.reset(); }
    void reset() noexcept;
    /// Sends a last item and, once it is acknowledged, drops all segments before TCP. Not even the kernel answers: for
    /// the gateway the device has vanished.
    [[nodiscard]] bool vanish() const noexcept;
    /// Ends vanish(): TCP receives segments again. Returns false if the kernel refuses.
    [[nodiscard]] bool reappear() const noexcept;

private:
    ProveDevice(UniqueFd fd, const Endpoint& name) : fd_(std::move(fd)), name_(name) {}

    UniqueFd fd_;
    Endpoint name_;
};

}  // namespace holdfast
