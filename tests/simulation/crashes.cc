#include <algorithm>
#include <string>

#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// Crashes of the gateway's process and of its host's power, amid commits of its spool.

void World::plan_crash() {
    at(now() + dice_.between(20s, 5min), [this] { crash(); });
}

/// Ends the gateway without a word to its handler. Its spool keeps a state of the disk as of a random moment since the
/// latest promise. A crash of the process closes the connections, one of the power makes them silent.
void World::crash() {
    if (is_over_) return;
    const bool is_power = dice_.chance(0.6);
    is_down_ = true;
    ++life_;
    continues_at_ = sink_back_at_ = now();
    ++result_.crashes;
    if (is_power) simulation_->tcp.set_power(false);
    for (const auto& [from, attempt] : attempts_) {
        if (!attempt->conn || std::exchange(attempt->has_ended, true)) continue;
        attempt->ended_at = now();
        ++result_.ends;
        ++result_.ends_by_reason["(crash)"];
    }
    gateway_.reset();
    disk_->cut(is_power ? SpoolDisk::Cut::power : SpoolDisk::Cut::process, dice_.below(1U << 30U));
    at(now() + dice_.between(1s, 60s), [this] { restart(); });
}

void World::restart() {
    simulation_->tcp.set_power(true);
    const WallTime wall = simulation_->clock.wall();
    if (const std::string fault = disk_->open(wall); !fault.empty()) return violate("P6: after a crash: " + fault);
    check_spool();
    if (result_.violation) return;
    is_down_ = false;
    start_gateway(simulation_);
    plan_crash();
}

/// Reads the spool after a start or at the end: what was promised must be there, once and in order.
void World::check_spool() {
    const SpoolContent content = disk_->read();
    if (!content.fault.empty()) return violate("P6: " + content.fault);
    if (!content.open.empty())
        return violate("P2: " + std::to_string(content.open.size()) +
                       " connections have no `closed` in the spool, such as " + *content.open.begin());
    if (content.lines.size() < ledger_.told)
        return violate("P6: " + std::to_string(ledger_.told) + " events were durable, " +
                       std::to_string(content.lines.size()) + " are there");
    if (!std::equal(ledger_.lines.begin(), ledger_.lines.end(), content.lines.begin()))
        return violate("P6: an event has changed");
    check_items(content);
    ledger_.told = content.lines.size();
    ledger_.lines = content.lines;
}

void World::check_items(const SpoolContent& content) {
    for (const ScriptedDevice& device : devices_) {
        const std::string id = id_of(device);
        const auto found = content.last_item.find(id);
        const std::uint64_t last = found == content.last_item.end() ? 0 : found->second;
        if (last < device.acked)
            violate("P6: " + id + " has acknowledgements up to " + std::to_string(device.acked) +
                    ", the spool items up to " + std::to_string(last));
        if (last < ledger_.durable_of(id)) violate("P6: items of " + id + " that were durable are lost");
        if (last == 0) continue;
        ledger_.given[id] = ledger_.durable[id] = last;
    }
}

}  // namespace holdfast
