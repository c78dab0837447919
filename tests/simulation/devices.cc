#include <algorithm>
#include <string>

#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

void World::act(ScriptedDevice& device) {
    if (is_over_) return;
    forget_old(device);
    Attempt* const attempt = device.latest();
    const bool is_open =
        attempt != nullptr && !attempt->has_ended && !attempt->has_vanished &&
        (attempt->peer->state() == LinkState::connected || attempt->peer->state() == LinkState::connecting);
    if (!is_open) {
        connect(device);
    } else if (attempt->peer->state() == LinkState::connected && !attempt->has_left) {
        follow_kind(device, *attempt);
    }
    const milliseconds pause = device.latest()->sent == 0 ? reconnect_pause : plan_.item_pause;
    plan_act(device, dice_.between(pause / 2, pause * 3 / 2));
}

/// Forgets connections that have ended on both sides.
void World::forget_old(ScriptedDevice& device) {
    std::erase_if(device.attempts, [this](const std::unique_ptr<Attempt>& attempt) {
        const bool was_never = !attempt->conn && attempt->peer->state() != LinkState::connected &&
                               attempt->peer->state() != LinkState::connecting && attempt->peer->link() == nullptr;
        if (!was_never && (!attempt->has_ended || now() - attempt->ended_at < 2min)) return false;
        attempts_.erase(attempt->from);
        return true;
    });
}

