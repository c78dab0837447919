#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "conformance/device_link.h"
#include "conformance/judge.h"
#include "conformance/rules.h"

namespace holdfast {

/// Plays the gateway for one device, scenario after scenario, and records what it finds. A scenario begins and ends on
/// an open connection whose items are all covered. One thread, which waits for the device.
class DeviceExamination {
public:
    DeviceExamination(DeviceLink& link, RuleFindings& findings, Judge::Expectations expectations,
                      std::chrono::milliseconds timeout);

    /// Runs the scenarios. Ends early if the device does not connect.
    void run();

private:
    struct Opening {
        std::uint64_t resume = 0;
        std::uint64_t first = 1;            ///< number of the first item
        Rule rule{};                        ///< fails if the device does otherwise
        std::string_view fields = {};       ///< further fields of the resume
        std::chrono::milliseconds pause{};  ///< between the bytes of the resume
    };

    // The scenarios. False: the device does not connect.
    bool greet();
    bool lose_items();
    bool delay_ack();
    bool supersede();
    bool lose_ack();
    bool cover_some();
    bool send_stale_ack();
    bool split_answers();
    bool join_answers();
    bool send_unknown_fields();
    bool send_other_messages();
    bool halve_answer();
    bool report_gap();
    bool resume_again();
    bool refuse_item();
    bool forget_session();
    bool send_retry_after();
    bool refuse_often();

    // Steps of them.
    bool connect(Rule rule);
    bool open(const Opening& opening);
    bool take_items(unsigned count, Rule rule);
    void watch(std::chrono::milliseconds time, std::optional<Rule> must_stay = {});
    bool reopen(const Opening& opening);
    void cut();
    void say_ack(std::uint64_t seq, std::chrono::milliseconds pause = {});
    void cover_all();
    bool skip_until(std::uint64_t seq, Rule rule);
    void see_return(std::uint64_t seq, Rule rule);
    [[nodiscard]] std::uint64_t last() const { return judge_.next() - 1; }
    [[nodiscard]] SteadyTime step_end() const { return std::chrono::steady_clock::now() + timeout_; }

    DeviceLink& link_;
    RuleFindings& findings_;
    Judge judge_;
    const std::chrono::milliseconds timeout_;
    const std::chrono::milliseconds settle_;  // in which the device reads what it was sent
};

}  // namespace holdfast
