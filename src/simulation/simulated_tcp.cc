#include "simulation/simulated_tcp.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace holdfast {

namespace {

constexpr int max_syns = 7;  // net.ipv4.tcp_syn_retries and the first
constexpr std::uint32_t always_reported = EPOLLERR | EPOLLHUP;

}  // namespace

int SimulatedTcp::listen(const Endpoint& address) {
    listeners_.push_back({.address = address});
    return first_fd + static_cast<int>(listeners_.size()) - 1;
}

void SimulatedTcp::close_listener(int fd) {
    Listening& listener = *find_listener(fd);
    listener.is_open = listener.is_watched = false;
    for (const std::uint32_t slot : std::exchange(listener.backlog, {})) {
        links_[slot]->discards = true;
        close_link(*links_[slot]);
    }
}

SimulatedTcp::Listening* SimulatedTcp::find_listener(int fd) {
    const auto place = static_cast<std::size_t>(fd - first_fd);
    return fd >= first_fd && place < listeners_.size() ? &listeners_[place] : nullptr;
}

SimulatedTcp::Link* SimulatedTcp::find_link(int fd) {
    const auto slot = static_cast<std::size_t>(fd - first_fd - max_listeners);
    return fd >= first_fd + max_listeners && slot < links_.size() ? links_[slot].get() : nullptr;
}

int SimulatedTcp::accept(Listening& listener, Endpoint& peer) {
    errno = listener.accept_error != 0 ? listener.accept_error : EAGAIN;
    if (listener.accept_error != 0 || listener.backlog.empty()) return -1;
    const std::uint32_t slot = listener.backlog.front();
    listener.backlog.pop_front();
    peer = links_[slot]->peer;
    links_[slot]->is_accepted = true;
    ++accepted_;
    return first_fd + max_listeners + static_cast<int>(slot);
}

/// Reports the present readiness once, as epoll_ctl(2) does.
void SimulatedTcp::watch(Link& link, int operation, const epoll_event* event) {
    link.is_watched = operation != EPOLL_CTL_DEL;
    link.watched = event->events;
    link.token = event->data.u64;
    std::uint32_t now = EPOLLOUT;
    if (!link.gateway.unread().empty()) now |= EPOLLIN;
    if (link.gateway.has_received_fin()) now |= EPOLLIN | EPOLLRDHUP;
    if (link.gateway.is_dead()) now |= EPOLLIN | EPOLLRDHUP | always_reported;
    queue(link, now);
}

void SimulatedTcp::queue(Link& link, std::uint32_t events) {
    link.edges |= events;
    if (!link.is_watched || link.is_queued || (link.edges & (link.watched | always_reported)) == 0) return;
    link.is_queued = true;
    ready_.push_back(link.slot);
}

void SimulatedTcp::close_link(Link& link) {
    link.is_watched = false;
    link.edges = 0;
    if (std::exchange(link.is_accepted, false)) --accepted_;
    link.gateway.close(link.discards);
    note_if_over(link);
}

bool SimulatedTcp::has_events() const {
    if (!has_process_) return false;
    return !ready_.empty() || std::any_of(listeners_.begin(), listeners_.end(), [](const Listening& listener) {
        return listener.is_watched && (!listener.backlog.empty() || listener.accept_error != 0);
    });
}

/// Reports listeners level-triggered and connections edge-triggered.
int SimulatedTcp::collect(std::span<epoll_event> events) {
    if (!has_process_) return 0;
    std::size_t count = 0;
    for (Listening& listener : listeners_) {
        const bool is_ready = !listener.backlog.empty() || listener.accept_error != 0;
        if (!listener.is_watched || !is_ready || count == events.size()) continue;
        events[count].events = EPOLLIN;
        events[count++].data.u64 = listener.token;
    }
    while (!ready_.empty() && count < events.size()) {
        Link& link = *links_[ready_.front()];
        ready_.pop_front();
        link.is_queued = false;
        const std::uint32_t ready = link.is_watched ? link.edges & (link.watched | always_reported) : 0;
        link.edges &= ~ready;
        if (ready == 0) continue;
        events[count].events = ready;
        events[count++].data.u64 = link.token;
    }
    return static_cast<int>(count);
}

void SimulatedTcp::set_process(bool runs) {
    has_process_ = runs;
    if (runs) return;
    for (Listening& listener : listeners_) listener.is_watched = false;  // its epoll is gone
    for (const auto& link : links_) {
        link->is_watched = false;
        link->edges = 0;
    }
}

