#include "api/metrics.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

/// A strict parser of the text format. Each family has HELP and TYPE before its samples, and no sample occurs twice.
class Exposition {
public:
    std::map<std::string, std::string> types;
    std::map<std::string, double> samples;  // keyed by the sample's name and labels as written

    explicit Exposition(const std::string& text) {
        EXPECT_TRUE(text.ends_with('\n'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            rest_ = line;
            EXPECT_TRUE(read_help() || read_type() || read_sample()) << "not a line of the text format: " << line;
        }
    }

private:
    bool take(std::string_view word) {
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    std::string take_name() {
        const std::size_t end =
            std::min(rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), rest_.size());
        const std::string name(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return name;
    }

    bool read_help() {
        if (!take("# HELP ")) return false;
        helped_ = take_name();
        const bool ours = helped_.starts_with("holdfast_") || helped_.starts_with("process_");
        return ours && take(" ") && rest_.size() > 10 && rest_.ends_with('.');
    }

    bool read_type() {
        if (!take("# TYPE ")) return false;
        family_ = take_name();
        EXPECT_EQ(family_, helped_) << "TYPE without HELP";
        const bool known = take(" ") && (rest_ == "counter" || rest_ == "gauge" || rest_ == "histogram");
        EXPECT_TRUE(types.emplace(family_, rest_).second) << family_ << " twice";
        return known;
    }

    /// Consumes name="value" with \\, \" and \n as the only escapes.
    bool take_label() {
        if (take_name().empty() || !take("=\"")) return false;
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() != '\\') {
                rest_.remove_prefix(1);
            } else if (!take("\\\\") && !take("\\\"") && !take("\\n")) {
                return false;
            }
        }
        return take("\"");
    }

    bool read_sample() {
        const std::string_view whole = rest_;
        const std::string name = take_name();
        check_name(name);
        if (take("{")) {
            do {
                if (!take_label()) return false;
            } while (take(","));
            if (!take("}")) return false;
        }
        const std::string key(whole.substr(0, whole.size() - rest_.size()));
        if (!take(" ")) return false;
        double value = -1;
        const char* const end = rest_.data() + rest_.size();
        const auto [stop, error] = std::from_chars(rest_.data(), end, value);
        EXPECT_TRUE(samples.emplace(key, value).second) << key << " twice";
        return error == std::errc{} && stop == end && (value >= 0 || rest_ == "NaN");
    }

    void check_name(const std::string& name) const {
        const bool histogram = types.at(family_) == "histogram";
        const std::set<std::string> parts{family_ + "_bucket", family_ + "_sum", family_ + "_count"};
        EXPECT_TRUE(histogram ? parts.contains(name) : name == family_) << name << " in " << family_;
    }

    std::string_view rest_;
    std::string helped_;
    std::string family_;
};

std::string everything(const ServerStatus& status, const WatchStatus& watch = {}, const SinkStatus& sink = {},
                       const ProcessStatus& process = {}) {
    return render_metrics({.status = status, .sink = &sink, .watch = &watch, .process = &process});
}

/// Returns the metrics of the generated page with their types: "| `holdfast_items_total{listener}` | counter | ...".
std::map<std::string, std::string> types_of_page() {
    std::map<std::string, std::string> types;
    const std::string page = metrics_page();
    const std::regex line("\n\\| `([a-z_]+)[^|]*` \\| (counter|gauge|histogram) \\|");
    for (std::sregex_iterator at(page.begin(), page.end(), line), end; at != end; ++at) types[(*at)[1]] = (*at)[2];
    return types;
}

TEST(Metrics, AreThoseOfThePageAndNoOther) {
    SinkStatus sink;
    sink.spool = SpoolStatus{};
    sink.spool->groups.push_back({});
    sink.nats = ForwarderStatus{};
    const WatchStatus watch;
    const ProcessStatus process;
    const AdminMeter admin;
    const ReloadMeter reloads;
    const FleetStatus fleet;
    const Exposition seen(render_metrics({.status = FakeControlPlane().status(),
                                          .sink = &sink,
                                          .watch = &watch,
                                          .process = &process,
                                          .admin = &admin,
                                          .reloads = &reloads,
                                          .fleet = &fleet}));
    EXPECT_EQ(seen.types, types_of_page());
    EXPECT_EQ(seen.types.at("holdfast_items_total"), "counter");
    EXPECT_EQ(seen.types.at("holdfast_spool_group_lag_events"), "gauge");
    EXPECT_EQ(seen.types.at("holdfast_detection_seconds"), "histogram");
}

