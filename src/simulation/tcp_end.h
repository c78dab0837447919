#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace holdfast {

/// Length of one tick of the simulated kernel, as with CONFIG_HZ = 250.
inline constexpr std::chrono::milliseconds jiffy{4};

/// Returns the time at which a timer of Linux fires that is set at `now` for `delay`. The timer is never early, and up
/// to an eighth of the delay late. The levels of kernel/time/timer.c have 64 buckets, each eight times as coarse as in
/// the level before. Pure; any thread.
[[nodiscard]] inline SteadyTime wheel_expiry(SteadyTime now, std::chrono::nanoseconds delay) {
    constexpr int levels = 9;
    constexpr int clock_shift = 3;
    constexpr std::int64_t buckets = 64;
    const std::int64_t tick = now.time_since_epoch() / jiffy;
    const std::int64_t wait = std::max<std::int64_t>(1, (delay + jiffy - std::chrono::nanoseconds(1)) / jiffy);
    int level = 0;
    while (level + 1 < levels && wait >= (buckets - 1) << (level * clock_shift)) ++level;
    const int shift = level * clock_shift;
    const std::int64_t bucket = ((tick + wait) >> shift) + 1;
    return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>((bucket << shift) * jiffy));
}

/// A segment of the simulated TCP. Sequence numbers are offsets in the stream; FIN takes one (RFC 9293, 3.4).
struct Segment {
    std::uint64_t begin = 0;
    std::string bytes = {};
    std::uint64_t ack = 0;
    std::uint64_t window_end = 0;  ///< first offset that the sender does not accept
    bool fin = false;
    bool rst = false;
};

