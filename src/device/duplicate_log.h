#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <holdfast/status.h>

#include "base/clock.h"

namespace holdfast {

/// Stores the ids that several devices seem to share, with the two latest addresses of each. At most 64; beyond that
/// the oldest entry is replaced. Any thread.
class DuplicateLog {
public:
    static constexpr std::size_t max_entries = 64;
    static constexpr std::chrono::seconds kept{60};

    void note(const DuplicateDevice& device, SteadyTime now);
    /// Returns the ids recorded within `kept`, the latest first.
    [[nodiscard]] std::vector<DuplicateDevice> recent(SteadyTime now) const;

private:
    struct Entry {
        DuplicateDevice device;
        SteadyTime noted{};
    };

    mutable std::mutex mutex_;
    std::vector<Entry> entries_;  // guarded by mutex_
};

}  // namespace holdfast
