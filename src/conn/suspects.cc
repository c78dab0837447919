#include "conn/suspects.h"

#include <algorithm>

#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

// Longest delay of a check (100,000 suspects, 256 per slice), and so the longest time that a probe stays forced.
constexpr milliseconds latest_check{5'000};
constexpr milliseconds first_pause{1'000};

}  // namespace

void force_probe(Connection& connection) {
    force_probe(connection.fd);
    connection.probe_forced = true;
}

void end_forced_probe(Connection& connection, const LivenessPlan& plan, milliseconds silence) {
    connection.probe_forced = false;
    const std::chrono::seconds idle = keepidle_after_probe(plan, silence);
    set_keepidle(connection.fd, idle);
    connection.keepidle_moved = idle != plan.idle;
    if (connection.keepidle_moved && !connection.suspect) connection.under_watch = true;
}

void restore_keepidle(Connection& connection, const LivenessPlan& plan) {
    if (!connection.keepidle_moved || connection.probe_forced) return;
    set_keepidle(connection.fd, plan.idle);
    connection.keepidle_moved = false;
}

milliseconds suspect_probe_pause(const LivenessPlan& plan, milliseconds suspect_for) {
    return std::clamp(suspect_for / 4, first_pause, std::max(milliseconds(plan.interval), first_pause));
}

bool suspect_needs_probe(const LivenessPlan& plan, milliseconds silence) {
    const bool kernel_probes_soon = silence >= plan.idle && plan.interval <= first_pause;
    // The kernel's next probe, an interval after a forced one, must not reach the verdict either.
    return !kernel_probes_soon && silence + plan.interval + latest_check < plan.user_timeout;
}

void Suspects::mark(Connection& connection, Token number, SteadyTime now) {
    if (connection.suspect) return;
    connection.suspect = true;
    since_.emplace(number, now);
    due_.push_back({.number = number, .since = now, .at = now + check_every, .probed = now});
}

void Suspects::unmark(Connection& connection, Token number) {
    connection.suspect = false;
    since_.erase(number);
}

std::vector<Token> Suspects::all() const {
    std::vector<Token> numbers;
    numbers.reserve(since_.size());
    for (const auto& [number, since] : since_) numbers.push_back(number);
    return numbers;
}

bool Suspects::check(Due& due, Connection& connection, const LivenessPlan& plan, const Evidence& evidence,
                     SteadyTime now) {
    // At the mark the silence was at least a second, so a silence shorter than the time since plus half of that is new.
    // The margin absorbs the kernel's jiffies.
    if (evidence.last_heard < now - due.since + probe_not_needed_within / 2) return true;
    if (due.forced) {
        end_forced_probe(connection, plan, evidence.last_heard);
        due.forced = false;
    } else if (now - due.probed >= suspect_probe_pause(plan, std::chrono::floor<milliseconds>(now - due.since)) &&
               suspect_needs_probe(plan, evidence.last_heard)) {
        force_probe(connection.fd);
        due.forced = true;
        due.probed = now;
    }
    return false;
}

std::optional<SteadyTime> Suspects::step(Registry& registry, const PolicyTable& policies, SteadyTime now,
                                         std::size_t limit, const Answered& answered) {
    for (; limit > 0 && !due_.empty() && due_.front().at <= now; --limit) {
        Due due = due_.front();
        due_.pop_front();
        Connection* connection = registry.find(due.number);
        const auto marked = since_.find(due.number);
        if (connection == nullptr || marked == since_.end() || marked->second != due.since) continue;
        const auto facts = read_tcp_facts(connection->fd);
        const LivenessPlan& plan = policies.of(*connection, registry.slot_of(*connection)).plan;
        if (facts && check(due, *connection, plan, facts->evidence, now)) {
            unmark(*connection, due.number);  // first, so that the sweep watches a connection whose probes are put off
            end_forced_probe(*connection, plan, facts->evidence.last_heard);
            answered(*connection, facts->evidence);
            continue;
        }
        due.at = now + check_every;
        due_.push_back(due);
    }
    if (due_.empty()) return std::nullopt;
    return std::max(due_.front().at, now + slice_pause);
}

}  // namespace holdfast
