#include "device/duplicate_log.h"

#include <algorithm>
#include <iterator>

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

}  // namespace holdfast
