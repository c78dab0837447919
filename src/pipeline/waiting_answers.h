#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "conn/registry.h"

namespace holdfast {

/// Answers of codecs to items that are not durable yet, or of devices that do not read. The answers of a connection
/// keep their order. The shard's thread.
class WaitingAnswers {
public:
    /// Bytes that may wait of one connection before it is not read any longer.
    static constexpr std::size_t max_bytes = std::size_t{16} << 10;

    [[nodiscard]] bool contains(Token number) const { return !pending_.empty() && pending_.contains(number); }
    [[nodiscard]] bool is_full(Token number) const {
        return contains(number) && pending_.find(number)->second.bytes > max_bytes;
    }
    [[nodiscard]] bool has_blocked() const { return !blocked_.empty(); }

    /// Keeps an answer until the handler's first `given` calls are durable.
    void add(Token number, std::uint64_t given, std::string_view bytes) {
        queue_.push_back({given, number, std::string(bytes)});
        note(queue_.back());
    }
    /// Keeps an answer that may be sent, until the device reads.
    void block(Token number, std::string_view bytes) {
        blocked_.push_back({0, number, std::string(bytes)});
        note(blocked_.back());
    }

    /// Calls send(number, bytes, is_last) for each answer that may be sent, the oldest first. If it returns false, the
    /// connection's answers wait on.
    template <typename Send>
    void release(std::uint64_t count, const Send& send) {
        std::unordered_set<Token> full;
        for (Answer& answer : std::exchange(blocked_, {})) pass(std::move(answer), full, send);
        while (!queue_.empty() && queue_.front().given <= count) {
            Answer answer = std::move(queue_.front());
            queue_.pop_front();
            pass(std::move(answer), full, send);
        }
    }

private:
    struct Answer {
        std::uint64_t given;
        Token number;
        std::string bytes;
    };
    struct Pending {
        std::size_t answers = 0;
        std::size_t bytes = 0;
    };

    void note(const Answer& answer) {
        Pending& pending = pending_[answer.number];
        ++pending.answers;
        pending.bytes += answer.bytes.size();
    }

    template <typename Send>
    void pass(Answer answer, std::unordered_set<Token>& full, const Send& send) {
        const auto pending = pending_.find(answer.number);
        const bool is_last = pending->second.answers == 1;
        if (is_last) pending_.erase(pending);  // before the call, which may add another
        if (!full.contains(answer.number) && send(answer.number, answer.bytes, is_last)) {
            if (!is_last) forget(answer);
            return;
        }
        full.insert(answer.number);
        blocked_.push_back(std::move(answer));
        if (is_last) note(blocked_.back());
    }

    void forget(const Answer& answer) {
        const auto pending = pending_.find(answer.number);
        --pending->second.answers;
        pending->second.bytes -= answer.bytes.size();
    }

    std::deque<Answer> queue_;
    std::deque<Answer> blocked_;                  // safe, of devices that do not read
    std::unordered_map<Token, Pending> pending_;  // of each connection with waiting answers
};

}  // namespace holdfast
