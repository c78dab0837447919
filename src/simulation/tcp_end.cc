#include "simulation/tcp_end.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace holdfast {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

const int TcpEnd::timed_out = ETIMEDOUT;

namespace {

constexpr milliseconds min_variance{200};           // TCP_RTO_MIN
constexpr std::chrono::seconds orphan_timeout{60};  // net.ipv4.tcp_fin_timeout
constexpr milliseconds probe_answer_pause{500};     // net.ipv4.tcp_invalid_ratelimit

}  // namespace

void TcpEnd::establish(const TcpOptions& options, nanoseconds round_trip) {
    options_ = options;
    round_trip_ = round_trip;
    sent_at_ = data_at_ = ack_at_ = wire_.now();
    probe_answered_at_ = wire_.now() - probe_answer_pause;
    rto_ = base_timeout();
    if (options_.keepalive) set_timer(TcpTimer::keepalive, options_.idle);
}

nanoseconds TcpEnd::base_timeout() const { return std::min<nanoseconds>(round_trip_ + min_variance, options_.rto_max); }

nanoseconds TcpEnd::silence() const { return wire_.now() - std::max(data_at_, ack_at_); }

void TcpEnd::set_timer(TcpTimer timer, nanoseconds delay) {
    const SteadyTime when = wheel_expiry(wire_.now(), delay);
    (timer == TcpTimer::retransmit ? retransmit_at_ : keepalive_at_) = when;
    wire_.arm(timer, when);
}

/// Returns the time between the probes of a calm connection.
nanoseconds TcpEnd::calm_period() const {
    return wheel_expiry(SteadyTime{}, options_.idle).time_since_epoch() + round_trip_;
}

/// Assumes that each of the computed probes was answered.
void TcpEnd::settle() {
    const SteadyTime now = wire_.now();
    if (calm_next_ == none || calm_next_ + round_trip_ > now) return;
    const nanoseconds period = calm_period();
    const nanoseconds passed = now - round_trip_ - calm_next_;
    const auto rounds = passed < period ? 0 : passed / period;
    ack_at_ = std::max(ack_at_, calm_next_ + rounds * period + round_trip_);
    calm_next_ += (rounds + 1) * period;
    wire_.note_packet(ack_at_);
}

void TcpEnd::leave_calm() {
    if (calm_next_ == none) return;
    settle();
    keepalive_at_ = std::max(calm_next_, wire_.now());
    calm_next_ = none;
    wire_.arm(TcpTimer::keepalive, keepalive_at_);
}

std::size_t TcpEnd::write(std::string_view bytes) {
    if (dead_ || fin_queued_) return 0;
    leave_calm();
    const std::size_t taken = std::min(bytes.size(), send_room - std::min(send_room, buffer_.size()));
    wants_room_ = taken < bytes.size();
    buffer_.append(bytes.substr(0, taken));
    push();
    return taken;
}

void TcpEnd::consume(std::size_t bytes) {
    received_.erase(0, bytes);
    open_window();
}

/// Notifies the peer of a window that has opened, by two segments or from zero (net/ipv4/tcp.c, tcp_cleanup_rbuf).
void TcpEnd::open_window() {
    if (dead_ || fin_received_) return;
    const std::size_t room = receive_room - std::min(receive_room, received_.size());
    const std::uint64_t end = rcv_nxt_ + room;
    if (end < offered_end_ + 2 * max_segment && (offered_end_ > rcv_nxt_ || room < max_segment)) return;
    leave_calm();
    send_ack(nxt_);
}

void TcpEnd::shut_down() {
    if (dead_ || fin_queued_) return;
    leave_calm();
    fin_queued_ = true;
    push();
}

void TcpEnd::close(bool discard) {
    if (std::exchange(closed_, true)) return;
    leave_calm();
    if (dead_) return;
    if (discard || !received_.empty()) {  // RFC 2525, 2.17: unread bytes are lost, and the peer gets RST
        send_reset();
        return end(0);
    }
    shut_down();
    set_timer(TcpTimer::keepalive, orphan_timeout);
}

