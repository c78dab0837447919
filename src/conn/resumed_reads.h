#pragma once

#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Records when the shard resumed reading connections that it had paused singly (for rate or memory). Their deadlines
/// run from then on. Holds an entry until the connection's next complete item. The shard's thread.
class ResumedReads {
public:
    void note(Token number, Tick now) { since_[number] = now; }
    /// Returns the time, or Tick{} if the connection was not paused since its latest item.
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
