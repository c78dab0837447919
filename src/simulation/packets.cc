#include <algorithm>
#include <cmath>
#include <utility>

#include "simulation/simulated_tcp.h"

namespace holdfast {

// The way of packets and timers through simulated time.

SteadyTime LinkSide::now() const { return tcp_.now(); }

void LinkSide::transmit(Segment segment) { tcp_.transmit(link_, is_gateway_, std::move(segment)); }

void LinkSide::arm(TcpTimer timer, SteadyTime when) { tcp_.arm(link_, is_gateway_, timer, when); }

void LinkSide::notify(std::uint32_t events) { tcp_.notify(link_, is_gateway_, events); }

bool LinkSide::is_calm(std::chrono::nanoseconds idle) const {
    const SimulatedPath& path = link_.path;
    // A probe whose answer is on its way is lost at the end of the calm, which must be rare.
    constexpr std::chrono::milliseconds longest_calm_delay{150};
    const bool stays_known = path.nat_timeout == std::chrono::nanoseconds(0) ||
                             path.nat_timeout > idle * 5 / 4 + 2 * path.delay + std::chrono::seconds(1);
    return is_gateway_ && link_.is_up && path.delay <= longest_calm_delay && !path.blocked && path.loss < 1 &&
           stays_known && !link_.is_forgotten && link_.gateway.is_quiet() && link_.device.is_quiet() &&
           link_.up.empty() && link_.down.empty();
}

TcpWire::Calm LinkSide::draw_calm() {
    if (link_.path.loss == 0) return {};
    // The probe and its answer both arrive with this probability. The number of rounds has a geometric distribution.
    constexpr double most_rounds = 1e5;
    const double arrive = (1 - link_.path.loss) * (1 - link_.path.loss);
    const double rounds = std::min(most_rounds, std::log1p(-tcp_.draw()) / std::log(arrive));
    return {.answered = static_cast<std::uint64_t>(rounds)};
}

void LinkSide::note_packet(SteadyTime when) { link_.last_packet = std::max(link_.last_packet, when); }

/// Returns whether the path takes the packet to its other end.
bool SimulatedTcp::passes(Link& link, bool up, const Segment& segment) {
    if (!has_power_) return false;
    const SimulatedPath& path = link.path;
    if (path.nat_timeout > std::chrono::nanoseconds(0)) link.gateway.settle();
    if (path.nat_timeout > std::chrono::nanoseconds(0) && now() - link.last_packet > path.nat_timeout)
        link.is_forgotten = true;
    link.last_packet = now();
    if (link.is_forgotten) {
        // The device's packets get a new port, which the gateway's kernel does not know: it answers with RST.
        if (up && !segment.rst && !path.blocked) {
            link.down_until = std::max(link.down_until, now() + 2 * path.delay);
            link.down.push_back({.begin = segment.ack, .rst = true});
            schedule(link.down_until, link, Kind::down);
        }
        return false;
    }
    if (path.blocked) {
        const bool has_data = !segment.bytes.empty() || segment.fin;
        if (!up && has_data && path.error != 0) link.gateway.report_unreachable(path.error);
        return false;
    }
    return path.loss == 0 || !chance(path.loss);
}

void SimulatedTcp::transmit(Link& link, bool from_gateway, Segment segment) {
    if (!from_gateway) link.gateway.leave_calm();  // the packet may be the device's last one, and be lost
    if ((!from_gateway && !link.is_up) || !passes(link, !from_gateway, segment)) return;
    SteadyTime& until = from_gateway ? link.down_until : link.up_until;
    until = std::max(until, now() + link.path.delay);
    (from_gateway ? link.down : link.up).push_back(std::move(segment));
    schedule(until, link, from_gateway ? Kind::down : Kind::up);
}

void SimulatedTcp::arm(Link& link, bool of_gateway, TcpTimer timer, SteadyTime when) {
    if (timer == TcpTimer::retransmit)
        return schedule(when, link, of_gateway ? Kind::gateway_retransmit : Kind::device_retransmit);
    schedule(when, link, of_gateway ? Kind::gateway_keepalive : Kind::device_keepalive);
}

void SimulatedTcp::notify(Link& link, bool to_gateway, std::uint32_t events) {
    if (to_gateway) return queue(link, events);
    if (link.program != nullptr && link.is_up) link.program->on_ready(events);
}

void SimulatedTcp::arrive(Link& link, bool up) {
    std::deque<Segment>& packets = up ? link.up : link.down;
    const Segment segment = std::move(packets.front());
    packets.pop_front();
    if (link.path.blocked || !has_power_ || !link.is_open) return;
    if (up) return link.gateway.receive(segment);
    if (link.is_up) link.device.receive(segment);
}

void SimulatedTcp::run_timer(Link& link, Kind kind, SteadyTime when) {
    const bool of_gateway = kind == Kind::gateway_retransmit || kind == Kind::gateway_keepalive;
    const bool is_retransmit = kind == Kind::gateway_retransmit || kind == Kind::device_retransmit;
    const TcpTimer timer = is_retransmit ? TcpTimer::retransmit : TcpTimer::keepalive;
    TcpEnd& end = of_gateway ? link.gateway : link.device;
    if (end.timer_at(timer) == when && (of_gateway || link.is_up)) end.expire(timer);
}

void SimulatedTcp::run(const Event& event) {
    if (event.kind == Kind::call) {
        const auto work = calls_.extract(event.order);
        return work.mapped()();
    }
    Link& link = *links_[event.slot];
    if (link.generation != event.generation) return;
    switch (event.kind) {
        case Kind::up:
        case Kind::down:
            arrive(link, event.kind == Kind::up);
            break;
        case Kind::syn:
            send_syn(link);
            break;
        case Kind::open:
            open(link);
            break;
        default:
            run_timer(link, event.kind, event.when);
    }
    note_if_over(link);
}

void SimulatedTcp::run_until(SteadyTime time) {
    if (!over_.empty()) free_over();
    while (!events_.empty() && events_.top().when <= time) {
        const Event event = events_.top();
        events_.pop();
        clock_.advance_to(event.when);
        run(event);
        if (!over_.empty()) free_over();
    }
    clock_.advance_to(time);
}

}  // namespace holdfast
