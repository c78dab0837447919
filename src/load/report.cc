#include "load/report.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "base/json_writer.h"

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

/// "ECONNREFUSED"
std::string errno_name(int error) {
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : "errno " + std::to_string(error);
}

std::uint64_t all_failed(const LoadCounts& counts) {
    std::uint64_t sum = 0;
    for (const auto& [error, count] : counts.failed) sum += count;
    return sum;
}

/// What a person can do about the first cause of failed connects, or nothing.
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
    for (const auto& [error, count] : counts.failed) text += ", " + errno_name(error) + " " + std::to_string(count);
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
    for (const auto& [error, count] : counts.failed) json.field(errno_name(error), count);
    json.end_object();
}

void write_latency(JsonWriter& json, const LatencyHistogram& latency) {
    json.key("connect_latency_us").begin_object();
    for (const auto& [name, share] : percentiles) json.field(name, latency.percentile(share).count());
    json.field("longest", latency.longest().count()).end_object();
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
    return line + " reconnects=" + std::to_string(now.reconnects) + " failed=" + std::to_string(all_failed(now));
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
    append_row(out, "bytes", std::to_string(counts.bytes_out) + " out, " + std::to_string(counts.bytes_in) + " in");
    append_row(out, "ended by peer",
               std::to_string(counts.closed_by_peer) + " closed, " + std::to_string(counts.reset_by_peer) + " reset");
    append_row(out, "reconnects", std::to_string(counts.reconnects));
    append_row(out, "connect", latency_text(counts.connect_latency));
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
    write_latency(json, counts.connect_latency);
    write_faults(json, counts);
    return json.end_object().take();
}

}  // namespace holdfast