TEST(Metrics, ValuesAndLabels) {
    ServerStatus status = FakeControlPlane().status();
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "a\"b\\c\nd";
    status.listeners[0].connections = 5;
    status.listeners[0].accepted = 1'234'567'890'123;
    status.listeners[0].refused[0] = 6;
    status.listeners[1].refused_descriptors = 7;
    status.listeners[1].found_late = 21;
    status.listeners[0].suspects = 27;
    status.listeners[1].recovered = 28;
    status.listeners[1].closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 8;
    status.listeners[1].bad_items[static_cast<std::size_t>(BadItem::no_key)] = 9;
    status.listeners[0].items = 10;
    status.listeners[0].identified = 23;
    status.listeners[1].acks = 24;
    status.listeners[0].repeated_items = 25;
    status.listeners[1].gaps = 26;
    status.listeners[1].unfinished_items = 29;
    status.listeners[1].left_over_bytes = 2'900;
    status.listeners[0].bytes_in = 1;
    status.listeners[1].bytes_in = 2;
    status.listeners[0].bytes_out = 3;
    status.listeners[1].bytes_out = 4;
    status.probes_alive = 11;
    status.probes_silent = 12;
    status.asked_ahead = 22;
    status.turns = {
        {}, {.longest = std::chrono::milliseconds(30), .longest_cpu = std::chrono::milliseconds(20), .long_turns = 4}};
    const SinkStatus sink{"file", 13, 14, 15, false, ""};
    const auto samples = Exposition(render_metrics({.status = status, .sink = &sink})).samples;
    const auto is = [&](const std::string& name, double value) {
        const auto found = samples.find("holdfast_" + name);
        ASSERT_NE(found, samples.end()) << name;
        EXPECT_EQ(found->second, value) << name;
    };
    is("connections{listener=\"devices\"}", 5);
    is("connections{listener=\"a\\\"b\\\\c\\nd\"}", 0);
    is("connections_accepted_total{listener=\"devices\"}", 1'234'567'890'123);
    is("connections_refused_total{listener=\"devices\",limit=\"max_connections\"}", 6);
    is("connections_refused_total{listener=\"a\\\"b\\\\c\\nd\",limit=\"descriptors\"}", 7);
    is("connections_closed_total{listener=\"a\\\"b\\\\c\\nd\",reason=\"peer_reset\"}", 8);
    is("suspect_connections{listener=\"devices\"}", 27);
    is("suspects_recovered_total{listener=\"a\\\"b\\\\c\\nd\"}", 28);
    is("found_late_total{listener=\"a\\\"b\\\\c\\nd\"}", 21);
    is("bad_items_total{listener=\"a\\\"b\\\\c\\nd\",kind=\"no_key\"}", 9);
    is("items_total{listener=\"devices\"}", 10);
    is("identified_connections{listener=\"devices\"}", 23);
    is("acks_total{listener=\"a\\\"b\\\\c\\nd\"}", 24);
    is("repeated_items_total{listener=\"devices\"}", 25);
    is("gaps_total{listener=\"a\\\"b\\\\c\\nd\"}", 26);
    is("unfinished_items_total{listener=\"a\\\"b\\\\c\\nd\"}", 29);
    is("left_over_bytes_total{listener=\"a\\\"b\\\\c\\nd\"}", 2'900);
    is("received_bytes_total", 3);
    is("sent_bytes_total", 7);
    is("probes_total{outcome=\"alive\"}", 11);
    is("probes_total{outcome=\"silent\"}", 12);
    is("asked_ahead_total", 22);
    is("reactor_turn_longest_seconds{reactor=\"1\",time=\"wall\"}", 0.03);
    is("reactor_turn_longest_seconds{reactor=\"1\",time=\"cpu\"}", 0.02);
    is("reactor_turn_longest_seconds{reactor=\"0\",time=\"cpu\"}", 0);
    is("reactor_long_turns_total{reactor=\"1\"}", 4);
    is("sink_events_total", 13);
    is("sink_lag_events", 14);
    for (const CloseReason reason : all_close_reasons) {
        EXPECT_TRUE(samples.contains("holdfast_connections_closed_total{listener=\"devices\",reason=\"" +
                                     std::string(to_string(reason)) + "\"}"));
    }
}

TEST(Metrics, HistogramsAreCumulativeAndSummedOverListeners) {
    ServerStatus status = FakeControlPlane().status();
    DurationHistogram one;
    for (std::size_t i = 2; i < one.counts.size(); ++i) one.counts[i] = 3;
    one.counts.back() = 4;
    one.sum_s = 100'000.75;
    status.listeners[0].duration = one;
    status.listeners[0].detection[static_cast<std::size_t>(CloseReason::keepalive_expired)] = one;
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "others";
    auto samples = Exposition(render_metrics({.status = status})).samples;
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_bucket{le=\"0.1\"}"), 0);
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_bucket{le=\"0.5\"}"), 6);
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_bucket{le=\"86400\"}"), 6);
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_bucket{le=\"+Inf\"}"), 8);
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_count"), 8);
    EXPECT_EQ(samples.at("holdfast_connection_duration_seconds_sum"), 200'001.5);
    EXPECT_EQ(samples.at("holdfast_detection_seconds_bucket{reason=\"keepalive_expired\",le=\"+Inf\"}"), 8);
    EXPECT_EQ(samples.at("holdfast_detection_seconds_count{reason=\"peer_closed\"}"), 0);
}

