#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/result.h>
#include <holdfast/server.h>

#include "base/clock.h"
#include "conn/counters.h"
#include "conn/policy.h"
#include "server/listeners.h"
#include "tls/tls_context.h"
#include "tokens/token_set.h"

namespace holdfast {

/// A listener as it runs.
struct RunningListener {
    std::uint8_t number = 0;  ///< what its connections know it by; free again when the last of them has gone
    ListenerConfig config;
    LivenessPlan plan;                                        ///< as read back from an accepted socket
    std::shared_ptr<const TokenSet> tokens;                   ///< null: it has no tokens_file
    Endpoint bound;                                           ///< with the port that the kernel chose
    std::vector<Endpoint> before;                             ///< where it was; connections from then may live on
    std::vector<std::shared_ptr<ListenerCounters>> counters;  ///< by reactor
    std::shared_ptr<const TlsContext> tls = nullptr;          ///< of new handshakes
    bool leaving = false;                                     ///< removed: it accepts nobody any more
    SteadyTime listed_until;                                  ///< if removed

    [[nodiscard]] std::uint64_t connections() const;
    /// Removed, and nobody is left of it. Once true, it stays so: the reactors have closed its sockets.
    [[nodiscard]] bool gone() const { return leaving && connections() == 0; }
    [[nodiscard]] bool listed(SteadyTime now) const { return !gone() || now < listed_until; }
    [[nodiscard]] ListenerPolicy policy(const LimitsConfig& limits) const;
};

/// What the gateway runs on. Never changed: a new one takes its place.
struct Running {
    ServerConfig config;                     ///< but for what needs a restart, as it was applied last
    std::vector<RunningListener> listeners;  ///< in the configuration's order; then those that are leaving
};

/// The one place where threads learn what runs now: each takes what is there and keeps it as long as it needs it.
class RunningNow {
public:
    using Snapshot = std::shared_ptr<const Running>;

    explicit RunningNow(Running first) : now_(std::make_shared<const Running>(std::move(first))) {}

    [[nodiscard]] Snapshot get() const {
        const std::lock_guard lock(mutex_);
        return now_;
    }
    void set(Running next) {
        auto fresh = std::make_shared<const Running>(std::move(next));
        const std::lock_guard lock(mutex_);
        now_.swap(fresh);  // the old one is let go outside the lock
    }

private:
    mutable std::mutex mutex_;
    Snapshot now_;  // guarded by mutex_
};

/// What runs first, of a configuration whose listeners are bound.
[[nodiscard]] Result<Running> first_running(ServerConfig config, const std::vector<BoundListener>& bound);

/// The listener's files, loaded; null if it is plain.
[[nodiscard]] Result<std::shared_ptr<const TlsContext>> load_tls(const ListenerConfig& config);

/// The figures of every listener that is listed.
[[nodiscard]] std::vector<ListenerStatus> status_of(const Running& running, SteadyTime now);

/// Every local port that connections may have.
[[nodiscard]] std::vector<std::uint16_t> ports_of(const Running& running);
/// The name of the listener that is, or was, at this address; empty if there is none.
[[nodiscard]] std::string listener_at(const Running& running, const Endpoint& local);

/// What `limits.max_connections` comes to in this process.
[[nodiscard]] std::size_t effective_max_connections(const LimitsConfig& limits);

}  // namespace holdfast
