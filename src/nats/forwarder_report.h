#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "nats/forwarder.h"
#include "spool/position.h"

namespace holdfast {

/// What a forwarder says of itself: its status, and calls of the options' functions when something begins or ends. The
/// forwarder's thread writes, any thread reads.
class ForwarderReport {
public:
    explicit ForwarderReport(const ForwarderOptions& options) : options_(options) {}

    /// Publishing fails; on_trouble is called if it did not before.
    void trouble(const std::string& error);
    void well();
    void count(std::uint64_t ForwarderStatus::*figure, std::uint64_t more);
    /// `oldest`: when the first event that is not published was committed, as far as known.
    void published(Position position, std::optional<WallTime> oldest);
    void set_oldest(WallTime oldest);
    [[nodiscard]] bool knows_oldest() const;
    void dead_letter(const std::string& what, bool is_new);
    void loss(const std::string& what);
    /// Another process publishes under this spool's id, or did.
    void rival(const std::string& what);
    /// What the stream's limits cost; on_warning is called for each that is new.
    void warn(const std::vector<std::string>& warnings);
    void guarantee(const std::string& text);

    /// Without what only the link and the spool know.
    [[nodiscard]] ForwarderStatus status() const;
    [[nodiscard]] std::optional<WallTime> oldest() const;

private:
    using Steady = std::chrono::steady_clock;
    void note(std::string ForwarderStatus::*text, Steady::time_point& at, const std::string& what);

    const ForwarderOptions& options_;
    mutable std::mutex mutex_;
    ForwarderStatus status_;  // guarded by mutex_, as what follows
    Steady::time_point dead_letter_at_;
    Steady::time_point loss_at_;
    Steady::time_point rival_at_;
    std::vector<std::string> warnings_;
    std::optional<WallTime> oldest_;
};

}  // namespace holdfast