TEST(Metrics, BuildInfoNamesTheVersion) {
    const std::string text = render_metrics({.status = FakeControlPlane().status()});
    EXPECT_NE(text.find("holdfast_build_info{version=\"" + std::string(version()) + "\","), std::string::npos);
    EXPECT_EQ(text.find("holdfast_sink"), std::string::npos);
}

TEST(Metrics, TheSpoolAndItsGroups) {
    SinkStatus sink{.type = "spool"};
    sink.spool = {.id = "x",
                  .first = 5,
                  .last = 100,
                  .waiting_bytes = 7,
                  .commits = 8,
                  .file_bytes = 9,
                  .quarantined_rows = 1,
                  .quarantined_events = 3,
                  .read_error = "EIO",
                  .read_errors = 21,
                  .oldest = std::chrono::milliseconds(2'500),
                  .sessions = {.authenticated = 11,
                               .unauthenticated = 12,
                               .evicted_authenticated = 14,
                               .evicted_unauthenticated = 15,
                               .replaced = 16,
                               .max = 13},
                  .groups = {{.name = "billing", .position = 90, .required = true, .lag_events = 10},
                             {.name = "audit", .position = 100, .required = false, .lag_events = 0}},
                  .gateway_lost = 4};
    auto samples = Exposition(everything(FakeControlPlane().status(), {}, sink)).samples;
    EXPECT_EQ(samples.at("holdfast_spool_first_position"), 5);
    EXPECT_EQ(samples.at("holdfast_spool_last_position"), 100);
    EXPECT_EQ(samples.at("holdfast_spool_waiting_bytes"), 7);
    EXPECT_EQ(samples.at("holdfast_spool_commits_total"), 8);
    EXPECT_EQ(samples.at("holdfast_spool_file_bytes"), 9);
    EXPECT_EQ(samples.at("holdfast_spool_quarantined_events"), 3);
    EXPECT_EQ(samples.at("holdfast_spool_read_errors_total"), 21);
    EXPECT_EQ(samples.at("holdfast_spool_unreadable"), 1);
    EXPECT_EQ(samples.at("holdfast_spool_sessions{authenticated=\"true\"}"), 11);
    EXPECT_EQ(samples.at("holdfast_spool_sessions{authenticated=\"false\"}"), 12);
    EXPECT_EQ(samples.at("holdfast_spool_sessions_max"), 13);
    EXPECT_EQ(samples.at("holdfast_spool_sessions_evicted_total{authenticated=\"true\"}"), 14);
    EXPECT_EQ(samples.at("holdfast_spool_sessions_evicted_total{authenticated=\"false\"}"), 15);
    EXPECT_EQ(samples.at("holdfast_spool_sessions_replaced_total"), 16);
    EXPECT_EQ(samples.at("holdfast_spool_gateway_lost_total"), 4);
    EXPECT_EQ(samples.at("holdfast_spool_oldest_seconds"), 2.5);
    EXPECT_EQ(samples.at("holdfast_spool_group_lag_events{group=\"billing\"}"), 10);
    EXPECT_EQ(samples.at("holdfast_spool_group_lag_events{group=\"audit\"}"), 0);
}

TEST(Metrics, TheFleet) {
    const FleetStatus fleet{.closed_unauthenticated = 17, .dropped_unauthenticated = 18};
    const auto samples = Exposition(render_metrics({.status = FakeControlPlane().status(), .fleet = &fleet})).samples;
    EXPECT_EQ(samples.at("holdfast_fleet_closed_unauthenticated"), 17);
    EXPECT_EQ(samples.at("holdfast_fleet_dropped_unauthenticated_total"), 18);
}

TEST(Metrics, TheWatchAndWhatIsPaused) {
    ServerStatus status = FakeControlPlane().status();
    status.reading_paused = true;
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "others";
    status.listeners[1].accept_paused = true;
    WatchStatus watch;
    watch.alarms_active[static_cast<std::size_t>(AlarmKind::population_drop)] = 2;
    watch.registry_drift = 3;
    watch.suspicion = {.enabled = true, .suspicions = 4, .alive = 5, .silent = 6};
    SinkStatus sink;
    sink.error = "No space left on device";
    auto samples = Exposition(everything(status, watch, sink)).samples;
    EXPECT_EQ(samples.at("holdfast_reading_paused"), 1);
    EXPECT_EQ(samples.at("holdfast_accept_paused{listener=\"devices\"}"), 0);
    EXPECT_EQ(samples.at("holdfast_accept_paused{listener=\"others\"}"), 1);
    EXPECT_EQ(samples.at("holdfast_sink_failed"), 1);
    EXPECT_EQ(samples.at("holdfast_alarm_active{alarm=\"population_drop\"}"), 2);
    for (std::size_t kind = 0; kind < alarm_kind_count; ++kind) {
        const std::string word(to_string(static_cast<AlarmKind>(kind)));
        EXPECT_TRUE(samples.contains("holdfast_alarm_active{alarm=\"" + word + "\"}"));
    }
    EXPECT_EQ(samples.at("holdfast_registry_drift"), 3);
    EXPECT_EQ(samples.at("holdfast_suspicions_total"), 4);
    EXPECT_EQ(samples.at("holdfast_suspicion_probes_total{outcome=\"alive\"}"), 5);
    EXPECT_EQ(samples.at("holdfast_suspicion_probes_total{outcome=\"silent\"}"), 6);
    watch.registry_drift.reset();
    EXPECT_NE(everything(status, watch).find("\nholdfast_registry_drift NaN\n"), std::string::npos);
}

TEST(Metrics, OfThisProcess) {
    const auto read = [] {
        const ProcessStatus process = read_process_status();
        return Exposition(render_metrics({.status = FakeControlPlane().status(), .process = &process})).samples;
    };
    auto before = read();
    const auto now = static_cast<double>(::time(nullptr));
    EXPECT_GT(before.at("process_start_time_seconds"), now - 3600);
    EXPECT_LE(before.at("process_start_time_seconds"), now + 1);
    EXPECT_GT(before.at("process_resident_memory_bytes"), 1024 * 1024);
    EXPECT_LT(before.at("process_resident_memory_bytes"), 4.0 * 1024 * 1024 * 1024);
    const UniqueFd more(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(read().at("process_open_fds"), before.at("process_open_fds") + 1);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(before.at("process_max_fds"), static_cast<double>(limit.rlim_cur));
    EXPECT_GE(read().at("process_cpu_seconds_total"), before.at("process_cpu_seconds_total"));
    EXPECT_GT(before.at("process_cpu_seconds_total"), 0);
}

}  // namespace
}  // namespace holdfast
