#include "world.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace holdfast {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

World::World(const WorldPlan& plan, SpoolDisk* disk)
    : plan_(plan),
      dice_(plan.seed ^ 0x9e37'79b9'7f4a'7c15U),
      disk_(disk),
      simulation_(std::make_shared<SimulatedWorld>(plan.seed)),
      network_(std::make_unique<SimulatedNetwork::Impl>(*simulation_)),
      cut_(plan.sites.size()) {
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
        const Site site = plan_.sites[i];
        prefixes_.push_back(parse_prefix("10." + std::to_string(i) + ".0.0/16").value());
        network_.delay(site.delay, prefix_of(i));
        network_.loss(site.loss, prefix_of(i));
        network_.nat_timeout(site.nat, prefix_of(i));
    }
    if (disk_ != nullptr) {
        disk_->format();
        if (const std::string fault = disk_->open(simulation_->clock.wall()); !fault.empty()) violate("P6: " + fault);
    }
    if (plan_.keeper) kept_ = UniqueFd(::memfd_create("kept", MFD_CLOEXEC));
    if (!result_.violation) start_gateway(simulation_, open_kept());
}

/// Ends the gateway while the devices still exist, and while the sink takes what it says.
World::~World() {
    is_down_ = true;
    sink_back_at_ = {};
    gateway_.reset();
    if (disk_ != nullptr) disk_->close();
}

void World::start_gateway(std::shared_ptr<SimulatedWorld> simulation, std::unique_ptr<KeptState> kept) {
    auto recorder = std::make_unique<Recorder>(*this, disk_ != nullptr ? disk_->make_handler() : nullptr);
    auto made = SimulatedGateway::Impl::make(plan_.config, std::move(recorder), std::move(simulation), std::move(kept));
    if (!made) {
        std::fprintf(stderr, "%s\n", made.error().message.c_str());
        std::abort();
    }
    gateway_ = std::move(made).value();
    is_reloaded_ = false;
    listener_ = gateway_->listener({});
}

Attempt* World::find(const Endpoint& peer) {
    const auto found = attempts_.find(peer);
    return found == attempts_.end() ? nullptr : found->second;
}

std::string World::name_of(const Attempt& attempt) const {
    return to_string(attempt.kind) + " " + to_string(attempt.from) +
           (attempt.conn ? " (" + to_string(*attempt.conn) + ")" : "");
}

void World::violate(const std::string& what) {
    if (result_.violation) return;
    result_.violation = what + ", at " + text_of(now());
}

/// Returns what the gateway and its kernel know of a connection.
std::string World::state_of(const Attempt& attempt) {
    const bool is_known = attempt.conn && !is_down_;
    const Connection* const connection = is_known ? gateway_->shard().registry().find(attempt.conn->number) : nullptr;
    SimulatedTcp::Link* const link = attempt.peer->link();
    if (connection == nullptr || link == nullptr) return " [unknown]";
    const TcpEnd::Facts facts = link->gateway.facts();
    std::string text = " [";
    for (const auto& [is_set, word] : {std::pair{connection->is_opening(), "opening "},
                                       {connection->paused, "paused "},
                                       {connection->held, "held "},
                                       {connection->throttled, "throttled "},
                                       {connection->peer_ended, "peer ended "},
                                       {connection->read_again, "read again "},
                                       {connection->under_watch, "under watch "},
                                       {connection->parting, "parting "},
                                       {connection->suspect, "suspect "},
                                       {link->gateway.is_dead(), "dead "},
                                       {link->gateway.has_received_fin(), "FIN "},
                                       {link->is_up, "up "},
                                       {link->path.blocked, "blocked "},
                                       {link->is_forgotten, "forgotten by the NAT "},
                                       {link->device.is_dead(), "dead at the device "}}) {
        if (is_set) text += word;
    }
    return text + "probes " + std::to_string(facts.probes) + ", retransmits " + std::to_string(facts.retransmits) +
           ", unacknowledged " + std::to_string(facts.bytes_sent - facts.bytes_acked) + ", unsent " +
           std::to_string(facts.not_sent) + ", window " + std::to_string(facts.peer_window) + ", last ack " +
           text_of(facts.last_ack) + ", last data " + text_of(facts.last_data) + ", user timeout " +
           std::to_string(link->gateway.options().user_timeout.count()) + " ms, unread " +
           std::to_string(link->gateway.unread().size()) + "]";
}

std::string World::text_of(SteadyTime time) {
    return std::to_string(std::chrono::duration<double>(time - SimulatedClock::start).count()) + " s";
}

