#include "conn/kept_device.h"

#include <atomic>

namespace holdfast {

void KeptDevices::note(std::uint32_t slot, KeptDevice device) noexcept {
    if (entries_ == nullptr) return;
    const std::uint64_t check = device.right_check();
    device.check = 0;
    KeptDevice& entry = entries_[slot];
    entry.check = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    entry = device;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    entry.check = check;
}

}  // namespace holdfast
