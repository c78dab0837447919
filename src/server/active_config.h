#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/codec.h>
#include <holdfast/config.h>
#include <holdfast/result.h>
#include <holdfast/status.h>

#include "base/clock.h"
#include "base/system.h"
#include "base/system_failure.h"
#include "conn/counters.h"
#include "conn/policy.h"
#include "conn/registry.h"
#include "device/token_set.h"
#include "pipeline/pipeline.h"
#include "server/listeners.h"
#include "tls/tls_context.h"

namespace holdfast {

/// A running listener.
struct RunningListener {
    std::uint8_t number = 0;  ///< its number in all tables; reused once its last connection has ended
    ListenerConfig config;
    LivenessPlan plan;                       ///< read back from an accepted socket
    std::shared_ptr<const TokenSet> tokens;  ///< null: it has no tokens_file
    Endpoint bound;                          ///< with the port that the kernel chose
    std::vector<Endpoint> before;            ///< earlier addresses, which living connections may still use
    std::vector<std::shared_ptr<ListenerCounters>> counters;  ///< by reactor
    std::vector<std::shared_ptr<Codec>> codecs = {};          ///< of the program, by reactor; empty: the framing
    std::shared_ptr<const TlsContext> tls = nullptr;          ///< for new handshakes
    bool leaving = false;                                     ///< removed: it accepts no connections
    SteadyTime listed_until;                                  ///< if it was removed

    [[nodiscard]] std::uint64_t connections() const;
    /// Returns true if it is removed and has no connection left. Stays true, since the reactors have closed its
    /// sockets.
    [[nodiscard]] bool gone() const { return leaving && connections() == 0; }
    [[nodiscard]] bool listed(SteadyTime now) const { return !gone() || now < listed_until; }
    [[nodiscard]] ListenerPolicy policy(const LimitsConfig& limits) const;
    [[nodiscard]] PipelineListener pipeline(std::size_t reactor) const {
        return pipeline_listener(config, tokens, codecs.empty() ? nullptr : codecs[reactor]);
    }
};

/// The active configuration. Immutable: a reload replaces it.
struct Running {
    ServerConfig config;                     ///< as applied last, without options that need a restart
    std::vector<RunningListener> listeners;  ///< in the order of the configuration, followed by removed ones
};

/// Publishes the active configuration to all threads. Each takes a snapshot and keeps it as long as needed.
class ActiveConfig {
public:
    using Snapshot = std::shared_ptr<const Running>;

    explicit ActiveConfig(Running first) : now_(std::make_shared<const Running>(std::move(first))) {}

    [[nodiscard]] Snapshot get() const {
        const std::lock_guard lock(mutex_);
        return now_;
    }
    void set(Running next) {
        auto fresh = std::make_shared<const Running>(std::move(next));
        const std::lock_guard lock(mutex_);
        now_.swap(fresh);  // the old one is released outside the lock
    }

private:
    mutable std::mutex mutex_;
    Snapshot now_;  // guarded by mutex_
};

/// Returns the first active configuration, for bound listeners.
[[nodiscard]] Result<Running> first_running(ServerConfig config, const std::vector<BoundListener>& bound,
                                            unsigned reactors);

/// Makes the codecs of a listener, one for each reactor; none if it has a framing.
[[nodiscard]] Result<std::vector<std::shared_ptr<Codec>>> make_codecs(const ListenerConfig& config,
                                                                      std::size_t reactors);

/// Returns whether the bytes of a connection mean the same with both.
[[nodiscard]] bool have_same_frames(const ListenerConfig& a, const ListenerConfig& b);

/// Loads the listener's TLS files; null if it has none.
[[nodiscard]] Result<std::shared_ptr<const TlsContext>> load_tls(const ListenerConfig& config);

/// Returns the counters of every listed listener.
[[nodiscard]] std::vector<ListenerStatus> status_of(const Running& running, SteadyTime now);

/// Returns every local port that connections may have.
[[nodiscard]] std::vector<std::uint16_t> ports_of(const Running& running);
/// Returns the name of the listener with this address, now or earlier, or an empty text.
[[nodiscard]] std::string listener_at(const Running& running, const Endpoint& local);

/// Returns an error if a listener that stays in `wanted` has the inherited socket of `config`: it changes its
/// descriptor at a restart only.
[[nodiscard]] std::optional<Error> refuse_if_kept(const Running& running, const ServerConfig& wanted,
                                                  const ListenerConfig& config);

/// Returns the effective `limits.max_connections` of this process.
[[nodiscard]] std::size_t effective_max_connections(const LimitsConfig& limits);

[[nodiscard]] ShardOptions shard_options(unsigned reactor, const ServerConfig& config,
                                         const std::vector<ListenerPolicy>& policies);

inline unsigned effective_reactors(const ServerConfig& config) {
    const unsigned wanted = config.reactors != 0 ? config.reactors : std::max(1U, std::thread::hardware_concurrency());
    return std::min(wanted, Registry::max_reactors);
}

/// Throws std::system_error.
inline std::uint32_t draw_run() {
    std::uint32_t run = 0;
    while (run == 0) {
        const std::uint64_t bits = random_bits();
        if (bits == 0) throw_errno("getrandom");
        run = static_cast<std::uint32_t>(bits);
    }
    return run;
}

/// Returns a table size that a later configuration can use: at most one connection per descriptor.
inline std::uint32_t table_capacity(const LimitsConfig& limits) {
    const std::size_t max = std::max(effective_max_connections(limits), effective_max_connections({}));
    return static_cast<std::uint32_t>(std::min<std::size_t>(max, Registry::max_connections));
}

}  // namespace holdfast
