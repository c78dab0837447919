#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/keeper_page.h"
#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

/// Returns a copy of the kept state, as of now.
UniqueFd copy_of(int state, SteadyTime now) {
    struct stat file {};
    UniqueFd copy(::memfd_create("kept", MFD_CLOEXEC));
    std::vector<char> bytes(::fstat(state, &file) == 0 ? static_cast<std::size_t>(file.st_size) : 0);
    const auto size = static_cast<ssize_t>(bytes.size());
    const KeeperPage page{.worker_ended_ns = std::chrono::nanoseconds(now.time_since_epoch()).count(), .workers = 1};
    const bool is_copied = ::pread(state, bytes.data(), bytes.size(), 0) == size &&
                           ::pwrite(copy.get(), bytes.data(), bytes.size(), 0) == size &&
                           ::pwrite(copy.get(), &page, sizeof page, 0) == sizeof page;
    if (is_copied) return copy;
    std::perror("cannot copy the kept state");
    std::abort();
}

}  // namespace

// Crashes of the gateway's process under a keeper, at any event: its connections live on.

void World::plan_kept_crash() {
    const milliseconds pause = dice_.chance(0.2) ? dice_.between(0ms, 2s) : dice_.between(10s, 5min);
    at(now() + pause, [this, life = life_] {
        crash_is_due_ = !is_over_;
        at(now() + dice_.between(0s, 30s), [this, life] {
            if (!crash_is_due_ || life != life_ || is_over_) return;
            die(nullptr);  // between two turns
            gateway_.reset();
        });
    });
}

bool World::crash_here(const Endpoint& peer) {
    if (!crash_is_due_ || is_over_ || is_paused() || !dice_.chance(0.4)) return false;
    die(&peer);
    return true;
}

/// Ends the process at this instruction. The rest of the turn has no effect.
void World::die(const Endpoint* peer) {
    crash_is_due_ = false;
    ++result_.crashes;
    note_death(peer);
    kept_ = copy_of(kept_.get(), now());
    is_down_ = true;
    ++life_;
    simulation_->tcp.set_process(false);
    const milliseconds down =
        dice_.chance(0.8) ? dice_.between(20ms, 3s) : dice_.between(1s, plan_.liveness.detect_within);
    continues_at_ = std::max(continues_at_, now() + down);
    sink_back_at_ = std::min(sink_back_at_, now());
    stopped_ += down;
    at(now() + down, [this] { restart_kept(); });
}

/// Notes what the crash takes away: events of ends, and bytes that were read.
void World::note_death(const Endpoint* peer) {
    for (const auto& [from, attempt] : attempts_) {
        if (attempt->has_ended) continue;
        const bool is_worked_on = peer != nullptr && *peer == from;
        if (!attempt->conn && is_worked_on) {  // with its first bytes
            attempt->has_outlived = attempt->is_in_doubt = true;
            ++attempt->uncounted;
            attempt->allowed.add({CloseReason::gateway_crashed});
        }
        if (!attempt->conn) continue;
        const Connection* const connection = gateway_->shard().registry().find(attempt->conn->number);
        if (connection == nullptr) {
            attempt->has_ended = true;
            attempt->ended_at = now();
            ++result_.ends;
            ++result_.ends_by_reason["(crash)"];
            if (attempt->device->latest() == attempt) plan_act(*attempt->device, reconnect_pause);
            continue;
        }
        attempt->has_outlived = true;
        if (is_worked_on) ++attempt->uncounted;
        if (is_worked_on || connection->unfinished) attempt->is_in_doubt = true;
        // Without its first item, the gateway cannot know whether the device waits for the answer to a hello.
        const bool may_have_lost_hello = attempt->is_in_doubt && attempt->received == 0;
        if (connection->downlink || may_have_lost_hello) attempt->allowed.add({CloseReason::gateway_crashed});
    }
}

std::unique_ptr<KeptState> World::open_kept() {
    if (kept_.get() < 0) return nullptr;
    auto kept = KeptState::open(kept_.get());
    if (kept) return std::move(kept).value();
    violate("P8: " + kept.error().message);
    return nullptr;
}

void World::restart_kept() {
    auto kept = open_kept();
    if (kept == nullptr) return;
    std::unordered_set<ConnectionId> known;
    for (const auto& [from, attempt] : attempts_) {
        if (attempt->conn) known.insert(*attempt->conn);
    }
    std::vector<ConnectionId> unreported;
    kept->each_connection([](std::string_view) { return true; },
                          [&](ConnectionId id) {
                              if (!known.contains(id)) unreported.push_back(id);
                          });
    for (const ConnectionId id : unreported) kept->report_again(id);
    ledger_.given = ledger_.durable;  // the sink had no more
    const SteadyTime latest = now() + plan_.liveness.detect_within + 1s;
    for (const Endpoint& from : limited_) {
        Attempt* const attempt = find(from);
        if (attempt != nullptr && is_reloaded_) attempt->must_end_by = std::max(attempt->must_end_by, latest);
    }
    is_down_ = false;
    start_gateway(simulation_, std::move(kept));
    plan_kept_crash();
}

}  // namespace holdfast
