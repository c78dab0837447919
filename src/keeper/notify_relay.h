#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "daemon/notify.h"

namespace holdfast {

/// Receives what a worker says to the service manager, which hears its main process only, and passes it on. A worker's
/// pings stay here: they show that it turns. One thread.
class NotifyRelay {
public:
    /// Opens the socket for workers. `manager` sends nothing if there is no service manager.
    [[nodiscard]] static Result<NotifyRelay> open(Notifier manager);

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] const Notifier& manager() const noexcept { return manager_; }
    /// Returns the value of NOTIFY_SOCKET for the worker.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }

    /// Forgets the worker before.
    void begin() { ready_ = false, turned_at_.reset(); }
    /// Passes on what has arrived from the process `worker`, and drops what others sent.
    void receive(pid_t worker, SteadyTime now);
    [[nodiscard]] bool is_ready() const noexcept { return ready_; }
    /// Returns how long the worker has sent no ping, or nullopt if it has sent none yet.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> silence(SteadyTime now) const {
        return turned_at_ ? std::optional(now - *turned_at_) : std::nullopt;
    }
    /// Forgives the silence while the keeper itself did not run.
    void excuse(SteadyTime now) {
        if (turned_at_) turned_at_ = now;
    }

private:
    void take(const std::string& message, SteadyTime now);

    Notifier manager_;
    UniqueFd socket_;
    std::string address_;
    bool ready_ = false;
    std::optional<SteadyTime> turned_at_;
};

}  // namespace holdfast