/// See net/ipv4/tcp.c, tcp_sock_set_keepidle_locked. A connection whose probes are never lost stays calm.
void TcpEnd::set_options(const TcpOptions& options, bool restarts) {
    const bool stays_calm =
        calm_next_ != none && keepalive_at_ == none && options.keepalive && wire_.is_calm(options.idle);
    if (restarts) stays_calm ? settle() : leave_calm();
    options_ = options;
    if (!restarts || !options_.keepalive || dead_) return;
    const nanoseconds left = options_.idle - silence();
    if (stays_calm) {
        const bool is_probe_out = calm_next_ <= wire_.now();
        if (!is_probe_out) calm_next_ = left > nanoseconds(0) ? wheel_expiry(wire_.now(), left) : wire_.now();
        return;
    }
    if (left > nanoseconds(0)) return set_timer(TcpTimer::keepalive, left);
    keepalive_at_ = wire_.now();
    wire_.arm(TcpTimer::keepalive, keepalive_at_);
}

void TcpEnd::receive(const Segment& segment) {
    if (is_over()) {
        if (!segment.rst && dead_) send_reset();
        if (!dead_ && segment.fin) send_ack(nxt_);  // TIME_WAIT: the last acknowledgement was lost
        return;
    }
    leave_calm();
    if (segment.rst) {
        const int error = fin_received_ ? EPIPE : ECONNRESET;
        return end(error);
    }
    if (closed_ && !segment.bytes.empty()) {
        send_reset();
        return end(0);
    }
    take_ack(segment);
    if (!segment.bytes.empty()) take_data(segment);
    if (segment.fin) take_fin(segment);
    if (segment.bytes.empty() && !segment.fin && segment.begin < rcv_nxt_) answer_probe();
}

/// Answers a segment outside of the window, such as a probe, at most twice a second (tcp_oow_rate_limited).
void TcpEnd::answer_probe() {
    if (wire_.now() - probe_answered_at_ < probe_answer_pause) return;
    probe_answered_at_ = wire_.now();
    send_ack(nxt_);
}

void TcpEnd::take_ack(const Segment& segment) {
    window_end_ = std::max(window_end_, segment.window_end);
    check_window();
    // The fast path takes data without a new acknowledgement as no sign of one (tcp_rcv_established).
    if (segment.ack <= una_ && !segment.bytes.empty()) return push();
    ack_at_ = wire_.now();
    probes_ = 0;
    soft_error_ = 0;
    if (segment.ack > una_) advance(segment.ack);
    push();
}

/// Ends the count of window probes if the next large segment fits (net/ipv4/tcp_input.c, tcp_ack_probe).
void TcpEnd::check_window() {
    constexpr std::uint64_t large_segment = 32'768;
    if (una_ < nxt_ || nxt_ + std::min(large_segment, end_of_stream() - std::min(nxt_, end_of_stream())) > window_end_)
        return;
    backoff_ = 0;
    window_probes_since_ = none;
}

void TcpEnd::advance(std::uint64_t ack) {
    una_ = std::min(ack, nxt_);
    const auto acked = std::min<std::uint64_t>(una_ - una_base_, buffer_.size());
    buffer_.erase(0, acked);
    una_base_ += acked;
    backoff_ = retransmits_ = 0;
    retransmits_since_ = none;
    rto_ = base_timeout();
    una_ == nxt_ ? clear_timer(TcpTimer::retransmit) : set_timer(TcpTimer::retransmit, rto_);
    resend();
    if (!wants_room_ || buffer_.size() > send_room * 2 / 3) return;
    wants_room_ = false;
    wire_.notify(EPOLLOUT);
}

/// Sends again what was out at the last time-out, since its first segment has arrived.
void TcpEnd::resend() {
    const std::uint64_t until = std::exchange(resend_until_, 0);
    const std::uint64_t data_until = std::min(until, end_of_stream());
    for (std::uint64_t at = una_; at < data_until; at += max_segment)
        send_segment(at, std::min<std::uint64_t>(max_segment, data_until - at), false);
    if (una_ < until && until > end_of_stream()) send_segment(end_of_stream(), 0, true);
}

void TcpEnd::take_data(const Segment& segment) {
    const std::uint64_t end = segment.begin + segment.bytes.size();
    const std::size_t room = receive_room - std::min(receive_room, received_.size());
    if (segment.begin > rcv_nxt_ || end <= rcv_nxt_ || room == 0) return send_ack(nxt_);
    const std::uint64_t from = rcv_nxt_ - segment.begin;
    const std::size_t taken = std::min<std::size_t>(segment.bytes.size() - from, room);
    received_.append(segment.bytes, from, taken);
    rcv_nxt_ += taken;
    data_at_ = wire_.now();
    send_ack(nxt_);
    wire_.notify(EPOLLIN);
}

