#include "base/memory_reserve.h"

#include <malloc.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
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

/// Several threads find no memory at the same moment, and what one gives up is for the others as well; then they wait
/// for what is freed meanwhile: 100 times 10 ms.
constexpr int most_retries = 100;
constexpr std::chrono::milliseconds wait_for_room{10};

/// Whether there was a reserve, and it was given up.
bool give_up_reserve() {
    const std::lock_guard lock(guard);
    if (held == nullptr) {
        if (retries == 0) throw std::bad_alloc();
        --retries;
        return false;
    }
    std::free(std::exchange(held, nullptr));
    retries = most_retries;
    ++used;
    tell();
    return true;
}

void make_room() {
    if (give_up_reserve()) return;
    std::this_thread::sleep_for(wait_for_room);
    ::malloc_trim(0);  // what one thread freed is in an arena of its own, where the others do not find it
}

}  // namespace

MemoryReserve::MemoryReserve(std::size_t bytes, std::function<void()> on_exhausted) : bytes_(bytes) {
    HOLDFAST_CHECK(std::get_new_handler() == nullptr);
    tell = std::move(on_exhausted);
    refill();
    std::set_new_handler(make_room);
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
    if (held != nullptr) return true;
    ::malloc_trim(0);
    // Not by operator new, which would give it up to get it; and not the last that there is: others need some, too.
    void* twice = std::malloc(2 * bytes_);
    if (twice != nullptr) held = std::malloc(bytes_);
    std::free(twice);
    return held != nullptr;
}

}  // namespace holdfast
