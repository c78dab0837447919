#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>

#include <holdfast/status.h>

#include "alarm/alarm_book.h"
#include "alarm/listener_step.h"
#include "alarm/window_statistics.h"

namespace holdfast {

// Alarms of one listener other than drops and storms; docs/tasks/alarms.md has the rules. Each class owns its counts
// and at most one active alarm. One thread; end() ends the active alarm.

/// bad_items: the share of bad items is far above the usual.
class ItemWatch {
public:
    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    static constexpr std::size_t good = bad_item_count;  // index after the kinds of bad items
    [[nodiscard]] std::uint64_t bad() const;
    [[nodiscard]] bool above(const Sample& sample, double factor) const;
    void explain(const Sample& sample, Alarm& alarm) const;

    WindowSum<bad_item_count + 1> window_;
    Usual usual_;
    Episode episode_;
};

/// keepalive_ineffective: connections end by read_idle or by retransmission long after keep-alive should have found
/// them.
class KeepaliveWatch {
public:
    static constexpr std::chrono::minutes window{10};

    void note(const Observation& observation, const LivenessPlan& plan);
    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    enum Count : std::size_t { found, answered_for, read_idle_unheard, retransmit_late, only_bad_items };
    [[nodiscard]] bool above(const Sample& sample, const ListenerStep& step, double factor) const;
    [[nodiscard]] static std::uint64_t missed_in(const WindowSum<5>::Counts& counts);
    [[nodiscard]] std::uint64_t missed() const { return missed_in(window_.sums()); }
    static constexpr std::size_t max_ends = 4'096;
    void forget_ends(CloseLog::Time before);
    void explain(const Sample& sample, const ListenerStep& step, Alarm& alarm) const;
    void explain_cause(const ListenerStep& step, Alarm& alarm) const;

    std::deque<CloseRecord> missed_ends_;  // the latest within the window
    WindowSum<5> window_;
    WindowSum<5>::Counts noted_{};
    Episode episode_;
};

/// accept_paused: descriptors or memory for accepting are exhausted.
class AcceptWatch {
public:
    static constexpr std::chrono::seconds accepts_for{10};  ///< then the alarm is cleared

    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    Episode episode_;
};

}  // namespace holdfast
