#include "alarm/listener_alarms.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "alarm/explain.h"
#include "alarm/losses.h"

namespace holdfast {
namespace {

constexpr std::uint64_t min_bad_items = 100;
constexpr double bad_share = 0.05;
constexpr double times_usual = 5;

Alarm alarm_of(AlarmKind kind, const ListenerStep& step) {
    Alarm alarm;
    alarm.kind = kind;
    alarm.listener = step.name;
    alarm.population_before = alarm.population_now = step.population;
    return alarm;
}

/// Sets cause and advice for items that break the listener's protocol.
void explain_malformed(Alarm& alarm) {
    alarm.cause = "The bytes break the rules of the listener's protocol: another protocol or release, or a defect.";
    alarm.advice = "Compare what they send, which holdfast bad shows, with the protocol and the length_field options.";
}

/// Sets cause and advice for bad items that are mostly of one kind.
void explain_kind(BadItem kind, Alarm& alarm) {
    switch (kind) {
        case BadItem::malformed:
            return explain_malformed(alarm);
        case BadItem::no_key:
            alarm.cause = "Items arrive without the key field: most likely a release with another name for it.";
            alarm.advice = "Compare one of their items with the option key in [item].";
            break;
        case BadItem::too_large:
        case BadItem::too_deep:
            alarm.cause = "Items exceed the limits: a release with larger items, or several items parsed as one.";
            alarm.advice = "Compare their size and depth with max_bytes and max_depth in [item], and their framing.";
            break;
        case BadItem::not_json:
        case BadItem::not_object:
        case BadItem::bad_utf8:
            alarm.cause =
                "The bytes are not JSON in the listener's framing: a release with another format, encoding "
                "or framing.";
            alarm.advice = "Compare what they send, which holdfast bad shows, with the listener's framing.";
            break;
        case BadItem::bad_hello:
        case BadItem::bad_seq:
            alarm.cause = "Devices send hellos or sequence numbers that violate docs/reference/protocol.md.";
            alarm.advice = "Compare their items with docs/reference/protocol.md; most likely they run a new release.";
            break;
    }
}

/// Explains why keep-alive did not find the connections.
struct KeepaliveCause {
    std::string_view summary;
    std::string_view cause;
    std::string_view advice;
};

constexpr KeepaliveCause bad_items_cause{
    "the devices send only bad items",
    "The devices send bytes, and none is a valid item: another framing, format or key field than the listener's. "
    "Keep-alive is not at fault.",
    "Compare what they send with the listener's framing and with [item]; holdfast_bad_items_total has the kinds."};
constexpr KeepaliveCause read_idle_cause{
    "read_idle is shorter than detect_within",
    "read_idle ends quiet connections before keep-alive can find out whether their devices live.",
    "Raise read_idle above detect_within and above the longest pause of the devices, or set it \"off\"."};
constexpr KeepaliveCause answered_cause{
    "another machine answers for the devices",
    "Probes are answered, and no data arrives. A proxy, NAT or balancer answers for lost devices, or the kernel of the "
    "device runs and its program hangs. Devices that pause for longer than read_idle end so, too.",
    "Use a balancer that passes TCP through, or rely on read_idle; restart a hung device program. Raise read_idle if "
    "such pauses are normal."};
constexpr KeepaliveCause no_probes_cause{
    "probes do not work here",
    "Connections were silent for longer than detect_within, and no probe ended them. Probes do not leave this host, or "
    "keep-alive has no effect on it.",
    "Compare the listener's plan with the socket options of living sockets (holdfast doctor). Look for a firewall on "
    "this host that drops packets without data."};

void explain_by(const KeepaliveCause& cause, Alarm& alarm) {
    alarm.summary += cause.summary;
    alarm.cause = cause.cause;
    alarm.advice = cause.advice;
}

}  // namespace

std::uint64_t ItemWatch::bad() const {
    const auto& sums = window_.sums();
    return std::accumulate(sums.begin(), sums.begin() + good, std::uint64_t{0});
}

bool ItemWatch::above(const Sample& sample, double factor) const {
    const auto count = static_cast<double>(bad());
    const double usual = usual_.in(sample.settings.window);
    const double all = count + static_cast<double>(window_.sums()[good]);
    return count >= factor * std::max(static_cast<double>(min_bad_items), times_usual * usual) &&
           count - usual >= factor * 8 * std::sqrt(usual + 1) && count >= factor * bad_share * all;
}

void ItemWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    WindowSum<bad_item_count + 1>::Counts counts{};
    std::copy(step.bad_items.begin(), step.bad_items.end(), counts.begin());
    counts[good] = step.items;
    window_.forget_until(sample.now - sample.settings.window);
    window_.add(sample.now, counts);
    usual_.add(std::accumulate(step.bad_items.begin(), step.bad_items.end(), std::uint64_t{0}));
    if (sample.minute_ended) usual_.end_minute();
    if (episode_.active()) {
        Alarm& alarm = episode_.alarm(sample.book);
        alarm.population_now = step.population;
        if (bad() > alarm.count) explain(sample, alarm);
        episode_.see(sample.book, sample.now, !above(sample, 0.3), sample.settings.window);
    } else if (above(sample, 1)) {
        Alarm alarm = alarm_of(AlarmKind::bad_items, step);
        explain(sample, alarm);
        episode_.raise(sample.book, std::move(alarm));
    }
}

