#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "load/downlink_book.h"
#include "load/downlink_gateway.h"
#include "load/load_options.h"
#include "load/pace.h"

namespace holdfast {

/// A device of this fleet that the gateway knows.
struct DownlinkTarget {
    std::uint64_t device = 0;
    GatewayConnection connection;
};

/// Which of `targets`, sorted by device and not empty, gets the nth downlink: the device drawn out of all of the
/// fleet's, or the next one that is there; so that one that is away changes nothing for the others. Pure; any thread.
[[nodiscard]] std::size_t choose_target(const std::vector<DownlinkTarget>& targets, const LoadOptions& options,
                                        std::uint64_t nth);

/// Asks the gateway, at a steady rate, to send downlinks to devices of the fleet. Owns its thread, from the constructor
/// to stop(); refers to the book and the gateway, which outlive it.
class DownlinkAsker {
public:
    DownlinkAsker(const Clock& clock, const LoadOptions& options, DownlinkBook& book, DownlinkGateway& gateway);
    DownlinkAsker(const DownlinkAsker&) = delete;
    DownlinkAsker& operator=(const DownlinkAsker&) = delete;
    ~DownlinkAsker() { stop(); }

    /// What is being asked has half a second for its answer, then it is broken off; the thread has ended when it
    /// returns.
    void stop();
    /// What is in the way of downlinks, or nothing. After stop().
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
    void run();
    void look_if_due();
    void look();
    void ask_due();
    void ask();
    [[nodiscard]] bool stopped_within(std::chrono::milliseconds pause);

    const Clock& clock_;
    const LoadOptions& options_;
    DownlinkBook& book_;
    DownlinkGateway& gateway_;
    Pace pace_;

    std::vector<DownlinkTarget> targets_;  // sorted by device
    std::uint64_t seen_version_ = 0;       // of the book, when the gateway was last looked at
    SteadyTime next_look_;
    SteadyTime soonest_look_;  // where a device has turned out to have left
    std::uint64_t asked_ = 0;
    std::string trouble_;

    std::mutex mutex_;
    std::condition_variable changed_;  // either of:
    bool stopping_ = false;
    bool ended_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace holdfast
