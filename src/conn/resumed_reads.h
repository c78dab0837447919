#pragma once

#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Since when the shard reads connections again that it had paused one by one (their rate, or memory): a deadline of
/// theirs runs from then on. Holds them until their next complete item. The shard's thread.
class ResumedReads {
public:
    void note(Token number, Tick now) { since_[number] = now; }
    /// Returns Tick{} for a connection that was not paused lately.
    [[nodiscard]] Tick since(Token number) const {
        if (since_.empty()) return {};
        const auto found = since_.find(number);
        return found == since_.end() ? Tick{} : found->second;
    }
    void forget(Token number) noexcept {
        if (!since_.empty()) since_.erase(number);
    }
    [[nodiscard]] std::size_t size() const { return since_.size(); }

private:
    std::unordered_map<Token, Tick> since_;
};

}  // namespace holdfast
