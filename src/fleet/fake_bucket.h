#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet/presence.h"

namespace holdfast {

inline WallTime at(int ms) { return WallTime(std::chrono::milliseconds(ms)); }

inline HeldDevice held(ConnectionId conn, int since, bool proved = false) {
    return {conn, parse_endpoint("10.2.0.9:51514").value(), "devices", at(since), proved};
}
inline HeldDevice proved(ConnectionId conn, int since) { return held(conn, since, true); }

/// The bucket as JetStream keeps it: compare-and-set by key, one growing revision, and a log that watches follow.
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
    [[nodiscard]] const Change* find(const std::string& id) const {
        const auto there = latest_.find(id);
        return there == latest_.end() ? nullptr : &there->second;
    }

    std::vector<Change> log;

private:
    std::map<std::string, Change> latest_;
};

/// A gateway of the test: its presence, how far its watch has come, and answers that are on their way.
struct Gateway {
    Gateway(FakeBucket& shared, const std::string& name, std::uint32_t run) : bucket(shared), presence(name, run) {
        presence.begin_snapshot();
        presence.end_snapshot();
    }

    void watch_one() {
        if (watched >= bucket.log.size()) return;
        const auto& change = bucket.log[watched++];
        presence.saw(change.id, change.record, change.revision);
    }
    void put_all() {
        for (const PresencePut& put : presence.take_puts(100)) answers.emplace_back(put.id, bucket.put(put));
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
        for (const std::string& id : presence.take_puzzles()) presence.retry(id);
    }

    FakeBucket& bucket;
    Presence presence;
    std::size_t watched = 0;
    std::deque<std::pair<std::string, std::optional<std::uint64_t>>> answers;
};

}  // namespace holdfast
