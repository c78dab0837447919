#include "base/fork_guard.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <system_error>

namespace holdfast {
namespace {

constexpr std::size_t bits_of_word = 64;
constexpr std::size_t marked_descriptors = std::size_t{1} << 24;  // more than a registry holds

// Zero pages until descriptors use them: 128 KiB for a million.
std::array<std::atomic<std::uint64_t>, marked_descriptors / bits_of_word> marks;
std::atomic<std::size_t> used_words{0};
std::atomic<unsigned> generation{0};

std::uint64_t bit_of(int fd) noexcept { return std::uint64_t{1} << (static_cast<std::size_t>(fd) % bits_of_word); }

/// Runs in the child, where only async-signal-safe calls are allowed: another thread may have held any lock.
void close_marked() noexcept {
    generation.fetch_add(1, std::memory_order_relaxed);
    const std::size_t words = used_words.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word = marks[i].exchange(0, std::memory_order_relaxed);
        for (; word != 0; word &= word - 1) {
            ::close(static_cast<int>(i * bits_of_word) + std::countr_zero(word));
        }
    }
}

}  // namespace

void close_in_child(int fd) noexcept {
    const std::size_t word = static_cast<std::size_t>(fd) / bits_of_word;
    if (fd < 0 || word >= marks.size()) return;
    marks[word].fetch_or(bit_of(fd), std::memory_order_relaxed);
    std::size_t used = used_words.load(std::memory_order_relaxed);
    while (used <= word && !used_words.compare_exchange_weak(used, word + 1, std::memory_order_relaxed)) {
    }
}

void forget_descriptor(int fd) noexcept {
    const std::size_t word = static_cast<std::size_t>(fd) / bits_of_word;
    if (fd < 0 || word >= marks.size()) return;
    if ((marks[word].load(std::memory_order_relaxed) & bit_of(fd)) == 0) return;
    marks[word].fetch_and(~bit_of(fd), std::memory_order_relaxed);
}

void guard_forks() {
    static std::once_flag once;
    std::call_once(once, [] {
        const int error = ::pthread_atfork(nullptr, nullptr, close_marked);
        if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_atfork");
    });
}

unsigned fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

}  // namespace holdfast
