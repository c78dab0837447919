#pragma once

#include <sys/mman.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/watch.h>

#include "base/clock.h"
#include "reactor/poller.h"
#include "tcp/sock_diag.h"

namespace holdfast {

/// Allocates whole pages from the system and returns them when they are freed. For large, short-lived arrays: malloc
/// keeps some megabytes of those at the top of each thread's arena (M_TRIM_THRESHOLD, mallopt(3)). malloc_trim(3) does
/// not release them. Any thread.
template <typename T>
struct PageAllocator {
    using value_type = T;
    static_assert(alignof(T) <= 4096);

    PageAllocator() = default;
    template <typename U>
    PageAllocator(const PageAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): [allocator.requirements]

    /// @throws std::bad_alloc Like operator new, after the new-handler was called.
    [[nodiscard]] T* allocate(std::size_t count) {
        if (count > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
        while (true) {
            void* memory =
                ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory != MAP_FAILED) return static_cast<T*>(memory);
            const std::new_handler make_room = std::get_new_handler();
            if (make_room == nullptr) throw std::bad_alloc();
            make_room();
        }
    }
    void deallocate(T* memory, std::size_t count) noexcept { ::munmap(memory, count * sizeof(T)); }

    template <typename U>
    bool operator==(const PageAllocator<U>&) const noexcept {
        return true;
    }
};

template <typename T>
using PageVector = std::vector<T, PageAllocator<T>>;

/// A connection in the registry with its descriptor's socket. Small, since there are many.
struct HeldSocket {
    std::uint64_t inode = 0;  ///< 0: its descriptor is not a socket
    Token number = 0;
    bool end_is_seen = false;  ///< the peer has ended it while reading is paused: neither a leak nor a ghost
};

using OnOwnSocket = std::function<void(std::uint64_t inode, int descriptor)>;

/// Compares registry and kernel (P4). Differences are compared again after a moment, since connections come and go
/// while both lists are read; only persistent ones count. Remembers since when connections are in CLOSE_WAIT. Needs
/// some 32 bytes per connection while it runs. Any thread; one run at a time.
class Reconciler {
public:
    static constexpr std::chrono::seconds close_wait_grace{10};
    static constexpr std::chrono::milliseconds second_comparison_after{1'000};
    static constexpr std::size_t max_examples = 100;

    /// Inputs of the comparison; tests replace them.
    struct Sources {
        std::function<PageVector<HeldSocket>()> registry;
        std::function<std::optional<Error>(const std::function<void(const KernelSocket&)>&)> each_in_kernel;
        std::function<void(const OnOwnSocket&)> each_own;
        /// Returns listener, peer and id of a connection, if it exists.
        std::function<std::optional<Discrepancy>(Token)> about;
        std::function<std::string(const Endpoint&)> listener_at;  ///< name of a listener by local address
        std::function<void(std::chrono::milliseconds)> wait;
    };

    Reconciler(const Clock& clock, Sources sources) : clock_(clock), sources_(std::move(sources)) {}

    [[nodiscard]] Reconciliation run();

private:
    /// Differences found by one comparison.
    struct Differences {
        std::size_t registry = 0;
        std::size_t kernel = 0;
        std::unordered_set<Token> ghosts;
        std::unordered_map<std::uint64_t, Discrepancy> orphans;  // by inode
        std::unordered_map<std::uint64_t, Token> in_close_wait;  // likewise
    };
    [[nodiscard]] Result<Differences> compare();
    [[nodiscard]] Result<Differences> compare_twice();
    [[nodiscard]] std::optional<Error> find_orphans(PageVector<std::uint64_t> unknown, Differences& out) const;
    [[nodiscard]] std::vector<Token> stuck(const Differences& differences);
    void add_example(Token number, Discrepancy::Kind kind, Reconciliation& out) const;

    const Clock& clock_;
    Sources sources_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, SteadyTime> close_wait_since_;  // guarded by mutex_; by inode
};

/// Passes on this process's sockets, from every entry of its descriptor table. Any thread.
void each_own_socket(const OnOwnSocket& take);

/// Returns the inode of a descriptor's socket, or 0 if it is no socket.
[[nodiscard]] std::uint64_t inode_of_socket(int descriptor);

}  // namespace holdfast