/// Options of a simulated socket (tcp(7), socket(7)), with Linux's defaults.
struct TcpOptions {
    bool keepalive = false;
    std::chrono::milliseconds idle{7'200'000};
    std::chrono::milliseconds interval{75'000};
    int count = 9;
    std::chrono::milliseconds user_timeout{0};
    std::chrono::milliseconds rto_max{120'000};
};

enum class TcpTimer : std::uint8_t { retransmit, keepalive };

/// Connects a TcpEnd with its peer, the clock and the program above it. One thread.
class TcpWire {
public:
    virtual ~TcpWire() = default;
    [[nodiscard]] virtual SteadyTime now() const = 0;
    virtual void transmit(Segment segment) = 0;
    /// Calls expire() at `when`, unless timer_at() is another time by then.
    virtual void arm(TcpTimer timer, SteadyTime when) = 0;
    /// Reports readiness to the program, in the flags of epoll_ctl(2).
    virtual void notify(std::uint32_t events) = 0;
    /// Describes a path on which only probes of the gateway and their answers travel.
    struct Calm {
        std::optional<std::uint64_t> answered;  ///< probes until one is lost; nullopt: none is
    };
    /// Returns false if something else can happen to a probe each `idle`.
    [[nodiscard]] virtual bool is_calm(std::chrono::nanoseconds idle) const = 0;
    /// Draws the losses of a calm path.
    [[nodiscard]] virtual Calm draw_calm() = 0;
    /// Notes that the last computed packet of a calm connection passed the path at this time.
    virtual void note_packet(SteadyTime when) = 0;
};

/// The kernel's state of one end of a connection: an extract of Linux's net/ipv4/tcp_{input,output,timer}.c with the
/// rules that decide when a connection ends. Without congestion control, delayed and selective acknowledgements.
/// Owned by the simulation. One thread.
class TcpEnd {
public:
    explicit TcpEnd(TcpWire& wire) : wire_(wire) {}
    TcpEnd(const TcpEnd&) = delete;
    TcpEnd& operator=(const TcpEnd&) = delete;

    /// Begins an established connection with the measured round trip.
    void establish(const TcpOptions& options, std::chrono::nanoseconds round_trip);

    // Calls of the program.
    [[nodiscard]] std::size_t write(std::string_view bytes);  ///< returns the bytes taken; 0: no room
    [[nodiscard]] std::string_view unread() const { return received_; }
    void consume(std::size_t bytes);
    void shut_down();
    void close(bool discard);  ///< `discard`: SO_LINGER with time 0
    [[nodiscard]] int take_error() { return std::exchange(error_, 0); }
    /// Returns the same, or the latest ICMP error, as SO_ERROR does (net/core/sock.c, sk_getsockopt).
    [[nodiscard]] int take_any_error() { return error_ != 0 ? take_error() : std::exchange(soft_error_, 0); }
    [[nodiscard]] const TcpOptions& options() const { return options_; }
    /// Sets the options. With `restarts`, TCP_KEEPIDLE was set: the next probe follows from the silence so far.
    void set_options(const TcpOptions& options, bool restarts);

    // Calls of the simulation.
    void receive(const Segment& segment);
    void expire(TcpTimer timer);
    [[nodiscard]] SteadyTime timer_at(TcpTimer timer) const {
        return timer == TcpTimer::retransmit ? retransmit_at_ : keepalive_at_;
    }
    void report_unreachable(int error);  ///< an ICMP error about a data segment
    void leave_calm();                   ///< simulates each probe from now on
    void settle();                       ///< computes the probes of a calm connection up to now
    void resume();                       ///< the host was asleep: sends again what is outstanding
    /// Ends without a segment, as if the host lost its power.
    void lose_power();

    [[nodiscard]] bool is_dead() const { return dead_; }
    [[nodiscard]] bool has_received_fin() const { return fin_received_; }
    [[nodiscard]] bool has_sent_fin() const { return fin_queued_; }
    [[nodiscard]] bool is_fin_acked() const { return fin_queued_ && una_ == end_of_stream() + 1; }
    [[nodiscard]] bool is_closed() const { return closed_; }
    [[nodiscard]] bool was_reset() const { return reset_by_us_; }
    /// Returns true if nothing more can happen at this end.
    [[nodiscard]] bool is_over() const { return dead_ || (closed_ && fin_received_ && is_fin_acked()); }
    [[nodiscard]] bool is_quiet() const { return una_ == nxt_ && buffer_.empty() && !dead_ && !fin_queued_; }

    /// Facts of TCP_INFO.
    struct Facts {
        std::uint32_t probes = 0;
        std::uint32_t retransmits = 0;
        SteadyTime last_sent;
        SteadyTime last_data;
        SteadyTime last_ack;
        std::uint64_t bytes_sent = 0;
        std::uint64_t bytes_acked = 0;
        std::uint64_t bytes_received = 0;  ///< and one for FIN
        std::uint64_t not_sent = 0;
        std::uint32_t segments_out = 0;
        std::uint64_t peer_window = 0;
        std::chrono::nanoseconds round_trip{};
    };
    [[nodiscard]] Facts facts();

    static constexpr std::size_t max_segment = 1'448;
    static constexpr std::size_t send_room = 87'040;
    static constexpr std::size_t receive_room = 45 * max_segment;  // windows are multiples of a segment

private:
    [[nodiscard]] std::uint64_t end_of_stream() const { return una_base_ + buffer_.size(); }
    [[nodiscard]] std::chrono::nanoseconds silence() const;
    [[nodiscard]] std::chrono::nanoseconds calm_period() const;
    void begin_calm(const TcpWire::Calm& calm);
    void lose_probe();
    void set_timer(TcpTimer timer, std::chrono::nanoseconds delay);
    void clear_timer(TcpTimer timer) { (timer == TcpTimer::retransmit ? retransmit_at_ : keepalive_at_) = none; }
    void send_segment(std::uint64_t begin, std::size_t size, bool fin);
    void send_ack(std::uint64_t begin);
    void send_reset();
    void push();
    void push_fin();
    void advance(std::uint64_t ack);
    void resend();
    void check_window();
    void take_ack(const Segment& segment);
    void take_data(const Segment& segment);
    void take_fin(const Segment& segment);
    void answer_probe();
    void end(int error);
    void end_timed_out() { end(soft_error_ != 0 ? soft_error_ : timed_out); }
    void on_retransmit_timer();
    void on_window_probe_timer();
    void fill_window();
    void on_keepalive_timer();
    void retransmit_first();
    [[nodiscard]] bool has_timed_out() const;
    [[nodiscard]] std::chrono::nanoseconds retransmit_delay() const;
    [[nodiscard]] std::chrono::nanoseconds window_probe_delay() const;
    [[nodiscard]] std::chrono::nanoseconds base_timeout() const;
    void open_window();

    static constexpr SteadyTime none = SteadyTime::max();
    static constexpr std::uint64_t first = 1;  // a probe is one offset before the next
    static const int timed_out;

    TcpWire& wire_;
    TcpOptions options_;

    // The direction to the peer.
    std::string buffer_;              // from una_base_
    std::uint64_t una_base_ = first;  // offset of the buffer's first byte
    std::uint64_t una_ = first;       // first offset that is not acknowledged
    std::uint64_t nxt_ = first;       // first offset that was not sent
    std::uint64_t window_end_ = first + receive_room;
    std::uint64_t resend_until_ = 0;  // after a time-out: an acknowledgement sends the rest up to here again
    bool fin_queued_ = false;
    bool wants_room_ = false;
    SteadyTime sent_at_;

    // From the peer.
    std::string received_;
    std::uint64_t rcv_nxt_ = first;
    std::uint64_t offered_end_ = first + receive_room;
    bool fin_received_ = false;
    SteadyTime data_at_;
    SteadyTime ack_at_;
    SteadyTime probe_answered_at_;

    // Timers.
    SteadyTime retransmit_at_ = none;
    SteadyTime keepalive_at_ = none;
    std::chrono::nanoseconds round_trip_{};
    std::chrono::nanoseconds rto_{};
    unsigned backoff_ = 0;
    unsigned retransmits_ = 0;
    unsigned probes_ = 0;
    SteadyTime retransmits_since_ = none;
    SteadyTime window_probes_since_ = none;
    SteadyTime calm_next_ = none;  // next probe of a calm connection, which settle() computes; none: not calm

    int error_ = 0;
    int soft_error_ = 0;
    bool dead_ = false;
    bool closed_ = false;  // by the program
    bool reset_by_us_ = false;
};

}  // namespace holdfast
