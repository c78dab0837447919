#include <algorithm>
#include <bit>

#include "simulation/tcp_end.h"

namespace holdfast {

// The timers of a connection: net/ipv4/tcp_timer.c of Linux 6.18, without the rules for SYN and for orphans' memory.

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

constexpr unsigned retries = 15;        // net.ipv4.tcp_retries2
constexpr unsigned orphan_retries = 8;  // net.ipv4.tcp_orphan_retries
constexpr milliseconds rto_min{200};

/// Returns how long `retries` retransmissions take (tcp_model_timeout).
nanoseconds model_timeout(milliseconds rto_max) {
    const auto doublings = static_cast<unsigned>(
        std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(1, rto_max / rto_min))) - 1);
    const auto linear = ((2U << doublings) - 1) * rto_min;
    return retries <= doublings ? ((2U << retries) - 1) * rto_min : linear + (retries - doublings) * rto_max;
}

}  // namespace

void TcpEnd::expire(TcpTimer timer) {
    clear_timer(timer);
    if (dead_) return;
    if (timer == TcpTimer::keepalive) return on_keepalive_timer();
    una_ < nxt_ ? on_retransmit_timer() : on_window_probe_timer();
}

/// Returns true if the time for unacknowledged data is over (retransmits_timed_out).
bool TcpEnd::has_timed_out() const {
    if (retransmits_ == 0) return false;
    if (closed_ && retransmits_ >= orphan_retries) return true;
    const nanoseconds timeout =
        options_.user_timeout > milliseconds(0) ? options_.user_timeout : model_timeout(options_.rto_max);
    return wire_.now() - retransmits_since_ >= timeout;
}

/// Returns the time to the next retransmission (tcp_clamp_rto_to_user_timeout).
nanoseconds TcpEnd::retransmit_delay() const {
    if (options_.user_timeout == milliseconds(0) || retransmits_since_ == none) return rto_;
    const nanoseconds left = options_.user_timeout - (wire_.now() - retransmits_since_);
    return std::clamp<nanoseconds>(left, milliseconds(1), rto_);
}

void TcpEnd::retransmit_first() {
    const std::uint64_t size = std::min<std::uint64_t>(max_segment, buffer_.size());
    const bool is_fin = fin_queued_ && nxt_ > end_of_stream() && size == buffer_.size();
    send_segment(una_base_, size, is_fin);
}

void TcpEnd::on_retransmit_timer() {
    if (has_timed_out()) return end_timed_out();
    resend_until_ = nxt_;
    ++retransmits_;
    retransmit_first();
    if (retransmits_since_ == none) retransmits_since_ = wire_.now();
    ++backoff_;
    rto_ = std::min<nanoseconds>(2 * rto_, options_.rto_max);
    set_timer(TcpTimer::retransmit, retransmit_delay());
}

/// Returns the time to the next window probe (tcp_probe0_when, tcp_clamp_probe0_to_user_timeout).
nanoseconds TcpEnd::window_probe_delay() const {
    const nanoseconds base = base_timeout();
    const nanoseconds delay =
        std::min<nanoseconds>(base * (std::int64_t{1} << std::min(backoff_, 20U)), options_.rto_max);
    if (options_.user_timeout == milliseconds(0) || window_probes_since_ == none) return delay;
    const nanoseconds left = options_.user_timeout - (wire_.now() - window_probes_since_);
    return std::clamp<nanoseconds>(left, milliseconds(1), delay);
}

/// Probes a closed window (tcp_probe_timer, tcp_send_probe0).
void TcpEnd::on_window_probe_timer() {
    if (nxt_ >= end_of_stream()) {
        probes_ = 0;
        window_probes_since_ = none;
        return;
    }
    if (window_probes_since_ == none) {
        window_probes_since_ = wire_.now();
    } else if (options_.user_timeout > milliseconds(0) && wire_.now() - window_probes_since_ >= options_.user_timeout) {
        return end_timed_out();
    }
    if (probes_ >= (closed_ ? orphan_retries : retries)) return end_timed_out();
    if (nxt_ < window_end_) return fill_window();
    wire_.transmit({.begin = nxt_ - 1, .ack = rcv_nxt_, .window_end = offered_end_});
    ++probes_;
    if (backoff_ < retries) ++backoff_;
    set_timer(TcpTimer::retransmit, window_probe_delay());
}

/// Probes a window smaller than a segment with the bytes that it takes (tcp_write_wakeup).
void TcpEnd::fill_window() {
    const std::uint64_t size = std::min<std::uint64_t>({max_segment, window_end_ - nxt_, end_of_stream() - nxt_});
    send_segment(nxt_, size, false);
    nxt_ += size;
    probes_ = backoff_ = 0;
    window_probes_since_ = none;
    set_timer(TcpTimer::retransmit, retransmit_delay());
}

/// Computes the probes from now on, up to the first one that is lost.
void TcpEnd::begin_calm(const TcpWire::Calm& calm) {
    calm_next_ = wire_.now();
    if (!calm.answered) return;
    keepalive_at_ = calm_next_ + *calm.answered * calm_period();
    wire_.arm(TcpTimer::keepalive, keepalive_at_);
}

/// Sends a probe into the void, which ends a calm.
void TcpEnd::lose_probe() {
    settle();
    calm_next_ = none;
    ++probes_;
    set_timer(TcpTimer::keepalive, options_.interval);
}

/// Probes an idle connection, and ends a silent one (tcp_keepalive_timer).
void TcpEnd::on_keepalive_timer() {
    if (closed_ && is_fin_acked()) return lose_power();  // FIN_WAIT2 of an orphan
    if (!options_.keepalive) return;
    if (calm_next_ != none) return lose_probe();
    if (una_ < nxt_ || !buffer_.empty()) return set_timer(TcpTimer::keepalive, options_.idle);
    const nanoseconds elapsed = silence();
    if (elapsed < options_.idle) return set_timer(TcpTimer::keepalive, options_.idle - elapsed);
    const bool has_limit = options_.user_timeout > milliseconds(0);
    const bool is_out =
        has_limit ? elapsed >= options_.user_timeout && probes_ > 0 : probes_ >= static_cast<unsigned>(options_.count);
    if (is_out) {
        send_reset();
        return end_timed_out();
    }
    if (probes_ == 0 && wire_.is_calm(options_.idle)) return begin_calm(wire_.draw_calm());
    ++probes_;
    wire_.transmit({.begin = nxt_ - 1, .ack = rcv_nxt_, .window_end = offered_end_});
    set_timer(TcpTimer::keepalive, options_.interval);
}

}  // namespace holdfast
