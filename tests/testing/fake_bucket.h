#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet/presence.h"

namespace holdfast {

inline WallTime at(int ms) { return WallTime(std::chrono::milliseconds(ms)); }

inline HeldDevice held(ConnectionId conn, int since, bool proved = false) {
    return {conn, parse_endpoint("10.2.0.9:51514").value(), "devices", at(since), identity_of(proved)};
}
inline HeldDevice proved(ConnectionId conn, int since) { return held(conn, since, true); }

inline PresenceRecord online_record() {
    return {.gateway = "one",
            .run = 1,
            .conn = {10, 1},
            .peer = parse_endpoint("10.2.0.9:51514").value(),
            .listener = "devices",
            .since = at(5),
            .online = true};
}

/// Simulates a JetStream bucket: compare-and-set by key, one increasing revision, and a log that watches follow.
class FakeBucket {
public:
    struct Change {
        std::string id;
        PresenceRecord record;
        std::uint64_t revision = 0;
    };

    std::optional<std::uint64_t> put(const PresencePut& put) {
        const auto there = latest_.find(put.id);
        if ((there == latest_.end() ? 0 : there->second.revision) != put.expected) return std::nullopt;
        log.push_back({put.id, put.record, log.size() + 1});
        latest_[put.id] = log.back();
        return log.back().revision;
    }
    /// Purges without a notification, as JetStream does.
    void purge(const std::string& id, std::uint64_t revision) {
        const auto there = latest_.find(id);
        if (there != latest_.end() && there->second.revision <= revision) latest_.erase(there);
    }
    [[nodiscard]] std::size_t size() const { return latest_.size(); }
    void for_each(const std::function<void(const Change&)>& visit) const {
        for (const auto& [id, change] : latest_) visit(change);
    }
    [[nodiscard]] const Change* find(const std::string& id) const {
        const auto there = latest_.find(id);
        return there == latest_.end() ? nullptr : &there->second;
    }

    std::vector<Change> log;

private:
    std::map<std::string, Change> latest_;
};

/// A gateway of the test: its presence, the progress of its watch, and its delayed answers.
struct Gateway {
    Gateway(FakeBucket& shared, const std::string& name, std::uint32_t run,
            std::size_t max_ended = Presence::default_max_ended)
        : bucket(shared), presence(name, run, max_ended) {
        presence.begin_snapshot();
        bucket.for_each(
            [this](const FakeBucket::Change& change) { presence.saw(change.id, change.record, change.revision); });
        watched = bucket.log.size();
        presence.end_snapshot();
    }

    void watch_one() {
        if (watched >= bucket.log.size()) return;
        const auto& change = bucket.log[watched++];
        presence.saw(change.id, change.record, change.revision);
    }
    void put_all() {
        for (const PresencePut& put : presence.take_puts(100)) answers.emplace_back(put.id, bucket.put(put));
        now += Presence::purged_after;
        for (const auto& [id, revision] : presence.take_purges(now, 100)) bucket.purge(id, revision);
    }
    void answer_one() {
        if (answers.empty()) return;
        const auto [id, revision] = answers.front();
        answers.pop_front();
        revision ? presence.landed(id, *revision) : presence.refused(id);
    }
    void settle() {
        put_all();
        while (!answers.empty()) answer_one();
        while (watched < bucket.log.size()) watch_one();
        for (const std::string& id : presence.take_unresolved()) {
            check(id);
            presence.retry(id);
        }
    }
    void check(const std::string& id) {
        if (const auto* there = bucket.find(id)) return presence.saw(id, there->record, there->revision);
        presence.removed(id, 0);
    }

    FakeBucket& bucket;
    Presence presence;
    std::size_t watched = 0;
    SteadyTime now{};
    std::deque<std::pair<std::string, std::optional<std::uint64_t>>> answers;
};

}  // namespace holdfast