void World::at(SteadyTime when, std::function<void()> work) {
    due_.push({.when = when, .order = order_++, .work = std::move(work)});
}

void World::later(SteadyTime when, std::function<void()> work) {
    simulation_->tcp.call_at(when, [this, life = life_, work = std::move(work)] {
        if (life == life_ && !is_down_) work();
    });
}

void World::advance(SteadyTime to) {
    const double hours = std::chrono::duration<double, std::ratio<3'600>>(to - now()).count();
    if (is_down_) return simulation_->tcp.run_until(to);
    result_.connection_hours += hours * static_cast<double>(gateway_->connections());
    if (is_paused()) gateway_->pause(std::chrono::ceil<milliseconds>(std::min(to, continues_at_) - now()));
    if (now() < to) gateway_->run_until(to, [this] { return is_down_; });
    if (!is_down_) return;
    gateway_.reset();  // what it still does changes nothing
    simulation_->tcp.run_until(to);
}

void World::run_until(SteadyTime end) {
    while (!result_.violation && !due_.empty() && due_.top().when <= end) {
        const Due next = due_.top();
        due_.pop();
        advance(std::max(next.when, now()));
        next.work();
    }
    if (!result_.violation) advance(end);
}

WorldResult World::run() {
    devices_.resize(plan_.devices);
    for (std::size_t i = 0; i < devices_.size(); ++i) begin_device(i);
    begin_faults();
    if (disk_ != nullptr && plan_.crashes) plan_crash();
    if (plan_.keeper) plan_kept_crash();
    run_until(SimulatedClock::start + plan_.length);
    is_over_ = true;
    if (is_down_) run_until(now() + 2min);  // until it is back
    if (!result_.violation) dice_.chance(0.5) ? end_all() : drain_all();
    if (!result_.violation && disk_ != nullptr) check_spool();
    return result_;
}

void World::begin_device(std::size_t index) {
    ScriptedDevice& device = devices_[index];
    device.index = index;
    device.site = dice_.below(plan_.sites.size());
    device.kind = plan_.draw_kind(dice_);
    plan_act(device, dice_.between(0ms, 60s));
}

void World::plan_act(ScriptedDevice& device, milliseconds pause) {
    at(now() + pause, [this, &device, turn = ++device.turn] {
        if (turn == device.turn) act(device);
    });
}

/// Checks the reason of an end against what the device did.
void World::check_end(Attempt& attempt, const ClosedEvent& event) {
    attempt.has_ended = true;
    attempt.ended_at = now();
    ++result_.ends;
    ++result_.ends_by_reason[std::string(to_string(event.reason))];
    const bool is_latest = attempt.device->latest() == &attempt;
    if (is_latest) plan_act(*attempt.device, dice_.between(reconnect_pause, 12 * reconnect_pause));
    const bool is_alive =
        !attempt.has_vanished && attempt.peer != nullptr && attempt.peer->state() == LinkState::connected;
    if (!attempt.allowed.contains(event.reason)) {
        violate(std::string(is_alive ? "P0: a living connection, " : "P2: ") + name_of(attempt) + ", ended as " +
                std::string(to_string(event.reason)) +
                (event.detail.empty() ? "" : " (" + std::string(event.detail) + ")") + ", last heard " +
                std::to_string(event.evidence.last_heard.count()) + " ms ago, " +
                std::to_string(event.evidence.unacked_bytes) + " bytes unacknowledged, window " +
                std::to_string(event.evidence.peer_window));
    }
    const bool is_complete = attempt.received == attempt.sent || attempt.has_outlived;
    if (attempt.is_orderly && event.reason == CloseReason::peer_closed && !is_complete) {
        violate("P6: " + name_of(attempt) + " sent " + std::to_string(attempt.sent) + " items and closed, " +
                std::to_string(attempt.received) + " came");
    }
    // The item amid which the process ended may have been counted or not.
    const std::uint64_t difference = std::max(event.items, attempt.received) - std::min(event.items, attempt.received);
    if (difference > attempt.uncounted) violate("P4: `closed` counts other items than came");
    if (event.reason == CloseReason::keepalive_expired &&
        (event.evidence.probes == 0 || event.evidence.unacked_bytes > 0))
        violate("P5: keepalive_expired with " + std::to_string(event.evidence.probes) + " probes and " +
                std::to_string(event.evidence.unacked_bytes) + " bytes unacknowledged: " + name_of(attempt));
    if (event.reason == CloseReason::retransmit_expired && event.evidence.unacked_bytes == 0)
        violate("P5: retransmit_expired without the evidence for it: " + name_of(attempt));
}

}  // namespace holdfast
