#pragma once

#include <functional>
#include <mutex>
#include <utility>

#include "watch/watch_view.h"

namespace holdfast {

/// A watch for tests: answers from its members and records the calls. Any thread after the setup.
class FakeWatchView final : public WatchView {
public:
    TrendAnswer trend(const TrendQuery& query) override {
        const std::lock_guard lock(mutex);
        queries.push_back(query);
        TrendAnswer answer = points;
        if (query.step.count() > 0) answer.step = query.step;
        return answer;
    }
    AlarmBoard alarms() override {
        const std::lock_guard lock(mutex);
        return board;
    }
    std::optional<AlarmDetail> alarm(std::uint64_t id) override {
        const std::lock_guard lock(mutex);
        const Alarm* const found = board.find(id);
        if (found == nullptr) return std::nullopt;
        AlarmDetail detail{.alarm = *found, .total = found->count, .members = members};
        for (const MemberState& member : members) detail.back += member.back ? 1 : 0;
        return detail;
    }
    std::vector<AlarmOfDevice> alarms_of(std::string_view) override { return of_device; }
    bool acknowledge(std::uint64_t id, std::optional<std::string> note) override {
        const std::lock_guard lock(mutex);
        Alarm* const found = board.find(id);
        if (found == nullptr) return false;
        found->acknowledged.reset();
        if (note) found->acknowledged = Acknowledgement{found->raised_at, *note};
        return true;
    }
    SuspicionStatus suspicion() override { return {.enabled = true, .suspicions = 1, .alive = 2, .silent = 3}; }
    std::optional<Reconciliation> reconciled() override {
        const std::lock_guard lock(mutex);
        return latest;
    }
    Reconciliation reconcile_now() override {
        const std::lock_guard lock(mutex);
        latest = next;
        return next;
    }

    std::mutex mutex;  // guards the members below
    TrendAnswer points{.step = std::chrono::seconds(1), .points = {}};
    AlarmBoard board;
    std::vector<MemberState> members;      // of each alarm
    std::vector<AlarmOfDevice> of_device;  // of each device
    std::optional<Reconciliation> latest;
    Reconciliation next;
    std::vector<TrendQuery> queries;
};

/// Returns an alarm with all of its parts.
inline Alarm example_alarm() {
    Alarm alarm;
    alarm.id = 1;
    alarm.kind = AlarmKind::population_drop;
    alarm.listener = "devices";
    alarm.raised_at = EventTime(std::chrono::milliseconds(1'795'334'400'123));
    alarm.count = 4'100;
    alarm.took = std::chrono::milliseconds(9'100);
    alarm.population_before = 10'000;
    alarm.population_now = 5'900;
    alarm.reasons = {{CloseReason::keepalive_expired, 3'813}, {CloseReason::peer_reset, 287}};
    alarm.prefixes = {{parse_prefix("10.2.0.0/16").value(), 4'100, 0}};
    alarm.summary = "4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16";
    alarm.cause = "A network partition: the whole of 10.2.0.0/16 fell silent at once.";
    alarm.advice = "Look at the router in front of 10.2.0.0/16.";
    return alarm;
}

/// Returns two of its members: one without an id and a key, and one that is back.
inline std::vector<MemberState> example_members() {
    const auto member = [](std::uint64_t number, std::string id, std::string key) {
        const auto port = static_cast<std::uint16_t>(5'000 + number);
        return AlarmMember{{0x7f2c91a0, number},
                           std::move(id),
                           {parse_ip_address("10.2.0.9").value(), port},
                           std::move(key),
                           EventTime(std::chrono::milliseconds(1'795'334'400'123)),
                           CloseReason::keepalive_expired};
    };
    return {{member(1, "", ""), false}, {member(2, "=1+\"2\"", "k"), true}};
}

}  // namespace holdfast
