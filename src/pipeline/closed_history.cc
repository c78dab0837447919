#include "pipeline/closed_history.h"

#include <utility>

namespace holdfast {

void ClosedHistory::add(ClosedLife life) {
    if (capacity_ == 0) return;
    const std::lock_guard lock(mutex_);
    if (ring_.size() < capacity_) {
        ring_.push_back(std::move(life));
        return;
    }
    ring_[next_] = std::move(life);
    next_ = (next_ + 1) % capacity_;
}

std::vector<ClosedLife> ClosedHistory::find(const ClosedQuery& query) const {
    std::vector<ClosedLife> found;
    std::size_t skip = query.offset;
    const std::lock_guard lock(mutex_);
    for (std::size_t age = 0; age < ring_.size() && found.size() < query.limit; ++age) {
        const ClosedLife& life = ring_[(next_ + ring_.size() - 1 - age) % ring_.size()];
        if (query.reason && life.reason != *query.reason) continue;
        if (query.id && life.id != *query.id) continue;
        if (query.peer && !query.peer->contains(life.peer.address)) continue;
        if (skip > 0) {
            --skip;
        } else {
            found.push_back(life);
        }
    }
    return found;
}

}  // namespace holdfast
