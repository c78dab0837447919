#include <algorithm>
#include <string>

#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

void World::begin_faults() {
    for (std::size_t site = 0; site < plan_.sites.size(); ++site) {
        const Regime regime = plan_.sites[site].regime;
        if (regime == Regime::outages || regime == Regime::partitions)
            at(now() + dice_.between(60s, 60s + plan_.fault_pause), [this, site] { cut_site(site); });
    }
    if (plan_.pauses) at(now() + dice_.between(10s, 2 * plan_.fault_pause), [this] { pause_process(); });
    if (plan_.sink_stops) at(now() + dice_.between(10s, 2 * plan_.fault_pause), [this] { stop_sink(); });
    if (plan_.other) at(now() + dice_.between(10s, 2 * plan_.fault_pause), [this] { reload(); });
    if (plan_.runs_short)
        at(now() + dice_.between(60s, 60s + plan_.fault_pause), [this] {
            is_short_ = true;
            if (!is_down_) gateway_->admission().buffers().exhausted();
        });
    at(now() + 30s, [this] { probe_one(); });
    at(now() + 1s, [this] { check_sockets(); });
    at(now() + 1s, [this] { check_late(); });
}

/// Begins an outage of the site. A short one must close nothing; a long one must be found.
void World::cut_site(std::size_t site) {
    if (is_over_) return;
    const milliseconds bound = plan_.liveness.detect_within;
    const milliseconds room = plan_.safe - 2 * plan_.sites[site].delay;
    const bool is_long = plan_.sites[site].regime == Regime::partitions && dice_.chance(0.5);
    if (!is_long && room < 500ms) return;
    const milliseconds length = is_long ? dice_.between(bound / 2, 3 * bound) : dice_.between(room / 4, room * 9 / 10);
    network_.partition(prefix_of(site));
    cut_[site] = is_long;
    for (const auto& [from, attempt] : attempts_) {
        if (site_of(from) != site) continue;
        attempt->cut_at = std::min(attempt->cut_at, now());
        // Its own kernel gives up after 15 min (tcp_retries2).
        if (is_long || length > 10min) attempt->allowed.add({CloseReason::peer_reset});
        if (!is_long || attempt->has_ended || attempt->has_vanished) continue;
        limit(*attempt, now());
    }
    at(now() + length, [this, site, is_long] { heal_site(site, is_long); });
}

void World::heal_site(std::size_t site, bool was_long) {
    const milliseconds bound = plan_.liveness.detect_within;
    network_.heal(prefix_of(site));
    cut_[site] = false;
    for (const auto& [from, attempt] : attempts_) {
        if (!was_long || site_of(from) != site || attempt->has_vanished) continue;
        attempt->must_end_by = SteadyTime::max();  // it may live on
    }
    at(now() + bound + dice_.between(60s, 60s + plan_.fault_pause), [this, site] { cut_site(site); });
}

void World::pause_process() {
    if (is_over_) return;
    const milliseconds bound = plan_.liveness.detect_within;
    const milliseconds read_idle = plan_.config.listeners[0].read_idle.value_or(0ms);
    const milliseconds length = dice_.chance(0.5) ? dice_.between(100ms, 2s) : dice_.between(1s, 2 * bound + read_idle);
    continues_at_ = now() + length;
    stopped_ += length;
    at(now() + length + dice_.between(10s, 3 * plan_.fault_pause), [this] { pause_process(); });
}

void World::stop_sink() {
    if (is_over_) return;
    const milliseconds bound = plan_.liveness.detect_within;
    const milliseconds read_idle = plan_.config.listeners[0].read_idle.value_or(0ms);
    const milliseconds length = dice_.between(100ms, std::min<milliseconds>(2 * bound, 2min) + 2 * read_idle);
    sink_back_at_ = now() + length;
    stopped_ += length;
    at(now() + length + dice_.between(10s, 3 * plan_.fault_pause), [this] { stop_sink(); });
}

/// Changes the configuration, which must close no connection. The limits of the new plan count from then on.
void World::reload() {
    if (is_over_) return;
    const SteadyTime latest = now() + plan_.liveness.detect_within + 1s;
    at(now() + dice_.between(10s, 2 * plan_.fault_pause), [this] { reload(); });
    if (is_paused()) return;
    is_reloaded_ = !is_reloaded_;
    const auto report = gateway_->apply(is_reloaded_ ? *plan_.other : plan_.config);
    if (!report) return violate("P0: a reload fails: " + report.error().message);
    for (const Endpoint& from : limited_) {
        Attempt* const attempt = find(from);
        if (attempt != nullptr) attempt->must_end_by = std::max(attempt->must_end_by, latest);
    }
}

