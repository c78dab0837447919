#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/spool_view.h"

namespace holdfast {

/// A spool for tests, in memory. Any thread.
class FakeSpoolView final : public SpoolView {
public:
    void append(const std::string& line) {
        const std::lock_guard lock(mutex_);
        lines_.push_back(line);
        changed_.notify_all();
    }
    /// Removes the positions up to `last`.
    void lose(std::uint64_t last, const std::string& why) {
        const std::lock_guard lock(mutex_);
        lost_ = last;
        why_ = why;
    }
    void fail(const std::string& why) {
        const std::lock_guard lock(mutex_);
        failure_ = why;
    }
    void require(const std::string& group) {
        const std::lock_guard lock(mutex_);
        groups_[group].name = group;
        groups_[group].required = true;
    }

    Result<SpoolExtract> read(std::uint64_t after, std::size_t most_events, std::size_t) override {
        const std::lock_guard lock(mutex_);
        if (!failure_.empty()) return Error{failure_};
        SpoolExtract extract;
        extract.newest = lines_.size();
        if (after < lost_) extract.missing.push_back({after + 1, lost_, why_});
        extract.next_after = std::max(after, lost_);
        for (std::size_t n = 0; n < most_events && extract.next_after < lines_.size(); ++n) {
            if (n == 0) extract.first = extract.next_after + 1;
            extract.events += (n == 0 ? "" : ",") + lines_[extract.next_after];
            extract.last = ++extract.next_after;
        }
        return extract;
    }
    bool wait_for(std::uint64_t after, std::chrono::milliseconds timeout) override {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, timeout, [&] { return lines_.size() > after; });
    }
    std::uint64_t newest() override {
        const std::lock_guard lock(mutex_);
        return lines_.size();
    }
    std::vector<SpoolGroupRow> groups() override {
        const std::lock_guard lock(mutex_);
        std::vector<SpoolGroupRow> rows;
        for (const auto& [name, row] : groups_) rows.push_back(row);
        return rows;
    }
    std::optional<Error> set_position(const std::string& group, std::uint64_t position) override {
        const std::lock_guard lock(mutex_);
        if (!failure_.empty()) return Error{failure_};
        groups_[group].name = group;
        groups_[group].position = position;
        return std::nullopt;
    }
    std::optional<Error> remove_group(const std::string& group) override {
        const std::lock_guard lock(mutex_);
        if (groups_.erase(group) == 0) return Error{"there is none"};
        return std::nullopt;
    }

private:
    std::mutex mutex_;  // guards the members below
    std::condition_variable changed_;
    std::vector<std::string> lines_;
    std::uint64_t lost_ = 0;
    std::string why_;
    std::string failure_;
    std::map<std::string, SpoolGroupRow> groups_;
};

}  // namespace holdfast
