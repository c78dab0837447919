#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "forward/forwarder_options.h"
#include "spool/spool.h"

namespace holdfast {

/// Collects a forwarder's status, and calls the options' callbacks when a state begins or ends. Written by the
/// forwarder's thread, read by any thread.
class ForwarderReport {
public:
    explicit ForwarderReport(const ForwarderOptions& options) : options_(options) {}

    /// Records that publishing fails. Calls on_trouble if it did not fail before.
    void trouble(const std::string& error);
    void well();
    void count(std::uint64_t ForwarderStatus::*figure, std::uint64_t more);
    /// Reports the newest published position. `oldest` is the commit time of the first unpublished event, if known.
    void published(Position position, std::optional<WallTime> oldest);
    void set_oldest(WallTime oldest);
    [[nodiscard]] bool knows_oldest() const;
    void dead_letter(const std::string& what, bool is_new);
    void loss(const std::string& what);
    /// Records that another process publishes, or did, under this spool's id.
    void rival(const std::string& what);
    /// Records the costs of the stream's limits. Calls on_warning for each new one.
    void warn(const std::vector<std::string>& warnings);
    void guarantee(const std::string& text);

    /// Returns the status without the fields of the link and the spool.
    [[nodiscard]] ForwarderStatus status() const;
    [[nodiscard]] std::optional<WallTime> oldest() const;

private:
    using Steady = std::chrono::steady_clock;
    void note(std::string ForwarderStatus::*text, Steady::time_point& at, const std::string& what);

    const ForwarderOptions& options_;
    mutable std::mutex mutex_;
    ForwarderStatus status_;  // guarded by mutex_, as are the members below
    Steady::time_point dead_letter_at_;
    Steady::time_point loss_at_;
    Steady::time_point rival_at_;
    std::vector<std::string> warnings_;
    std::optional<WallTime> oldest_;
};

}  // namespace holdfast