void ItemWatch::explain(const Sample& sample, Alarm& alarm) const {
    const auto& sums = window_.sums();
    const auto max = std::max_element(sums.begin(), sums.begin() + good);
    const auto kind = static_cast<BadItem>(max - sums.begin());
    const auto has_bad = [](const auto& counts) {
        return std::any_of(counts.begin(), counts.begin() + good, [](std::uint64_t count) { return count > 0; });
    };
    constexpr std::chrono::seconds step{1};  // an entry has the bad items of the second before it
    alarm.count = bad();
    alarm.took = std::min<std::chrono::milliseconds>(
        sample.settings.window,
        std::chrono::round<std::chrono::milliseconds>(sample.now - window_.first(has_bad, sample.now) + step));
    alarm.summary = with_commas(alarm.count) + " bad items in " + in_words(alarm.took) + ", " +
                    percent_of(alarm.count, alarm.count + sums[good]) + " of all, " + percent_of(*max, alarm.count) +
                    " of them " + std::string(to_string(kind));
    explain_kind(kind, alarm);
}

void KeepaliveWatch::note(const Observation& observation, const LivenessPlan& plan) {
    const std::uint64_t missed_before = missed_in(noted_);
    switch (observation.reason) {
        case CloseReason::keepalive_expired:
        case CloseReason::unreachable:
            ++noted_[found];
            break;
        case CloseReason::read_idle:
            ++noted_[observation.bad_items                          ? only_bad_items
                     : observation.last_heard <= plan.detect_within ? answered_for
                                                                    : read_idle_unheard];
            break;
        case CloseReason::retransmit_expired:
            ++noted_[observation.last_heard > 2 * plan.detect_within ? retransmit_late : found];
            break;
        default:
            break;
    }
    if (missed_in(noted_) == missed_before) return;
    if (missed_ends_.size() == max_ends) missed_ends_.pop_front();
    missed_ends_.push_back(
        {observation.peer, observation.at, observation.at, observation.reason, observation.listener, observation.port});
}

std::uint64_t KeepaliveWatch::missed_in(const WindowSum<5>::Counts& counts) {
    return counts[answered_for] + counts[read_idle_unheard] + counts[retransmit_late] + counts[only_bad_items];
}

void KeepaliveWatch::forget_ends(CloseLog::Time before) {
    while (!missed_ends_.empty() && missed_ends_.front().at < before) missed_ends_.pop_front();
}

