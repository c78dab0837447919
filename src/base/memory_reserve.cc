#include "base/memory_reserve.h"

#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "base/check.h"

namespace holdfast {
namespace {

// A new-handler is a plain function (C++20, [new.handler]).
std::mutex guard;
void* held = nullptr;
std::uint64_t used = 0;
int retries = 0;
std::function<void()> tell;

/// Several threads find no memory at the same moment: what one gives up is for the others as well.
constexpr int most_retries = 64;

void give_up() {
    const std::lock_guard lock(guard);
    if (held == nullptr) {
        if (retries == 0) throw std::bad_alloc();
        --retries;
        return;
    }
    std::free(std::exchange(held, nullptr));
    retries = most_retries;
    ++used;
    tell();
}

}  // namespace

MemoryReserve::MemoryReserve(std::size_t bytes, std::function<void()> on_exhausted) : bytes_(bytes) {
    HOLDFAST_CHECK(std::get_new_handler() == nullptr);
    tell = std::move(on_exhausted);
    refill();
    std::set_new_handler(give_up);
}

MemoryReserve::~MemoryReserve() {
    std::set_new_handler(nullptr);
    const std::lock_guard lock(guard);
    std::free(std::exchange(held, nullptr));
    tell = nullptr;
}

std::uint64_t MemoryReserve::times_used() const noexcept {
    const std::lock_guard lock(guard);
    return used;
}

bool MemoryReserve::refill() noexcept {
    const std::lock_guard lock(guard);
    if (held == nullptr) held = std::malloc(bytes_);  // not by operator new, which would give it up to get it
    return held != nullptr;
}

}  // namespace holdfast
