#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "spool/spool.h"

namespace holdfast {

/// A spool in memory for tests: appended events are durable at once. Thread-safe.
class FakeSpool final : public Spool {
public:
    explicit FakeSpool(std::string id = "0123456789abcdef") : id_(std::move(id)) {}

    void append(SpoolBatch batch) override {
        const std::lock_guard lock(mutex_);
        std::size_t at = 0;
        for (const auto& [listener, count] : batch.listeners) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const std::size_t end = batch.lines.find('\n', at);
                events_.push_back({listener, batch.lines.substr(at, end - at), now(), epoch_});
                at = end + 1;
            }
        }
        came_.notify_all();
        if (batch.durable) batch.durable();
    }

    void add(const std::string& line) { add("devices", line); }
    void add(const std::string& listener, const std::string& line) {
        append({.lines = line + '\n', .events = 1, .listeners = {{listener, 1}}, .marks = {}, .durable = {}});
    }
    /// Removes the events like a quarantine.
    void lose(Position first, Position last, const std::string& why = "damaged") {
        const std::lock_guard lock(mutex_);
        lost_.push_back({first, last, why});
    }
    /// Makes reads and moves of groups fail from now on.
    void fail(const std::string& why) {
        const std::lock_guard lock(mutex_);
        failure_ = why;
    }
    void require(const std::string& group) {
        const std::lock_guard lock(mutex_);
        groups_[group].required = true;
    }

    [[nodiscard]] std::size_t waiting_bytes() const override { return 0; }
    void look_up(SessionName, std::function<void(std::uint64_t)> answer) override { answer(0); }

    [[nodiscard]] Result<SpoolPage> read(Position after, std::size_t max_events, std::size_t max_bytes) override {
        const std::lock_guard lock(mutex_);
        if (!failure_.empty()) return Error{failure_};
        SpoolPage page;
        page.last = events_.size();
        page.next_after = after;
        std::vector<Event> found;
        std::size_t bytes = 0;
        for (Position at = after + 1; at <= events_.size(); ++at) {
            const auto range = std::find_if(lost_.begin(), lost_.end(),
                                            [at](const MissingRange& r) { return at >= r.first && at <= r.last; });
            if (range != lost_.end()) {
                if (!found.empty()) break;
                page.missing.push_back(*range);
                at = page.next_after = range->last;
                continue;
            }
            const Event& event = events_[at - 1];
            if (!found.empty() && (found.size() == max_events || bytes + event.line.size() > max_bytes)) break;
            bytes += event.line.size();
            found.push_back(event);
            page.next_after = at;
        }
        const auto own = std::make_shared<std::vector<Event>>(std::move(found));
        Position at = page.next_after - own->size();
        for (const Event& event : *own) {
            page.events.push_back({++at, event.listener, event.line, event.at, event.epoch});
        }
        page.rows.push_back(own);
        return page;
    }

    bool wait_for(Position after, std::chrono::milliseconds timeout) override {
        std::unique_lock lock(mutex_);
        return came_.wait_for(lock, timeout, [&] { return events_.size() > after; });
    }

    [[nodiscard]] std::vector<SpoolGroup> groups() override {
        const std::lock_guard lock(mutex_);
        std::vector<SpoolGroup> out;
        for (const auto& [name, group] : groups_) out.emplace_back(group).name = name;
        return out;
    }
    [[nodiscard]] std::optional<Error> set_position(const std::string& group, Position position) override {
        const std::lock_guard lock(mutex_);
        if (!failure_.empty()) return Error{failure_};
        if (position > events_.size()) return Error{"a position beyond the newest event"};
        groups_[group].position = position;
        ++saves_;
        return std::nullopt;
    }
    [[nodiscard]] std::optional<Error> set_position(const std::string& group, Position position,
                                                    const std::string& memo) override {
        {
            const std::lock_guard lock(mutex_);
            groups_[group].memo = memo;
        }
        return set_position(group, position);
    }
    [[nodiscard]] std::optional<Error> remove_group(const std::string& group) override {
        const std::lock_guard lock(mutex_);
        return groups_.erase(group) == 0 ? std::optional(Error{"there is none"}) : std::nullopt;
    }
    void visit_lost(const std::function<void(const LostConnection&)>&,
                    const std::function<bool(const LostConnection&)>&) override {}
    [[nodiscard]] bool is_open(const std::string&) override { return false; }
    void forget_lost(const std::string&) override {}
    void change(const SpoolOptions&) override {}
    [[nodiscard]] SpoolStatus status() override {
        const std::lock_guard lock(mutex_);
        SpoolStatus out;
        out.id = id_;
        out.first = forgotten_ + 1;
        out.last = events_.size();
        out.inherited = inherited_;
        return out;
    }
    std::uint64_t stop(std::chrono::milliseconds) override { return 0; }
    void give_up() override {}

    /// Simulates a restart: later events have this epoch.
    void begin_epoch(std::uint64_t epoch) {
        const std::lock_guard lock(mutex_);
        epoch_ = epoch;
        inherited_ = events_.size();
    }
    /// Removes old events like retention.
    void forget_up_to(Position last) {
        lose(forgotten_ + 1, last);
        forgotten_ = last;
    }
    /// Simulates a restored snapshot that ends there.
    void roll_back(Position last) {
        const std::lock_guard lock(mutex_);
        events_.resize(last);
        inherited_ = last;
        for (auto& [name, group] : groups_) group.position = std::min(group.position, last);
    }

    [[nodiscard]] Position position(const std::string& group) {
        const std::lock_guard lock(mutex_);
        const auto found = groups_.find(group);
        return found == groups_.end() ? 0 : found->second.position;
    }
    [[nodiscard]] std::uint64_t saves() {
        const std::lock_guard lock(mutex_);
        return saves_;
    }

private:
    struct Event {
        std::string listener;
        std::string line;
        WallTime at;
        std::uint64_t epoch = 0;
    };
    [[nodiscard]] WallTime now() const override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }

    const std::string id_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<Event> events_;
    std::vector<MissingRange> lost_;
    std::map<std::string, SpoolGroup> groups_;
    std::string failure_;
    std::uint64_t epoch_ = 0;
    Position inherited_ = 0;
    Position forgotten_ = 0;
    std::uint64_t saves_ = 0;
};

}  // namespace holdfast