/// Returns whether one in a hundred of the population within ten minutes, and more than keep-alive finds, ended so.
bool KeepaliveWatch::above(const Sample& sample, const ListenerStep& step, double factor) const {
    const auto count = static_cast<double>(missed());
    const double min =
        std::max(static_cast<double>(sample.settings.drop_least), 0.01 * static_cast<double>(step.population));
    return count >= factor * min && count >= factor * static_cast<double>(window_.sums()[found]);
}

void KeepaliveWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    window_.forget_until(sample.now - window);
    forget_ends(sample.now - window);
    window_.add(sample.now, std::exchange(noted_, {}));
    if (episode_.active()) {
        Alarm& alarm = episode_.alarm(sample.book);
        alarm.population_now = step.population;
        if (missed() > alarm.count) explain(sample, step, alarm);
        episode_.see(sample.book, sample.now, !above(sample, step, 0.5), std::chrono::minutes(1));
    } else if (missed() >= sample.settings.drop_least && above(sample, step, 1)) {
        Alarm alarm = alarm_of(AlarmKind::keepalive_ineffective, step);
        explain(sample, step, alarm);
        episode_.raise(sample.book, std::move(alarm));
    }
}

void KeepaliveWatch::explain(const Sample& sample, const ListenerStep& step, Alarm& alarm) const {
    const auto& sums = window_.sums();
    alarm.count = missed();
    alarm.took = window;
    alarm.interval = AlarmInterval{sample.wall - window, sample.wall};
    put_members(alarm, {missed_ends_.begin(), missed_ends_.end()});
    alarm.reasons.clear();
    const std::size_t idle = sums[answered_for] + sums[read_idle_unheard] + sums[only_bad_items];
    if (idle > 0) alarm.reasons.push_back({CloseReason::read_idle, idle});
    if (sums[retransmit_late] > 0) alarm.reasons.push_back({CloseReason::retransmit_expired, sums[retransmit_late]});
    if (alarm.reasons.size() == 2 && alarm.reasons[0].count < alarm.reasons[1].count) {
        std::swap(alarm.reasons[0], alarm.reasons[1]);
    }
    alarm.summary = with_commas(alarm.count) + " in " + in_words(alarm.took) +
                    " ended by read_idle or late retransmission, " + with_commas(sums[found]) +
                    " found by keep-alive: ";
    explain_cause(step, alarm);
}

/// Sets cause and advice by what most of them have in common, and completes the summary.
void KeepaliveWatch::explain_cause(const ListenerStep& step, Alarm& alarm) const {
    const auto& sums = window_.sums();
    const bool is_short = step.read_idle && *step.read_idle < step.plan.detect_within;
    if (2 * sums[only_bad_items] >= alarm.count) return explain_by(bad_items_cause, alarm);
    if (is_short && 2 * sums[retransmit_late] < alarm.count) return explain_by(read_idle_cause, alarm);
    explain_by(2 * sums[answered_for] >= alarm.count ? answered_cause : no_probes_cause, alarm);
}

void AcceptWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    const bool paused = step.accept_paused || step.refused_descriptors > 0;
    if (!episode_.active()) {
        if (!paused) return;
        Alarm alarm = alarm_of(AlarmKind::accept_paused, step);
        alarm.summary = "no descriptors or memory to accept with, at " + with_commas(step.population) +
                        " connections: "
                        "devices wait in the backlog";
        alarm.cause = "The limit of descriptors (RLIMIT_NOFILE or fs.file-max) or of the kernel's memory is reached.";
        alarm.advice = "Raise LimitNOFILE, or set max_connections in [limits] below it; see holdfast doctor.";
        episode_.raise(sample.book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(sample.book);
    alarm.count += step.refused_descriptors;
    alarm.population_now = step.population;
    episode_.see(sample.book, sample.now, !paused, accepts_for);
}

}  // namespace holdfast
