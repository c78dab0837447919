#include "device/device_index.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace holdfast {

void DuplicateLog::note(const DuplicateDevice& device, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    auto found = std::find_if(entries_.begin(), entries_.end(),
                              [&device](const Entry& entry) { return entry.device.id == device.id; });
    if (found == entries_.end() && entries_.size() < max_entries) {
        found = entries_.insert(entries_.end(), Entry{});
    } else if (found == entries_.end()) {
        found = std::min_element(entries_.begin(), entries_.end(),
                                 [](const Entry& a, const Entry& b) { return a.noted < b.noted; });
    }
    found->device = device;
    found->noted = now;
}

std::vector<DuplicateDevice> DuplicateLog::recent(SteadyTime now) const {
    std::vector<Entry> found;
    {
        const std::lock_guard lock(mutex_);
        std::copy_if(entries_.begin(), entries_.end(), std::back_inserter(found),
                     [now](const Entry& entry) { return now - entry.noted < kept; });
    }
    std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.noted > b.noted; });
    std::vector<DuplicateDevice> devices;
    for (Entry& entry : found) devices.push_back(std::move(entry.device));
    return devices;
}

namespace {

constexpr std::chrono::milliseconds longest_wait{500};  // the holder may end in this time

DeviceHolder holder_of(const Claimant& claimant) {
    return {.number = claimant.number,
            .identity = claimant.identity,
            .ended = claimant.ended,
            .accepted = claimant.accepted};
}

}  // namespace

ClaimVerdict classify_claim(const DeviceHolder& holder, const Claimant& claimant, SteadyTime now) {
    if (holder.identity > claimant.identity) return ClaimVerdict::denied;
    if (claimant.ended) return ClaimVerdict::ended;
    if (holder.ended || holder.identity != claimant.identity) return ClaimVerdict::granted;
    if (accepted_before(claimant.accepted, holder.accepted)) return ClaimVerdict::older;
    return now < holder.next_takeover ? ClaimVerdict::delayed : ClaimVerdict::granted;
}

DeviceIndex::Claim DeviceIndex::claim(std::string_view id, const Claimant& claimant, SteadyTime now) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.entries.find(id);
    if (found == part.entries.end()) {
        part.entries.emplace(id, Entry{holder_of(claimant)});
        return {.verdict = ClaimVerdict::granted};
    }
    Entry& entry = found->second;
    const Token number = entry.holder.number;
    if (number == claimant.number) return {.verdict = ClaimVerdict::granted};
    const ClaimVerdict verdict = classify_claim(entry.holder, claimant, now);
    switch (verdict) {
        case ClaimVerdict::granted:
            return {.verdict = verdict, .other = take_over(entry, claimant, now)};
        case ClaimVerdict::delayed:
            note_rival(id, entry, claimant, now);
            return {.verdict = verdict, .again = std::min(entry.holder.next_takeover, now + longest_wait)};
        case ClaimVerdict::denied:
        case ClaimVerdict::ended:
        case ClaimVerdict::older:
            break;
    }
    return {.verdict = verdict, .other = number};
}

std::optional<Token> DeviceIndex::take_over(Entry& entry, const Claimant& claimant, SteadyTime now) {
    // A holder whose end was known loses the id without a contest, and so does an unauthenticated holder to an
    // authenticated claimant.
    const bool contest = !entry.holder.ended && entry.holder.identity == claimant.identity;
    const Token former = std::exchange(entry.holder, holder_of(claimant)).number;
    if (!entry.takeovers) entry.takeovers = std::make_unique<Takeovers>();
    Takeovers& takeovers = *entry.takeovers;
    takeovers.holder = claimant.peer;
    if (contest) {
        takeovers.backoff.count_takeover(now);
        ++takeovers.count;
    }
    entry.holder.next_takeover = takeovers.backoff.next();
    return former;
}

void DeviceIndex::note_rival(std::string_view id, const Entry& entry, const Claimant& claimant, SteadyTime now) {
    if (!entry.takeovers) return;
    duplicates_.note({.id = std::string(id),
                      .holder = entry.takeovers->holder,
                      .claimant = claimant.peer,
                      .takeovers = entry.takeovers->count},
                     now);
}

void DeviceIndex::note_ended(std::string_view id, Token holder) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.entries.find(id);
    if (found != part.entries.end() && found->second.holder.number == holder) found->second.holder.ended = true;
}

void DeviceIndex::release(std::string_view id, Token mine) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.entries.find(id);
    if (found != part.entries.end() && found->second.holder.number == mine) part.entries.erase(found);
}

std::optional<Token> DeviceIndex::find(std::string_view id) const {
    const Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.entries.find(id);
    return found == part.entries.end() ? std::nullopt : std::optional(found->second.holder.number);
}

}  // namespace holdfast
