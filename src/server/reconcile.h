#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/watch.h>

#include "base/clock.h"
#include "tcp/sock_diag.h"

namespace holdfast {

/// One connection as the registry has it, with the socket that its descriptor is.
struct HeldSocket {
    ConnectionId conn;
    std::string listener;
    Endpoint peer;
    std::uint64_t inode = 0;  ///< 0: its descriptor is no socket any more
};

/// Compares registry and kernel (P4). What disagrees is compared a second time after a moment, since both lists are
/// taken while connections come and go; only what is then still so counts. Remembers since when connections are in
/// CLOSE_WAIT. Any thread; runs take turns.
class Reconciler {
public:
    static constexpr std::chrono::seconds close_wait_grace{10};
    static constexpr std::chrono::milliseconds second_look_after{1'000};
    static constexpr std::size_t most_examples = 100;

    /// Where it looks; tests plant what they like.
    struct Sources {
        std::function<std::vector<HeldSocket>()> registry;
        std::function<Result<std::vector<KernelSocket>>()> kernel;
        std::function<std::unordered_map<std::uint64_t, int>()> own_descriptors;  ///< inode -> descriptor
        std::function<std::string(const Endpoint&)> listener_at;                  ///< its name, by local address
        std::function<void(std::chrono::milliseconds)> wait;
    };

    Reconciler(const Clock& clock, Sources sources) : clock_(clock), sources_(std::move(sources)) {}

    [[nodiscard]] Reconciliation run();

private:
    /// What disagreed in one look, by inode (ghosts: by the connection's number).
    struct Look {
        std::size_t registry = 0;
        std::size_t kernel = 0;
        std::unordered_map<std::uint64_t, Discrepancy> ghosts;
        std::unordered_map<std::uint64_t, Discrepancy> orphans;
        std::unordered_map<std::uint64_t, Discrepancy> close_wait;
    };
    [[nodiscard]] Result<Look> look();
    void find_ghosts(const std::vector<HeldSocket>& held, const std::unordered_map<std::uint64_t, std::uint8_t>& states,
                     Look& out) const;
    void find_orphans(const std::vector<HeldSocket>& held, const std::vector<KernelSocket>& kernel, Look& out) const;
    [[nodiscard]] std::vector<Discrepancy> stuck(const Look& look);

    const Clock& clock_;
    Sources sources_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, SteadyTime> close_wait_since_;  // guarded by mutex_; by inode
};

/// The inodes of this process's sockets with their descriptors (proc(5), /proc/self/fd).
[[nodiscard]] std::unordered_map<std::uint64_t, int> own_sockets();

}  // namespace holdfast
