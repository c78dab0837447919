#include "alarm/explain.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "model/reason_row.h"

namespace holdfast {
namespace {

using Theme = ReasonTheme;
constexpr std::size_t theme_count = static_cast<std::size_t>(Theme::mixed) + 1;

/// Place of the ended connections.
enum class Spread : std::uint8_t { one_address, everyone, prefixes, all_over };

struct Verdict {
    Theme theme;
    std::array<bool, 4> spreads;  // by Spread
    std::string_view word;        // ends the summary
    std::string_view cause;
    std::string_view advice;
};

constexpr std::array<bool, 4> one_address{true, false, false, false};
constexpr std::array<bool, 4> everyone{false, true, false, false};
constexpr std::array<bool, 4> in_prefixes{false, false, true, false};
constexpr std::array<bool, 4> all_over{false, false, false, true};
constexpr std::array<bool, 4> any{true, true, true, true};

// The first matching row applies; "{}" is replaced by the place.
constexpr std::array verdicts{
    Verdict{Theme::silent, one_address, "a NAT or proxy is gone",
            "The NAT, VPN or proxy at {} lost power, its network or its state.",
            "Check the machine at {} and the path to it; its devices can reconnect only through it."},
    Verdict{Theme::silent, everyone, "the gateway's own network",
            "No peer answers, in any prefix: most likely the gateway's own network, link or firewall failed.",
            "Check this host first: its link, default route, firewall and conntrack table (holdfast doctor)."},
    Verdict{Theme::silent, in_prefixes, "a partition",
            "The network of {} is cut off: its peers fell silent together, without FIN or RST.",
            "Check the link, router or VPN of {}."},
    Verdict{Theme::silent, all_over, "a path that many share",
            "Peers with no prefix in common fell silent together: a provider, or a firewall, NAT or balancer that lost "
            "its state.",
            "Check what these connections share: a provider, a balancer, a firewall's table and its idle timeout."},
    Verdict{Theme::unreachable, any, "a route is lost",
            "A router on the path reports no route to {}: a route or a link was lost, or a firewall rule "
            "changed.",
            "Check the routes to {} (ip route get, traceroute) and recent firewall changes."},
    Verdict{Theme::reset, one_address, "the proxy or NAT restarted",
            "Everything behind {} was reset at once: the proxy, balancer or NAT there restarted or failed over.",
            "Check the log of the machine at {}; its devices should reconnect by themselves."},
    Verdict{Theme::reset, everyone, "a firewall or balancer reset them all",
            "Nearly every connection was reset at once: a firewall, balancer or NAT in front of the gateway restarted "
            "or lost its state.",
            "Check the machines in front of this gateway, and look for a changed address or rule there."},
    Verdict{Theme::reset, in_prefixes, "a restart there",
            "The devices of {} restarted together, or a firewall or NAT in front of them reset their connections.",
            "Look for a deploy, a power cut or a firewall that restarted at {}."},
    Verdict{Theme::reset, all_over, "a firewall or balancer",
            "Peers with no prefix in common were reset together: a firewall or balancer, or a release that restarts "
            "them.",
            "Check the balancers and firewalls that they share, and look for a release that was rolled out."},
    Verdict{Theme::closed, everyone, "a stop of the whole fleet",
            "Nearly all closed in an orderly way: an update or command for the whole fleet, or a name or balancer that "
            "now sends them elsewhere.",
            "Look for a release, and whether devices still resolve and reach this gateway's address."},
    Verdict{Theme::closed, any, "a deploy or stop that did not come back",
            "The devices of {} closed in an orderly way: a deploy, update or shutdown.",
            "Check the deploy of {}: the new version does not start, or does not reach this gateway."},
    Verdict{Theme::stalled, any, "devices stop reading",
            "Devices of {} answer, but do not read what is sent to them: their program hangs, or more is sent than "
            "they can read.",
            "Send less or slower, and check the devices' program; write_stall limits how long they may stall."},
    Verdict{Theme::idle, any, "connected but mute",
            "Devices of {} send no item: a hung program, or a machine on the path that answers for them.",
            "Check the devices' program; if quiet devices are normal, raise read_idle or set it \"off\"."},
    Verdict{Theme::framing, any, "another framing or format",
            "Devices of {} send bytes outside the listener's framing: most likely new firmware or another client.",
            "Compare what they send with the listener's framing; the detail of holdfast closed says what was wrong."},
    Verdict{
        Theme::tls, any, "a certificate",
        "Devices of {} fail in TLS: most likely a certificate, theirs or the gateway's, has expired or was changed.",
        "Check the detail of holdfast closed, and the expiry of the certificates on both sides."},
    Verdict{Theme::memory, any, "out of memory", "This process or its kernel had no memory for these connections.",
            "Check memory limits, net.ipv4.tcp_mem and the size of the buffers (holdfast doctor)."},
    Verdict{Theme::defect, any, "a defect of the gateway", "The gateway closed these connections because of a defect.",
            "Report it with the log and an example of holdfast closed."},
    Verdict{Theme::mixed, everyone, "several causes at once",
            "Nearly all ended, for different reasons: most likely the cause is close to this gateway.",
            "Check this host and the machines in front of it first."},
    Verdict{Theme::mixed, any, "several causes at once", "Connections of {} ended together for different reasons.",
            "Check the largest reason first: holdfast closed shows the evidence of each connection."},
};

Theme theme_of(const Alarm& alarm) {
    std::array<std::size_t, theme_count> counts{};
    for (const ReasonShare& share : alarm.reasons)
        counts[static_cast<std::size_t>(row_of(share.reason).theme)] += share.count;
    // A router reports some connections of a prefix that is cut off.
    auto& silent = counts[static_cast<std::size_t>(Theme::silent)];
    auto& unreachable = counts[static_cast<std::size_t>(Theme::unreachable)];
    (silent >= unreachable ? silent : unreachable) = silent + unreachable;
    if (alarm.of_bad_items)  // they are not mute: their bytes are of another form
        counts[static_cast<std::size_t>(Theme::framing)] +=
            std::exchange(counts[static_cast<std::size_t>(Theme::idle)], 0);
    const auto max = std::max_element(counts.begin(), counts.end());
    return 5 * *max >= 3 * alarm.count ? static_cast<Theme>(max - counts.begin()) : Theme::mixed;
}

std::size_t named_dead(const Alarm& alarm) {
    std::size_t dead = 0;
    for (const PrefixShare& share : alarm.prefixes) dead += share.dead;
    return dead;
}

Spread spread_of(const Alarm& alarm) {
    const bool named = !alarm.prefixes.empty() && 5 * named_dead(alarm) >= 4 * alarm.count;
    if (named && alarm.prefixes.size() == 1 && alarm.prefixes[0].prefix.bits == 128) return Spread::one_address;
    if (5 * alarm.count >= 4 * alarm.population_before) return Spread::everyone;
    return named ? Spread::prefixes : Spread::all_over;
}

std::string name_of(const Prefix& prefix) { return prefix.bits == 128 ? to_string(prefix.address) : to_string(prefix); }

std::string names_of(const std::vector<PrefixShare>& prefixes) {
    std::string names = name_of(prefixes[0].prefix);
    if (prefixes.size() == 2) return names + " and " + name_of(prefixes[1].prefix);
    if (prefixes.size() > 2) names += " and " + std::to_string(prefixes.size() - 1) + " more prefixes";
    return names;
}

std::string where(const Alarm& alarm, Spread spread) {
    if (alarm.prefixes.empty() || spread == Spread::all_over) return "many networks";
    return names_of(alarm.prefixes);
}

std::string where_in_summary(const Alarm& alarm, Spread spread) {
    if (alarm.prefixes.empty()) return spread == Spread::everyone ? "everywhere" : "all over";
    const std::string names = names_of(alarm.prefixes);
    const std::size_t dead = named_dead(alarm);
    if (spread == Spread::all_over) return percent_of(dead, alarm.count) + " of them in " + names;
    std::size_t alive = 0;
    for (const PrefixShare& share : alarm.prefixes) alive += share.alive;
    const std::string share = alive == 0 ? "all" : percent_of(dead, dead + alive);
    return share + (spread == Spread::one_address ? " behind " : " of ") + names;
}

/// Returns e.g. "6.1 s", or "2 min" for a long duration.
std::string in_tenths(std::chrono::milliseconds duration) {
    if (duration >= std::chrono::minutes(2)) return in_words(duration);
    const auto tenths = (duration.count() + 50) / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

const Verdict& verdict_of(Theme theme, Spread spread) {
    return *std::find_if(verdicts.begin(), verdicts.end(), [&](const Verdict& row) {
        return row.theme == theme && row.spreads[static_cast<std::size_t>(spread)];
    });
}

std::string filled(std::string_view text, const std::string& place) {
    std::string out(text);
    for (std::size_t at = out.find("{}"); at != std::string::npos; at = out.find("{}")) out.replace(at, 2, place);
    return out;
}

/// Returns e.g. "412 of 412 answered again after 6.1 s" or "300 of 412 answered again, 112 do not answer".
std::string silence_summary(const SilentPeers& silent, std::size_t count, std::size_t ended) {
    if (silent.suspects == count) return with_commas(count) + " fell silent together and do not answer";
    const std::string of_all = " of " + with_commas(count);
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (silent.recovered > 0) {
        add(with_commas(silent.recovered) + of_all + " answered again after " + in_tenths(silent.lasted));
    }
    if (silent.suspects > 0) add(with_commas(silent.suspects) + (text.empty() ? of_all : "") + " do not answer");
    if (ended > 0) add(with_commas(ended) + (text.empty() ? of_all : "") + " ended");
    return text;
}

void explain_end_of_silence(Alarm& alarm, const std::string& place, std::size_t ended) {
    alarm.cause =
        alarm.silent->recovered > 0
            ? "The silence has ended: the path to " + place + " was interrupted, or too slow for an answer in time."
            : "No suspect of " + place + " has answered again: each ended by its own plan, or by its operator.";
    alarm.advice = "No action is needed: no connection was closed because of it.";
    if (ended > 0) {
        alarm.advice =
            "Connections that never answered were closed after their detect_within; holdfast closed lists them with "
            "the "
            "kernel's evidence.";
    }
}

}  // namespace

std::string with_commas(std::size_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return text;
}

std::string in_words(std::chrono::milliseconds duration) {
    const auto seconds = (duration.count() + 500) / 1'000;
    if (duration < std::chrono::seconds(1)) return "under 1 s";
    return seconds < 120 ? std::to_string(seconds) + " s" : std::to_string((seconds + 30) / 60) + " min";
}

std::string percent_of(std::size_t part, std::size_t whole) {
    if (whole == 0 || part >= whole) return "100 %";
    const std::size_t percent = (200 * part + whole) / (2 * whole);
    return std::to_string(std::min<std::size_t>(percent, 99)) + " %";
}

std::string in_words(const std::vector<LinkOutage>& links) {
    std::string words;
    for (const LinkOutage& link : links) words += (words.empty() ? "" : ", ") + link.interface + " " + link.why;
    return words;
}

void explain_drop(Alarm& alarm, bool not_back) {
    const Spread spread = spread_of(alarm);
    const Verdict* const verdict = &verdict_of(theme_of(alarm), spread);
    alarm.summary = with_commas(alarm.count) + " in " + in_words(alarm.took);
    if (!alarm.reasons.empty()) {
        const ReasonShare& main = alarm.reasons.front();
        alarm.summary += main.count >= alarm.count ? ", all " : ", " + percent_of(main.count, alarm.count) + " ";
        alarm.summary += to_string(main.reason);
    }
    alarm.summary += ", " + where_in_summary(alarm, spread) + (not_back ? ", not back: " : ": ");
    alarm.summary += verdict->word;
    const std::string place = where(alarm, spread);
    alarm.cause = filled(verdict->cause, place);
    if (not_back) alarm.cause += " The devices have not reconnected in their usual time.";
    alarm.advice = filled(verdict->advice, place);
}

void explain_silence(Alarm& alarm, const std::vector<LinkOutage>& links) {
    const SilentPeers& silent = *alarm.silent;
    const Spread spread = spread_of(alarm);
    const Verdict& verdict = verdict_of(Theme::silent, spread);
    const std::string place = where(alarm, spread);
    const std::size_t ended = alarm.count - std::min(alarm.count, silent.suspects + silent.recovered);
    alarm.summary = silence_summary(silent, alarm.count, ended) + ", " + where_in_summary(alarm, spread);
    if (silent.suspects > 0)
        alarm.summary += links.empty() ? ": " + std::string(verdict.word) : ": the gateway's own link";
    if (silent.times > 1) alarm.summary += "; " + with_commas(silent.times) + " times since the alarm was raised";
    if (silent.suspects == 0) return explain_end_of_silence(alarm, place, ended);
    alarm.cause = filled(verdict.cause, place);
    if (!links.empty()) alarm.cause = "The gateway's own link is down: " + in_words(links) + ".";
    const bool in_one = alarm.prefixes.size() == 1 && (spread == Spread::one_address || spread == Spread::prefixes);
    const std::string peer = in_one ? " --peer " + to_string(alarm.prefixes[0].prefix) : std::string();
    alarm.advice = "holdfast list --suspect" + peer + " names them, holdfast probe" +
                   (in_one ? peer : std::string(" --all")) +
                   " probes them now; none is closed before its detect_within. " + filled(verdict.advice, place);
}

}  // namespace holdfast