/// Probes a connection (P3). A reachable device answers; one that was cut off long before does not.
void World::probe_one() {
    constexpr milliseconds timeout{5'000};
    at(now() + dice_.between(5s, 60s), [this] { probe_one(); });
    if (attempts_.empty()) return;
    auto found = attempts_.begin();
    std::advance(found, static_cast<std::ptrdiff_t>(dice_.below(std::min<std::size_t>(attempts_.size(), 100))));
    Attempt& attempt = *found->second;
    const Site& site = plan_.sites[site_of(found->first)];
    const bool is_sure = (site.regime == Regime::calm || site.regime == Regime::slow) && 2 * site.delay < 1s;
    if (!attempt.conn || attempt.has_ended || !is_sure || plan_.pauses || is_paused()) return;
    const bool was_cut = attempt.cut_at < now();
    const bool is_gone = attempt.has_vanished && attempt.cut_at + 2s + 2 * site.delay < now();
    gateway_->thread().context().probe(
        *attempt.conn, timeout, [this, from = attempt.from, was_cut, is_gone, life = life_](const ProbeAnswer& answer) {
            if (life != life_) return;  // of a process that has ended
            const Attempt* const probed = find(from);
            if (probed == nullptr || probed->has_ended || probed->cut_at < now()) {
                if (is_gone && answer.alive) violate("P3: a vanished device is alive");
                return;
            }
            const bool is_connected = probed->peer->state() == LinkState::connected;
            if (!was_cut && is_connected && !probed->has_stalled && !answer.alive)
                violate("P3: " + name_of(*probed) + " is reachable, and did not answer");
        });
}

/// Compares the registry with the sockets (P4).
void World::check_sockets() {
    at(now() + dice_.between(1s, 60s), [this] { check_sockets(); });
    if (is_paused()) return;
    const std::size_t held = gateway_->connections();
    const std::size_t sockets = simulation_->tcp.accepted_sockets();
    if (held != sockets)
        violate("P4: " + std::to_string(held) + " connections, " + std::to_string(sockets) + " sockets");
}

/// Looks for silent peers that are not found in time (P1).
void World::check_late() {
    at(now() + 2s, [this] { check_late(); });
    if (!is_sink_ready() || is_paused()) return;  // what has arrived waits, and the end behind it
    std::erase_if(limited_, [this](const Endpoint& from) {
        const Attempt* const attempt = find(from);
        return attempt == nullptr || attempt->has_ended || attempt->must_end_by == SteadyTime::max();
    });
    for (const Endpoint& from : limited_) {
        const Attempt& attempt = *find(from);
        if (!attempt.conn || now() <= attempt.must_end_by + (stopped_ - attempt.stopped_before)) continue;
        violate("P1: " + name_of(attempt) + " is silent since " + text_of(attempt.cut_at) + " and still open" +
                state_of(attempt));
    }
}

/// Takes all devices away at once: all must be found, all memory be free, and the gateway must not wake any more.
void World::end_all() {
    is_over_ = true;
    run_until(std::max(now(), continues_at_ + 1s));
    for (const auto& [from, attempt] : attempts_) {
        if (attempt->has_ended) continue;
        attempt->has_vanished = true;
        limit(*attempt, now());
        attempt->allowed.add({CloseReason::peer_closed, CloseReason::peer_reset});
        attempt->peer->vanish();
    }
    const auto& stall = plan_.config.listeners[0].write_stall;
    const milliseconds bound = plan_.liveness.detect_within + (stall ? *stall : 0ms);  // and packets on their way
    run_until(std::max({now(), sink_back_at_}) + 2 * bound + 2min);
    check_idle();
}

void World::check_idle() {
    if (result_.violation) return;
    due_ = {};
    sink_back_at_ = now();
    run_until(now() + 5min);
    if (const std::size_t left = gateway_->connections(); left > 0) {
        std::string which;
        for (const auto& [from, attempt] : attempts_) {
            if (attempt->conn && !attempt->has_ended) which = ", such as " + name_of(*attempt) + state_of(*attempt);
        }
        violate("P1: " + std::to_string(left) + " connections are left of devices that are gone" + which);
    }
    if (const std::size_t bytes = gateway_->admission().buffers().used(); bytes > 0)
        violate("P7: " + std::to_string(bytes) + " bytes are held for no connection");
    const auto kept = open_kept();
    if (kept && !kept->shard(0).record->owed.is_empty()) violate("P8: queued output is listed without its connection");
    if (gateway_->shard().reactor().next_timer() != SteadyTime::max()) violate("P7: an idle gateway wakes");
    if (result_.ends != result_.connections)
        violate("P2: " + std::to_string(result_.connections) + " `connected`, " + std::to_string(result_.ends) +
                " `closed`");
}

/// Stops the gateway in order: each connection ends as `shutdown`, or as it would have.
void World::drain_all() {
    is_over_ = true;
    run_until(std::max(now(), continues_at_ + 1s));
    sink_back_at_ = now();
    for (const auto& [from, attempt] : attempts_) {
        attempt->allowed.add({CloseReason::shutdown, CloseReason::peer_closed, CloseReason::peer_reset});
        attempt->is_orderly = false;
    }
    due_ = {};
    gateway_->drain();
    run_until(now() + plan_.config.drain_time + 5s);
    if (!gateway_->shard().reactor().is_stopping()) violate("P2: the gateway does not stop");
    if (result_.ends != result_.connections && !result_.violation)
        violate("P2: " + std::to_string(result_.connections) + " `connected`, " + std::to_string(result_.ends) +
                " `closed` after a stop");
}

}  // namespace holdfast
