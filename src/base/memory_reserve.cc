#include "base/memory_reserve.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/check.h"

namespace holdfast {
namespace {

// A new-handler is a plain function (C++20, [new.handler]).
std::atomic<void*> held{nullptr};
std::atomic<std::uint64_t> used{0};
std::function<void()> tell;

void give_up() {
    void* bytes = held.exchange(nullptr);
    if (bytes == nullptr) throw std::bad_alloc();
    std::free(bytes);
    used.fetch_add(1);
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
    std::free(held.exchange(nullptr));
    tell = nullptr;
}

std::uint64_t MemoryReserve::times_used() const noexcept { return used.load(); }

bool MemoryReserve::refill() noexcept {
    if (held.load() != nullptr) return true;
    void* bytes = std::malloc(bytes_);  // not by operator new, which would give it up to get it
    void* none = nullptr;
    if (bytes != nullptr && !held.compare_exchange_strong(none, bytes)) std::free(bytes);
    return held.load() != nullptr;
}

}  // namespace holdfast
