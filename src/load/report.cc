#include "load/report.h"

#include <array>
#include <cerrno>
#include <cstdio>

#include "text/json_writer.h"
#include "text/units.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr std::array<std::pair<const char*, double>, 3> percentiles{{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}}};

double seconds(milliseconds duration) { return static_cast<double>(duration.count()) / 1'000; }

double per_second(std::uint64_t count, milliseconds over) {
    return over.count() > 0 ? static_cast<double>(count) / seconds(over) : 0;
}

std::string fixed(double number, int digits) {
    std::array<char, 64> text{};
    const int length = std::snprintf(text.data(), text.size(), "%.*f", digits, number);
    return {text.data(), static_cast<std::size_t>(length)};
}

std::uint64_t all_failed(const LoadCounts& counts) {
    std::uint64_t sum = 0;
    for (const auto& [error, count] : counts.failed) sum += count;
    return sum;
}

/// Returns the remedy for the most frequent cause of failed connects, or an empty text.
std::string advice(const LoadCounts& counts, const LoadOptions& options) {
    const auto failed_by = [&](int error) { return counts.failed.contains(error); };
    if (failed_by(EADDRNOTAVAIL)) {
        return "EADDRNOTAVAIL: no free port, or no such local address; use more of them: --source 127.1.0.0/16 towards "
               "loopback";
    }
    if (failed_by(ECONNREFUSED))
        return "ECONNREFUSED: nothing listens on " + to_string(options.to) + ", or its queue is full";
    if (failed_by(EMFILE) || failed_by(ENFILE))
        return "EMFILE: no descriptors are left; raise the hard limit (ulimit -Hn)";
    return {};
}

void append_row(std::string& out, std::string_view name, const std::string& text) {
    out += name;
    out.append(name.size() < 16 ? 16 - name.size() : 1, ' ');
    out += text;
    out += '\n';
}

std::string failed_text(const LoadCounts& counts) {
    std::string text = std::to_string(all_failed(counts));
    for (const auto& [error, count] : counts.failed) text += ", " + error_name(error) + " " + std::to_string(count);
    return text;
}

std::string latency_text(const LatencyHistogram& latency) {
    std::string text;
    for (const auto& [name, share] : percentiles) {
        text += std::string(name) + " " + fixed(static_cast<double>(latency.percentile(share).count()) / 1'000, 2) +
                " ms, ";
    }
    return text + "longest " + fixed(static_cast<double>(latency.longest().count()) / 1'000, 2) + " ms";
}

std::uint64_t refused_connects(const LoadCounts& counts) {
    const auto found = counts.failed.find(ECONNREFUSED);
    return found == counts.failed.end() ? 0 : found->second;
}

std::uint64_t all_refused(const DownlinkCounts& downlinks) {
    std::uint64_t sum = 0;
    for (const auto& [status, count] : downlinks.refused) sum += count;
    return sum;
}

std::string refused_text(const DownlinkCounts& downlinks) {
    std::string text = std::to_string(all_refused(downlinks)) + " refused";
    const char* before = " (";
    for (const auto& [status, count] : downlinks.refused) {
        text += before + std::to_string(count) + " by status " + std::to_string(status);
        before = ", ";
    }
    return downlinks.refused.empty() ? text : text + ")";
}

void append_downlinks(std::string& out, const LoadReport& report) {
    const DownlinkCounts& downlinks = report.counts.downlinks;
    append_row(out, "downlinks",
               std::to_string(downlinks.asked) + " requested, " + std::to_string(downlinks.accepted) + " accepted, " +
                   refused_text(downlinks) + ", " + std::to_string(downlinks.unanswered) + " unanswered");
    append_row(out, "",
               std::to_string(downlinks.arrived) + " arrived, " + std::to_string(downlinks.lost) + " lost, " +
                   std::to_string(downlinks.acks) + " acknowledged");
    append_row(out, "downlink", latency_text(downlinks.latency));
    if (!report.downlink_trouble.empty()) append_row(out, "note", report.downlink_trouble);
}

void append_uplinks(std::string& out, const LoadReport& report) {
    const UplinkCounts& uplinks = report.counts.uplinks;
    append_row(out, "acknowledged",
               std::to_string(uplinks.acked) + " of " + std::to_string(uplinks.numbered) + " items (" +
                   fixed(per_second(uplinks.acked, report.elapsed), 0) + "/s), " + std::to_string(uplinks.repeated) +
                   " sent again, " + std::to_string(uplinks.nacks) + " refused, " + std::to_string(uplinks.gaps) +
                   " gaps");
    append_row(out, "ack", latency_text(uplinks.latency));
    if (uplinks.forgotten > 0) {
        append_row(out, "note",
                   std::to_string(uplinks.forgotten) +
                       " times the gateway lost acknowledged items; check that its spool was not replaced");
    }
}

std::string faults_text(const LoadCounts& counts) {
    std::string text;
    for (const Fault fault : all_faults) {
        const std::uint64_t count = counts.struck[static_cast<std::size_t>(fault)];
        if (fault == Fault::none || count == 0) continue;
        text += (text.empty() ? "" : ", ") + std::string(to_string(fault)) + " " + std::to_string(count);
    }
    return text;
}

void write_failed(JsonWriter& json, const LoadCounts& counts) {
    json.key("failed").begin_object().field("total", all_failed(counts));
    for (const auto& [error, count] : counts.failed) json.field(error_name(error), count);
    json.end_object();
}

void write_latency(JsonWriter& json, const LatencyHistogram& latency) {
    json.key("connect_latency_us").begin_object();
    for (const auto& [name, share] : percentiles) json.field(name, latency.percentile(share).count());
    json.field("longest", latency.longest().count()).end_object();
}

void write_rejected(JsonWriter& json, const LoadCounts& counts) {
    json.key("rejected").begin_object();
    json.field("bad_items", counts.bad_items).field("connections_refused", refused_connects(counts));
    json.field("connections_turned_away", counts.turned_away).end_object();
}

void write_latency_ms(JsonWriter& json, const LatencyHistogram& latency) {
    const auto in_ms = [](std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1'000; };
    json.key("latency_ms").begin_object();
    for (const auto& [name, share] : percentiles) json.field(name, in_ms(latency.percentile(share)));
    json.field("max", in_ms(latency.longest())).end_object();
}

void write_downlinks(JsonWriter& json, const LoadReport& report) {
    const DownlinkCounts& downlinks = report.counts.downlinks;
    json.key("downlinks").begin_object();
    json.field("asked", downlinks.asked).field("accepted", downlinks.accepted);
    json.key("refused").begin_object().field("total", all_refused(downlinks));
    for (const auto& [status, count] : downlinks.refused) json.field(std::to_string(status), count);
    json.end_object().field("unanswered", downlinks.unanswered);
    json.field("arrived", downlinks.arrived).field("lost", downlinks.lost).field("acks", downlinks.acks);
    write_latency_ms(json, downlinks.latency);
    json.key("trouble");
    report.downlink_trouble.empty() ? json.null() : json.value(report.downlink_trouble);
    json.end_object();
}

void write_uplinks(JsonWriter& json, const LoadReport& report) {
    const UplinkCounts& uplinks = report.counts.uplinks;
    json.key("acks").begin_object();
    json.field("numbered", uplinks.numbered).field("acked", uplinks.acked);
    json.field("unacked", uplinks.numbered - uplinks.acked);
    json.field("acked_per_s", per_second(uplinks.acked, report.elapsed)).field("repeated", uplinks.repeated);
    json.field("nacks", uplinks.nacks).field("gaps", uplinks.gaps).field("forgotten", uplinks.forgotten);
    write_latency_ms(json, uplinks.latency);
    json.end_object();
}

void write_faults(JsonWriter& json, const LoadCounts& counts) {
    json.key("faults").begin_object();
    for (const Fault fault : all_faults) {
        if (fault != Fault::none) json.field(to_string(fault), counts.struck[static_cast<std::size_t>(fault)]);
    }
    json.end_object();
}

}  // namespace

std::string progress_line(const LoadCounts& now, const LoadCounts& before, std::uint32_t wanted, milliseconds elapsed,
                          milliseconds since) {
    std::string line =
        fixed(seconds(elapsed), 0) + "s connected=" + std::to_string(now.connected) + "/" + std::to_string(wanted);
    line +=
        " items=" + std::to_string(now.items) + " (" + fixed(per_second(now.items - before.items, since), 0) + "/s)";
    line += " bytes=" + std::to_string(now.bytes_out) +
            " closed_by_peer=" + std::to_string(now.closed_by_peer + now.reset_by_peer);
    line += " reconnects=" + std::to_string(now.reconnects) + " failed=" + std::to_string(all_failed(now));
    if (now.uplinks.numbered > 0)
        line += " acked=" + std::to_string(now.uplinks.acked) + "/" + std::to_string(now.uplinks.numbered);
    if (now.downlinks.asked == 0) return line;
    return line + " downlinks=" + std::to_string(now.downlinks.arrived) + "/" + std::to_string(now.downlinks.asked);
}

std::string summary_text(const LoadReport& report, const LoadOptions& options) {
    const LoadCounts& counts = report.counts;
    std::string out;
    append_row(out, "ran",
               fixed(seconds(report.elapsed), 1) + " s" + (report.interrupted ? ", interrupted" : "") + ", seed " +
                   std::to_string(options.seed));
    append_row(out, "connected",
               std::to_string(counts.connects - counts.reconnects) + " of " + std::to_string(options.connections) +
                   " devices, " + std::to_string(counts.connected) + " at the end");
    append_row(out, "failed", failed_text(counts));
    append_row(out, "items sent",
               std::to_string(counts.items) + " (" + fixed(per_second(counts.items, report.elapsed), 0) + "/s), " +
                   std::to_string(counts.bad_items) + " of them bad, " + std::to_string(counts.items_missing) +
                   " missing");
    append_row(out, "rejected",
               std::to_string(counts.bad_items) + " bad items sent on purpose, " +
                   std::to_string(refused_connects(counts)) + " connections refused, " +
                   std::to_string(counts.turned_away) + " turned away within 1 s");
    append_row(out, "bytes", std::to_string(counts.bytes_out) + " out, " + std::to_string(counts.bytes_in) + " in");
    append_row(out, "ended by peer",
               std::to_string(counts.closed_by_peer) + " closed, " + std::to_string(counts.reset_by_peer) + " reset");
    append_row(out, "reconnects", std::to_string(counts.reconnects));
    append_row(out, "connect", latency_text(counts.connect_latency));
    if (options.downlinks_per_second > 0) append_downlinks(out, report);
    if (!options.session.empty()) append_uplinks(out, report);
    if (const std::string faults = faults_text(counts); !faults.empty()) append_row(out, "faults", faults);
    if (const std::string help = advice(counts, options); !help.empty()) append_row(out, "note", help);
    return out;
}

std::string summary_json(const LoadReport& report, const LoadOptions& options) {
    const LoadCounts& counts = report.counts;
    JsonWriter json;
    json.begin_object();
    json.field("complete", report.complete).field("interrupted", report.interrupted);
    json.field("elapsed_s", seconds(report.elapsed))
        .field("seed", options.seed)
        .field("connections", options.connections);
    json.field("connected", counts.connects - counts.reconnects).field("connected_at_end", counts.connected);
    json.field("reconnects", counts.reconnects).field("never_connected", counts.never_connected);
    write_failed(json, counts);
    json.field("items", counts.items).field("bad_items", counts.bad_items).field("items_missing", counts.items_missing);
    json.field("bytes_out", counts.bytes_out).field("bytes_in", counts.bytes_in);
    json.field("closed_by_peer", counts.closed_by_peer).field("reset_by_peer", counts.reset_by_peer);
    write_rejected(json, counts);
    write_latency(json, counts.connect_latency);
    if (options.downlinks_per_second > 0) write_downlinks(json, report);
    if (!options.session.empty()) write_uplinks(json, report);
    write_faults(json, counts);
    return json.end_object().take();
}

}  // namespace holdfast
