#include "spool/quarantine.h"

#include <iterator>
#include <utility>

namespace holdfast {

void Quarantine::put(Position first, Damage damage) {
    figures_.rows += 1;
    figures_.events += damage.last - first + 1;
    damages_.insert_or_assign(first, std::move(damage));
}

/// Removes a range. Keeps the other parts of ranges that overlap it.
bool Quarantine::take_out(Position first, Position last) {
    auto found = damages_.upper_bound(first);
    if (found != damages_.begin() && std::prev(found)->second.last >= first) --found;
    bool any = false;
    while (found != damages_.end() && found->first <= last) {
        const Position begin = found->first;
        const Damage damage = std::move(found->second);
        found = damages_.erase(found);
        figures_.rows -= 1;
        figures_.events -= damage.last - begin + 1;
        if (begin < first) put(begin, {first - 1, damage.why, damage.at});
        if (damage.last > last) put(last + 1, {damage.last, damage.why, damage.at});
        any = true;
    }
    return any;
}

bool Quarantine::cover(Position first, Position last) const {
    const auto behind = damages_.upper_bound(first);
    return behind != damages_.begin() && std::prev(behind)->second.last >= last;
}

void Quarantine::load(Damages damages) {
    const std::lock_guard lock(mutex_);
    for (auto& [first, damage] : damages) {
        if (damage.last < first) continue;
        take_out(first, damage.last);  // earlier versions stored overlapping ranges
        put(first, std::move(damage));
    }
}

bool Quarantine::add(const MissingRange& range, WallTime at) {
    const std::lock_guard lock(mutex_);
    // A consumer that starts within a range finds only the rest of it.
    if (cover(range.first, range.last)) return false;
    take_out(range.first, range.last);
    put(range.first, {range.last, range.why, at});
    ++revision_;
    return true;
}

bool Quarantine::remove(Position first, Position last) {
    const std::lock_guard lock(mutex_);
    if (damages_.empty() || !take_out(first, last)) return false;
    ++revision_;
    return true;
}

bool Quarantine::has(Position position) const {
    const std::lock_guard lock(mutex_);
    return cover(position, position);
}

Quarantine::Figures Quarantine::figures() const {
    const std::lock_guard lock(mutex_);
    return figures_;
}

std::vector<Position> Quarantine::behind(Position position, std::size_t max) const {
    const std::lock_guard lock(mutex_);
    std::vector<Position> found;
    for (auto one = damages_.upper_bound(position); one != damages_.end() && found.size() < max; ++one)
        found.push_back(one->first);
    return found;
}

std::optional<Quarantine::Unsaved> Quarantine::unsaved() const {
    const std::lock_guard lock(mutex_);
    if (revision_ == stored_) return std::nullopt;
    return Unsaved{damages_, revision_};
}

void Quarantine::saved(std::uint64_t revision) {
    const std::lock_guard lock(mutex_);
    stored_ = revision;
}

}  // namespace holdfast