void TcpEnd::take_fin(const Segment& segment) {
    const std::uint64_t at = segment.begin + segment.bytes.size();
    if (at == rcv_nxt_ && !fin_received_) {
        ++rcv_nxt_;
        fin_received_ = true;
        wire_.notify(EPOLLIN | EPOLLRDHUP | (fin_queued_ ? EPOLLHUP : 0U));
    }
    send_ack(nxt_);
}

void TcpEnd::send_ack(std::uint64_t begin) {
    const std::size_t room = receive_room - std::min(receive_room, received_.size());
    offered_end_ = std::max(offered_end_, rcv_nxt_ + room / max_segment * max_segment);
    wire_.transmit({.begin = begin, .ack = rcv_nxt_, .window_end = offered_end_});
}

void TcpEnd::send_reset() {
    reset_by_us_ = true;
    wire_.transmit({.begin = nxt_, .ack = rcv_nxt_, .window_end = offered_end_, .rst = true});
}

void TcpEnd::send_segment(std::uint64_t begin, std::size_t size, bool fin) {
    sent_at_ = wire_.now();
    wire_.transmit({.begin = begin,
                    .bytes = buffer_.substr(begin - una_base_, size),
                    .ack = rcv_nxt_,
                    .window_end = offered_end_,
                    .fin = fin});
}

/// Sends what the window takes. A segment that does not fit as a whole waits (net/ipv4/tcp_output.c,
/// tcp_snd_wnd_test).
void TcpEnd::push() {
    if (dead_) return;
    const bool was_idle = una_ == nxt_;
    while (nxt_ < end_of_stream()) {
        const std::uint64_t size = std::min<std::uint64_t>(max_segment, end_of_stream() - nxt_);
        if (nxt_ + size > window_end_) break;
        send_segment(nxt_, size, false);
        nxt_ += size;
    }
    push_fin();
    if (una_ < nxt_) {
        if (was_idle || retransmit_at_ == none) set_timer(TcpTimer::retransmit, retransmit_delay());
    } else if (nxt_ < end_of_stream()) {
        if (retransmit_at_ == none) set_timer(TcpTimer::retransmit, window_probe_delay());
    } else {
        clear_timer(TcpTimer::retransmit);
    }
}

void TcpEnd::push_fin() {
    if (!fin_queued_ || nxt_ != end_of_stream()) return;
    send_segment(nxt_, 0, true);
    ++nxt_;
}

void TcpEnd::end(int error) {
    dead_ = true;
    error_ = error;
    clear_timer(TcpTimer::retransmit);
    clear_timer(TcpTimer::keepalive);
    calm_next_ = none;
    if (!closed_ && error != 0) wire_.notify(EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
}

void TcpEnd::lose_power() {
    dead_ = true;
    clear_timer(TcpTimer::retransmit);
    clear_timer(TcpTimer::keepalive);
    calm_next_ = none;
}

void TcpEnd::report_unreachable(int error) {
    if (!dead_) soft_error_ = error;
}

void TcpEnd::resume() {
    if (dead_) return;
    if (una_ < nxt_) retransmit_first();
    if (!received_.empty()) wire_.notify(EPOLLIN);
}

TcpEnd::Facts TcpEnd::facts() {
    settle();
    const std::uint64_t data_sent = std::min(nxt_, end_of_stream());
    const bool is_purged = dead_ && error_ != 0;  // tcp_write_queue_purge
    const std::uint64_t out = is_purged ? 0 : nxt_ - una_;
    return {.probes = probes_,
            .retransmits = retransmits_,
            .last_sent = sent_at_,
            .last_data = data_at_,
            .last_ack = ack_at_,
            .bytes_sent = data_sent - first,
            .bytes_acked = std::min(una_, end_of_stream()) - first,
            .bytes_received = rcv_nxt_ - first,
            .not_sent = end_of_stream() - data_sent,
            .segments_out = static_cast<std::uint32_t>((out + max_segment - 1) / max_segment),
            .peer_window = window_end_ > una_ ? window_end_ - una_ : 0,
            .round_trip = round_trip_};
}

}  // namespace holdfast
