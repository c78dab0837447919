#pragma once

#include <chrono>
#include <optional>
#include <string>

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
    /// Returns the descriptor to which a worker sends.
    [[nodiscard]] int of_worker() const noexcept { return of_worker_.get(); }

    /// Forgets the worker before, and what it sent.
    void begin();
    /// Passes on what has arrived.
    void receive(SteadyTime now);
    [[nodiscard]] bool is_ready() const noexcept { return ready_; }
    /// Returns true once the worker was ready and did not only wait for space.
    [[nodiscard]] bool has_served() const noexcept { return served_; }
    /// Returns how long the worker has sent no ping, or nullopt if it has sent none yet.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> silence(SteadyTime now) const {
        return turned_at_ ? std::optional(now - *turned_at_) : std::nullopt;
    }
    /// Forgives the silence while the keeper itself did not run.
    void excuse(SteadyTime now) {
        if (turned_at_) turned_at_ = now;
    }

private:
    [[nodiscard]] std::optional<std::string> next();
    void take(const std::string& message, SteadyTime now);

    Notifier manager_;
    UniqueFd socket_;
    UniqueFd of_worker_;
    bool ready_ = false;
    bool served_ = false;
    std::optional<SteadyTime> turned_at_;
};

}  // namespace holdfast
