#include "conn/counters.h"

namespace holdfast {

void HistogramCounter::observe(std::chrono::milliseconds value) noexcept {
    const double seconds = std::chrono::duration<double>(value).count();
    std::size_t bucket = 0;
    while (bucket < duration_bounds_s.size() && seconds > duration_bounds_s[bucket]) ++bucket;
    counts_[bucket].increment();
    sum_ms_.add(static_cast<std::uint64_t>(value.count()));
}

void HistogramCounter::add_to(DurationHistogram& sum) const noexcept {
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        cumulative += counts_[i].get();
        sum.counts[i] += cumulative;
    }
    sum.sum_s += static_cast<double>(sum_ms_.get()) / 1000;
}

void ListenerCounters::add_to(ListenerStatus& sum) const noexcept {
    sum.connections += connections.get();
    sum.accepted += accepted.get();
    sum.opening += opening.get();
    sum.health_checks += health_checks.get();
    sum.handshakes += handshakes.get();
    sum.handshakes_full += handshakes_full.get();
    sum.handshakes_resumed += handshakes_resumed.get();
    sum.handshakes_failed += handshakes_failed.get();
    handshake.add_to(sum.handshake);
    for (std::size_t i = 0; i < refused.size(); ++i) sum.refused[i] += refused[i].get();
    sum.accept_delays += accept_delays.get();
    sum.refused_descriptors += refused_descriptors.get();
    sum.accept_paused = sum.accept_paused || accept_paused.get() != 0;
    for (std::size_t i = 0; i < closed.size(); ++i) {
        sum.closed[i] += closed[i].get();
        detection[i].add_to(sum.detection[i]);
    }
    sum.found_late += found_late.get();
    sum.suspects += suspects.get();
    sum.suspected += suspected.get();
    sum.recovered += recovered.get();
    duration.add_to(sum.duration);
    sum.items += items.get();
    for (std::size_t i = 0; i < bad_items.size(); ++i) sum.bad_items[i] += bad_items[i].get();
    sum.unfinished_items += unfinished_items.get();
    sum.identified += identified.get();
    sum.acks += acks.get();
    sum.repeated_items += repeated_items.get();
    sum.gaps += gaps.get();
    sum.stale_claims += stale_claims.get();
    sum.delayed_claims += delayed_claims.get();
    sum.accept_waiting += accept_waiting.get();
    sum.bytes_in += bytes_in.get();
    sum.bytes_out += bytes_out.get();
}

}  // namespace holdfast
