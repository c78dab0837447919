#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <holdfast/events.h>

namespace holdfast {

/// Replaces a durable sink in tests. Commits on request, or at the end of each turn.
class TestLog {
public:
    using Session = std::tuple<std::string, std::string, bool>;  ///< id, session, authenticated

    std::unique_ptr<EventHandler> make_handler();

    void commit_by_hand() {
        const std::lock_guard lock(mutex_);
        by_hand_ = true;
    }
    void commit_each_turn() {
        {
            const std::lock_guard lock(mutex_);
            by_hand_ = false;
        }
        commit();
    }
    void commit();
    /// Returns the events so far: "connected device-1", "item device-1 3", "refused device-1 4", "closed device-1
    /// superseded", ...
    [[nodiscard]] std::vector<std::string> told() const {
        const std::lock_guard lock(mutex_);
        return reported_;
    }

private:
    class Handler;
    struct Handed {
        std::function<void(std::uint64_t)> tell;
        std::uint64_t count = 0;
        std::map<Session, std::uint64_t> marks;
    };
    void hand_over(Handed handed, std::vector<std::string> told);
    void look_up(Session session, std::function<void(std::uint64_t)> answer);

    mutable std::mutex mutex_;
    bool by_hand_ = false;                                                         // guarded by mutex_
    std::vector<Handed> handed_;                                                   // guarded by mutex_
    std::map<Session, std::uint64_t> durable_;                                     // guarded by mutex_
    std::vector<std::pair<Session, std::function<void(std::uint64_t)>>> lookups_;  // guarded by mutex_
    std::vector<std::string> reported_;                                            // guarded by mutex_
};

class TestLog::Handler final : public EventHandler, public Durable {
public:
    explicit Handler(TestLog& log) : log_(log) {}
    void on_connected(const ConnectedEvent& event) override { note("connected", event.device.id); }
    void on_identified(const IdentifiedEvent& event) override { note("identified", event.device.id); }
    void on_item(const ItemEvent& event) override {
        note("item", event.device.id, event.seq > 0 ? std::to_string(event.seq) : std::string(event.key));
        mark(event.device, event.seq);
    }
    void on_refused(const RefusedItem& item) override {
        note("refused", item.device.id, std::to_string(item.seq));
        mark(item.device, item.seq);
    }
    void on_closed(const ClosedEvent& event) override {
        note("closed", event.device.id, std::string(to_string(event.reason)));
    }
    void on_turn_end() override {
        if (reported_.empty()) return;
        log_.hand_over({.tell = tell_, .count = count_, .marks = std::exchange(marks_, {})},
                       std::exchange(reported_, {}));
    }
    Durable* durable() override { return this; }
    void on_durable_change(std::function<void(std::uint64_t)> tell) override { tell_ = std::move(tell); }
    void look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) override {
        log_.look_up({std::string(device.id), std::string(device.session), device.authenticated}, std::move(answer));
    }

private:
    void note(std::string what, std::string_view id, const std::string& more = "") {
        ++count_;
        reported_.push_back(what + " " + std::string(id.empty() ? "-" : id) + (more.empty() ? "" : " " + more));
    }
    void mark(const DeviceName& device, std::uint64_t seq) {
        if (seq > 0) marks_[{std::string(device.id), std::string(device.session), device.authenticated}] = seq;
    }

    TestLog& log_;
    std::function<void(std::uint64_t)> tell_;
    std::uint64_t count_ = 0;
    std::map<Session, std::uint64_t> marks_;
    std::vector<std::string> reported_;
};

inline std::unique_ptr<EventHandler> TestLog::make_handler() { return std::make_unique<Handler>(*this); }

inline void TestLog::hand_over(Handed handed, std::vector<std::string> told) {
    bool now = false;
    {
        const std::lock_guard lock(mutex_);
        handed_.push_back(std::move(handed));
        for (std::string& line : told) reported_.push_back(std::move(line));
        now = !by_hand_;
    }
    if (now) commit();
}

inline void TestLog::look_up(Session session, std::function<void(std::uint64_t)> answer) {
    bool now = false;
    {
        const std::lock_guard lock(mutex_);
        lookups_.emplace_back(std::move(session), std::move(answer));
        now = !by_hand_;
    }
    if (now) commit();
}

inline void TestLog::commit() {
    std::vector<Handed> handed;
    std::vector<std::pair<std::uint64_t, std::function<void(std::uint64_t)>>> answers;
    {
        const std::lock_guard lock(mutex_);
        handed.swap(handed_);
        for (const Handed& each : handed) {
            for (const auto& [session, seq] : each.marks) durable_[session] = std::max(durable_[session], seq);
        }
        for (auto& [session, answer] : std::exchange(lookups_, {}))
            answers.emplace_back(durable_[session], std::move(answer));
    }
    for (const Handed& each : handed) each.tell(each.count);
    for (const auto& [seq, answer] : answers) answer(seq);
}

}  // namespace holdfast