void World::connect(ScriptedDevice& device) {
    auto attempt = std::make_unique<Attempt>();
    attempt->device = &device;
    attempt->from = Endpoint{prefix_of(device.site).address, static_cast<std::uint16_t>(1'024 + device.connections++)};
    attempt->from.address.bytes[14] = static_cast<std::uint8_t>(device.index >> 8U);
    attempt->from.address.bytes[15] = static_cast<std::uint8_t>(device.index);
    attempts_[attempt->from] = attempt.get();
    attempt->kind = device.kind;
    const Site& site = plan_.sites[device.site];
    const LivenessPlan& plan = plan_.liveness;
    if (device.kind == Kind::quiet) attempt->allowed.add({CloseReason::read_idle});
    if (device.kind == Kind::staller) attempt->allowed.add({CloseReason::read_idle});
    if (device.kind == Kind::slow || device.kind == Kind::staller || device.kind == Kind::partial)
        attempt->allowed.add(memory_reasons);
    if (site.nat > 0ms && site.nat < plan.idle * 9 / 8 + 4 * site.delay + 2s) {
        attempt->allowed.add(network_reasons);
        attempt->allowed.add({CloseReason::read_idle, CloseReason::item_deadline});
    }
    if (cut_[device.site]) limit(*attempt, now());
    attempt->peer = std::make_unique<SimulatedPeer>(simulation_->tcp, listener_, attempt->from);
    if (device.kind == Kind::slow) attempt->peer->read_at(5'000 + dice_.below(20'000));
    if (device.kind == Kind::numbered || device.kind == Kind::impatient) {
        const bool is_numbered = device.kind == Kind::numbered;
        for (const auto& former : device.attempts) former->allowed.add({CloseReason::superseded});
        attempt->peer->send("{\"hello\":{\"id\":\"" + id_of(device) + "\"" + (is_numbered ? R"(,"session":"s")" : "") +
                            "}}\n");
        device.has_resumed = false;
    }
    device.left_at = now() + dice_.between(plan_.item_pause, 20 * plan_.item_pause);
    device.attempts.push_back(std::move(attempt));
}

bool World::is_due(ScriptedDevice& device, Attempt& attempt) { return now() >= device.left_at && attempt.sent > 0; }

void World::follow_kind(ScriptedDevice& device, Attempt& attempt) {
    const bool is_due_now = is_due(device, attempt);
    switch (device.kind) {
        case Kind::quiet:
            if (attempt.sent > 0) return;
            break;
        case Kind::numbered:
            return send_numbered(device, attempt);
        case Kind::sleeper:
            if (is_due_now) return sleep(device, attempt);
            break;
        case Kind::slow:
            for (std::size_t i = dice_.below(8); i > 0; --i) send_downlink(attempt, 1 + dice_.below(30'000));
            break;
        case Kind::staller:
            if (attempt.sent > 0 && !attempt.has_stalled) {
                attempt.has_stalled = true;
                attempt.allowed.add({CloseReason::window_stalled, CloseReason::read_idle});
                // Where its answers are lost it looks gone, behind its closed window.
                const bool is_lossy = plan_.sites[device.site].regime == Regime::lossy;
                if (is_lossy) attempt.allowed.add({CloseReason::retransmit_expired});
                attempt.peer->read_at(0);
            }
            send_downlink(attempt, 20'000);
            if (attempt.has_stalled) return;
            break;
        case Kind::vanisher:
            if (is_due_now) return vanish(attempt);
            break;
        case Kind::leaver:
            if (is_due_now) return leave(device, attempt);
            break;
        case Kind::impatient:
            if (is_due_now) {
                return connect(device);
            }
            break;
        case Kind::partial:
            if (attempt.has_stalled) return;
            if (attempt.sent > 0) {
                attempt.has_stalled = true;
                attempt.allowed.add({CloseReason::item_deadline, CloseReason::read_idle});
                return attempt.peer->send("{\"ip\":\"" + std::string(dice_.below(20'000), 'x'));
            }
            break;
        case Kind::garbage:
            attempt.allowed.add({CloseReason::too_many_bad_items, CloseReason::read_idle});
            if (attempt.sent > 0) return attempt.peer->send("no JSON\n");
            break;
        case Kind::sender:
            break;
    }
    if (dice_.chance(0.2)) send_downlink(attempt, 10 + dice_.below(200));
    send_item(device, attempt);
}

void World::send_item(ScriptedDevice& device, Attempt& attempt) {
    static_cast<void>(device);
    for (std::size_t i = dice_.chance(plan_.bursts) ? 1 + dice_.below(50) : 1; i > 0; --i)
        attempt.peer->send("{\"ip\":\"" + std::to_string(++attempt.sent) + "\"}\n");
}

/// Reads `resume` and `ack`, which must not exceed what is durable.
void World::read_answers(ScriptedDevice& device, Attempt& attempt) {
    const std::string& text = attempt.peer->received();
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        const std::string line = text.substr(begin, end - begin);
        const bool is_resume = line.starts_with("{\"resume\":");
        if (!is_resume && !line.starts_with("{\"ack\":")) continue;
        const std::uint64_t number = std::stoull(line.substr(line.find(':') + 1));
        if (number > ledger_.durable_of(id_of(device)))
            violate("P6: " + line + " to " + id_of(device) + ", whose durable items end before");
        if (number < device.acked) violate("P6: " + line + " takes an acknowledgement back");
        device.acked = std::max(device.acked, number);
        if (is_resume) {
            device.has_resumed = true;
            device.sent_up_to = number;
        }
    }
    attempt.peer->forget(begin);
}

void World::send_numbered(ScriptedDevice& device, Attempt& attempt) {
    read_answers(device, attempt);
    device.written += 1 + dice_.below(4);
    if (!device.has_resumed) return;
    while (device.sent_up_to < device.written) {
        const std::string number = std::to_string(++device.sent_up_to);
        attempt.peer->send("{\"ip\":\"" + id_of(device) + "/" + number + "\",\"seq\":" + number + "}\n");
        ++attempt.sent;
    }
    // An acknowledgement that comes at once must not be early.
    at(now() + 2 * plan_.sites[device.site].delay + 20ms, [this, &device, from = attempt.from] {
        Attempt* const later = find(from);
        if (later != nullptr && later == device.latest()) read_answers(device, *later);
    });
    if (is_due(device, attempt) && dice_.chance(0.3)) leave(device, attempt);
}

void World::send_downlink(Attempt& attempt, std::size_t bytes) {
    if (!attempt.conn || attempt.has_ended || is_paused()) return;
    static_cast<void>(gateway_->thread().context().send(*attempt.conn, "{\"do\":\"" + std::string(bytes, 'd') + "\"}"));
}

/// Ends the connection as a device does: by FIN, by FIN of one direction, or by RST.
void World::leave(ScriptedDevice& device, Attempt& attempt) {
    attempt.has_left = true;
    const Site& site = plan_.sites[device.site];
    const bool is_sure = site.regime == Regime::calm || site.regime == Regime::slow;
    switch (dice_.below(3)) {
        case 0:
            attempt.allowed.add({CloseReason::peer_closed, CloseReason::peer_reset});
            attempt.peer->close();
            break;
        case 1:
            attempt.allowed.add({CloseReason::peer_closed});
            attempt.is_orderly = is_sure;
            attempt.peer->half_close();
            break;
        default:
            attempt.allowed.add({CloseReason::peer_reset});
            attempt.peer->reset();
            if (!is_sure) {  // the reset may be lost
                attempt.has_vanished = true;
                limit(attempt, now());
            }
    }
    // The end itself may meet a fault: FIN is sent again, and its answer too.
    if (!is_sure) attempt.allowed.add({CloseReason::peer_reset});
}

void World::sleep(ScriptedDevice& device, Attempt& attempt) {
    const Regime regime = plan_.sites[device.site].regime;
    const milliseconds room = plan_.safe - 2 * plan_.sites[device.site].delay;
    if ((regime != Regime::calm && regime != Regime::slow) || room < 1s) return send_item(device, attempt);
    if (now() < device.slept_until + plan_.liveness.detect_within) return send_item(device, attempt);
    const milliseconds time = dice_.between(room / 4, room * 9 / 10);
    device.slept_until = now() + time;
    device.left_at = now() + dice_.between(plan_.item_pause, 10 * plan_.item_pause);
    attempt.cut_at = now();  // a probe may be in vain
    attempt.peer->sleep(time);
    if (dice_.chance(0.5)) send_downlink(attempt, 100);
}

void World::vanish(Attempt& attempt) {
    if (dice_.chance(0.3)) send_downlink(attempt, 100);
    attempt.has_vanished = true;
    attempt.peer->vanish();
    limit(attempt, now());
    const milliseconds bound = plan_.liveness.detect_within;
    if (dice_.chance(0.3))
        at(now() + dice_.between(0ms, bound), [this, from = attempt.from] {
            if (Attempt* const late = find(from)) send_downlink(*late, 100);
        });
}

/// Allows the ends of a peer that is silent from now on, and sets the time by which it must be found.
void World::limit(Attempt& attempt, SteadyTime cut_at) {
    attempt.cut_at = std::min(attempt.cut_at, cut_at);
    limited_.push_back(attempt.from);
    attempt.allowed.add(network_reasons);
    attempt.allowed.add({CloseReason::read_idle, CloseReason::item_deadline});
    const auto& stall = plan_.config.listeners[0].write_stall;
    const milliseconds bound = plan_.liveness.detect_within;
    // A handshake may be on its way.
    const milliseconds last_packet = plan_.sites[site_of(attempt.from)].delay * (attempt.conn ? 1 : 4);
    const bool may_be_held_up = attempt.has_stalled || attempt.kind == Kind::slow;
    attempt.must_end_by = cut_at + last_packet + bound + (may_be_held_up && stall ? *stall : 0ms) + 1s;
    attempt.stopped_before =
        stopped_ - std::max<std::chrono::nanoseconds>(std::max(sink_back_at_, continues_at_) - now(), 0ms);
}

}  // namespace holdfast
