#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "conn/registry.h"

namespace holdfast {

/// Answers of codecs to items that are not durable yet. The answers of a connection keep their order. The shard's
/// thread.
class WaitingAnswers {
public:
    [[nodiscard]] bool contains(Token number) const { return !pending_.empty() && pending_.contains(number); }

    /// Keeps an answer until the handler's first `given` calls are durable.
    void add(Token number, std::uint64_t given, std::string_view bytes) {
        ++pending_[number];
        queue_.push_back({given, number, std::string(bytes)});
    }

    /// Calls send(number, bytes, is_last) for each answer that has become safe, the oldest first.
    template <typename Send>
    void release(std::uint64_t count, const Send& send) {
        while (!queue_.empty() && queue_.front().given <= count) {
            const Answer answer = std::move(queue_.front());
            queue_.pop_front();
            const auto pending = pending_.find(answer.number);
            const bool is_last = --pending->second == 0;
            if (is_last) pending_.erase(pending);
            send(answer.number, answer.bytes, is_last);
        }
    }

private:
    struct Answer {
        std::uint64_t given;
        Token number;
        std::string bytes;
    };
    std::deque<Answer> queue_;
    std::unordered_map<Token, unsigned> pending_;  // answers in the queue, by connection
};

}  // namespace holdfast
