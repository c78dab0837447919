#include "base/memory_reserve.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"

namespace holdfast {

void grow_descriptor_table(int any, std::size_t count) noexcept {
    rlimit limit{};
    if (count == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == 0) return;
    const auto highest = static_cast<int>(std::min<rlim_t>(count, limit.rlim_cur) - 1);
    const int high = ::fcntl(any, F_DUPFD_CLOEXEC, highest);
    if (high >= 0) ::close(high);  // the table keeps its size
}

std::size_t descriptor_table_size() {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::size_t size = 0;
    while (status >> word) {
        if (word == "FDSize:" && status >> size) return size;
    }
    rlimit limit{};  // /proc is not mounted
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

namespace {

// A new-handler is a plain function (C++20, [new.handler]).
std::mutex guard;
void* held = nullptr;
std::uint64_t used = 0;
int retries = 0;
std::function<void()> tell;

/// Several threads can run out of memory at once, and the released reserve serves all of them. They then wait for
/// memory that is freed in between: 100 times 10 ms.
constexpr int max_retries = 100;
constexpr std::chrono::milliseconds wait_for_room{10};

/// Releases the reserve. Returns true if there was one.
bool give_up_reserve() {
    const std::lock_guard lock(guard);
    if (held == nullptr) {
        if (retries == 0) throw std::bad_alloc();
        --retries;
        return false;
    }
    std::free(std::exchange(held, nullptr));
    retries = max_retries;
    ++used;
    tell();
    return true;
}

void make_room() {
    if (give_up_reserve()) return;
    std::this_thread::sleep_for(wait_for_room);
    ::malloc_trim(0);  // memory freed by one thread stays in that thread's arena, which other threads do not use
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
    // Not operator new, whose handler would release the reserve; and not the last free memory: other threads need some,
    // too.
    void* twice = std::malloc(2 * bytes_);
    if (twice != nullptr) held = std::malloc(bytes_);
    std::free(twice);
    return held != nullptr;
}

}  // namespace holdfast
