#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/watch.h>

#include "base/clock.h"
#include "base/page_vector.h"
#include "reactor/poller.h"
#include "tcp/sock_diag.h"

namespace holdfast {

/// One connection as the registry has it, with the socket that its descriptor is. Small, for there are many.
struct HeldSocket {
    std::uint64_t inode = 0;  ///< 0: its descriptor is no socket any more
    Token number = 0;
    bool end_is_seen = false;  ///< the peer has ended it, and reading is paused: neither a leak nor a ghost
};

using OnOwnSocket = std::function<void(std::uint64_t inode, int descriptor)>;

/// Compares registry and kernel (P4). What disagrees is compared a second time after a moment, since both lists are
/// taken while connections come and go; only what is then still so counts. Remembers since when connections are in
/// CLOSE_WAIT. Takes some 32 bytes a connection while it runs, none of which stay. Any thread; runs take turns.
class Reconciler {
public:
    static constexpr std::chrono::seconds close_wait_grace{10};
    static constexpr std::chrono::milliseconds second_look_after{1'000};
    static constexpr std::size_t most_examples = 100;

    /// Where it looks; tests plant what they like.
    struct Sources {
        std::function<PageVector<HeldSocket>()> registry;
        std::function<std::optional<Error>(const std::function<void(const KernelSocket&)>&)> each_in_kernel;
        std::function<void(const OnOwnSocket&)> each_own;
        std::function<std::optional<Discrepancy>(Token)>
            about;  ///< listener, peer and id of a connection, if it is there
        std::function<std::string(const Endpoint&)> listener_at;  ///< its name, by local address
        std::function<void(std::chrono::milliseconds)> wait;
    };

    Reconciler(const Clock& clock, Sources sources) : clock_(clock), sources_(std::move(sources)) {}

    [[nodiscard]] Reconciliation run();

private:
    /// What disagreed in one look.
    struct Look {
        std::size_t registry = 0;
        std::size_t kernel = 0;
        std::unordered_set<Token> ghosts;
        std::unordered_map<std::uint64_t, Discrepancy> orphans;  // by inode
        std::unordered_map<std::uint64_t, Token> in_close_wait;  // the same
    };
    [[nodiscard]] Result<Look> look();
    [[nodiscard]] std::optional<Error> find_orphans(PageVector<std::uint64_t> strangers, Look& out) const;
    [[nodiscard]] std::vector<Token> stuck(const Look& look);
    void add_example(Token number, Discrepancy::Kind kind, Reconciliation& out) const;

    const Clock& clock_;
    Sources sources_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, SteadyTime> close_wait_since_;  // guarded by mutex_; by inode
};

/// Hands on this process's sockets: every place of its descriptor table is looked at. Any thread.
void each_own_socket(const OnOwnSocket& take);

/// The inode of the socket that a descriptor is; 0: it is none.
[[nodiscard]] std::uint64_t inode_of_socket(int descriptor);

}  // namespace holdfast