std::vector<int> SimulatedTcp::accepted_descriptors() const {
    std::vector<int> all;
    for (const auto& link : links_) {
        if (link->is_accepted) all.push_back(first_fd + max_listeners + static_cast<int>(link->slot));
    }
    return all;
}

void SimulatedTcp::set_power(bool on) {
    has_power_ = on;
    if (on) return;
    for (const auto& link : links_) {
        if (link->is_open) link->gateway.lose_power();
    }
}

SimulatedTcp::Link& SimulatedTcp::connect(int listener, const Endpoint& peer, PeerProgram& program) {
    free_over();
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(links_.size()));
        links_.push_back(std::make_unique<Link>(*this, free_.back(), 1));
    }
    Link& link = *links_[free_.back()];
    free_.pop_back();
    link.listener = listener;
    link.peer = peer;
    link.program = &program;
    link.last_packet = now();
    if (rule_) link.path = rule_(peer);
    schedule(now(), link, Kind::syn);
    return link;
}

/// Sends SYN, whose answer and acknowledgement take a round trip. A lost packet of the three costs another second,
/// which doubles.
void SimulatedTcp::send_syn(Link& link) {
    if (link.is_open || link.program == nullptr || !link.is_up) return;
    Listening& listener = *find_listener(link.listener);
    const bool is_lost =
        link.path.blocked || !has_power_ || chance(link.path.loss) || chance(link.path.loss) || chance(link.path.loss);
    if (!is_lost && !listener.is_open) {
        link.program->on_refused();
        return leave(link);
    }
    if (!is_lost) return schedule(now() + 3 * link.path.delay, link, Kind::open);
    if (++link.syns < max_syns) {
        schedule(now() + std::chrono::seconds(1 << (link.syns - 1)), link, Kind::syn);
        return;
    }
    link.program->on_refused();
    leave(link);
}

void SimulatedTcp::open(Link& link) {
    if (link.program == nullptr) return;
    Listening& listener = *find_listener(link.listener);
    if (!listener.is_open || !has_power_) {
        link.program->on_refused();
        return leave(link);
    }
    link.is_open = true;
    const auto round_trip = 2 * link.path.delay;
    link.gateway.establish(listener.options, round_trip);
    link.device.establish({}, round_trip);
    listener.backlog.push_back(link.slot);
    link.program->on_established();
}

void SimulatedTcp::set_path(Link& link, const SimulatedPath& path) {
    if (path == link.path) return;
    link.gateway.leave_calm();
    link.device.leave_calm();
    link.path = path;
}

void SimulatedTcp::set_path_rule(std::function<SimulatedPath(const Endpoint&)> rule) {
    rule_ = std::move(rule);
    apply_path_rule();
}

void SimulatedTcp::apply_path_rule() {
    for (const auto& link : links_) {
        if (link->listener >= 0) set_path(*link, rule_(link->peer));
    }
}

void SimulatedTcp::set_up(Link& link, bool up) {
    link.gateway.leave_calm();
    link.is_up = up;
    if (up) link.device.resume();
}

void SimulatedTcp::leave(Link& link) {
    if (link.program == nullptr) return;
    link.program->on_gone();
    link.program = nullptr;
    note_if_over(link);
}

void SimulatedTcp::note_if_over(const Link& link) {
    const bool is_gateway_done = !link.is_open || (link.gateway.is_closed() && link.gateway.is_over());
    const bool is_device_done = link.program == nullptr || (link.is_open && link.device.is_over());
    if (is_gateway_done && is_device_done) over_.push_back(link.slot);
}

/// Frees the connections that both sides are done with. Not within an event of theirs.
void SimulatedTcp::free_over() {
    for (const std::uint32_t slot : std::exchange(over_, {})) {
        Link& link = *links_[slot];
        if (link.listener < 0) continue;  // it was noted twice
        if (link.program != nullptr) link.program->on_gone();
        links_[slot] = std::make_unique<Link>(*this, slot, link.generation + 1);
        free_.push_back(slot);
    }
}

void SimulatedTcp::call_at(SteadyTime when, std::function<void()> work) {
    calls_.emplace(order_, std::move(work));
    events_.push({.when = std::max(when, now()), .order = order_++, .slot = 0, .generation = 0, .kind = Kind::call});
}

void SimulatedTcp::schedule(SteadyTime when, const Link& link, Kind kind) {
    events_.push({.when = when, .order = order_++, .slot = link.slot, .generation = link.generation, .kind = kind});
}

}  // namespace holdfast
