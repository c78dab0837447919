#include "conn/victim_order.h"

#include <algorithm>
#include <cstddef>

namespace holdfast {

bool VictimOrder::ends_earlier(const Holder& a, const Holder& b) {
    if (tier_of(a) != tier_of(b)) return tier_of(a) < tier_of(b);
    return a.source_bytes != b.source_bytes ? a.source_bytes > b.source_bytes : a.bytes > b.bytes;
}

void VictimOrder::add(const Holder& holder) {
    holders_.push_back(holder);
    if (holders_.size() >= 2 * max_kept) keep_first();
}

void VictimOrder::keep_first() {
    const auto end = holders_.begin() + static_cast<std::ptrdiff_t>(max_kept);
    std::nth_element(holders_.begin(), end, holders_.end(), ends_earlier);
    holders_.erase(end, holders_.end());
}

void VictimOrder::begin() {
    for (std::size_t i = 0; i < holders_.size(); ++i) {
        by_tier_[tier_of(holders_[i])].push_back(i);
        left_[holders_[i].source] = holders_[i].source_bytes;
    }
    begun_ = true;
}

void VictimOrder::begin_tier() {
    groups_.clear();
    heap_.clear();
    for (const std::size_t index : by_tier_[tier_]) groups_[holders_[index].source].push_back(index);
    for (auto& [source, members] : groups_) {
        std::sort(members.begin(), members.end(), [this](std::size_t a, std::size_t b) {
            return holders_[a].bytes != holders_[b].bytes ? holders_[a].bytes < holders_[b].bytes : a > b;
        });
        heap_.push_back({left_[source], source});
    }
    tier_begun_ = true;
}

VictimOrder::Rank rank_of(const HeldMemory& held) noexcept {
    constexpr std::chrono::seconds young{1};
    const bool begins = !held.drains && held.age < young;
    if (held.in_handshake && begins) return VictimOrder::Rank::begins;
    const bool is_all = held.source_bytes <= held.bytes;
    const bool spared = (begins && is_all) || held.source_bytes < held.average / 2 || held.drains;
    return spared ? VictimOrder::Rank::spared : VictimOrder::Rank::holds;
}

std::optional<VictimOrder::Holder> VictimOrder::next(bool authenticated_too) {
    const auto less = [](const Candidate& a, const Candidate& b) {
        return a.bytes != b.bytes ? a.bytes < b.bytes : b.source < a.source;
    };
    if (!begun_) begin();
    for (; tier_ < tiers; ++tier_, tier_begun_ = false) {
        if (tier_ >= ranks && !authenticated_too) return std::nullopt;
        if (!tier_begun_) {
            begin_tier();
            std::make_heap(heap_.begin(), heap_.end(), less);
        }
        if (heap_.empty()) continue;
        std::pop_heap(heap_.begin(), heap_.end(), less);
        Candidate& largest = heap_.back();
        std::vector<std::size_t>& members = groups_[largest.source];
        const Holder& chosen = holders_[members.back()];
        members.pop_back();
        std::size_t& left = left_[largest.source];
        left -= std::min(left, chosen.bytes);
        largest.bytes = left;
        members.empty() ? heap_.pop_back() : std::push_heap(heap_.begin(), heap_.end(), less);
        return chosen;
    }
    return std::nullopt;
}

}  // namespace holdfast
