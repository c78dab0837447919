#include "admin/metrics.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "admin/fake_control_plane.h"

namespace holdfast {
namespace {

/// A strict reading of the text format: every family with HELP then TYPE before its samples, no sample twice.
struct Exposition {
    std::map<std::string, std::string> types;
    std::map<std::string, double> samples;  // by name and labels, as they stand

    explicit Exposition(const std::string& text) {
        static const std::regex help("# HELP (holdfast_[a-z0-9_]+) \\S.*\\.");
        static const std::regex type("# TYPE (holdfast_[a-z0-9_]+) (counter|gauge|histogram)");
        static const std::regex sample(
            R"re((holdfast_[a-z0-9_]+)(\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\})? ([0-9][0-9.e+-]*))re");
        EXPECT_TRUE(text.ends_with('\n'));
        std::istringstream lines(text);
        std::string helped;
        std::string family;
        std::smatch match;
        for (std::string line; std::getline(lines, line);) {
            if (std::regex_match(line, match, help)) {
                helped = match[1];
            } else if (std::regex_match(line, match, type)) {
                family = match[1];
                EXPECT_EQ(family, helped) << "TYPE without HELP";
                EXPECT_TRUE(types.emplace(family, match[2]).second) << family << " twice";
            } else if (std::regex_match(line, match, sample)) {
                check_name(family, match[1]);
                EXPECT_TRUE(samples.emplace(match[1].str() + match[2].str(), std::stod(match[6])).second)
                    << line << " twice";
            } else {
                ADD_FAILURE() << "not a line of the text format: " << line;
            }
        }
    }

    void check_name(const std::string& family, const std::string& name) const {
        const bool histogram = types.at(family) == "histogram";
        const std::set<std::string> parts{family + "_bucket", family + "_sum", family + "_count"};
        EXPECT_TRUE(histogram ? parts.contains(name) : name == family) << name << " in " << family;
    }
};

TEST(Metrics, AreThoseOfTheContractAndNoOther) {
    const SinkStatus sink;
    const Exposition seen(render_metrics(FakeControlPlane().status(), &sink));
    const std::map<std::string, std::string> expected{{"holdfast_connections", "gauge"},
                                                      {"holdfast_connections_accepted_total", "counter"},
                                                      {"holdfast_connections_refused_total", "counter"},
                                                      {"holdfast_connections_closed_total", "counter"},
                                                      {"holdfast_connection_duration_seconds", "histogram"},
                                                      {"holdfast_detection_seconds", "histogram"},
                                                      {"holdfast_items_total", "counter"},
                                                      {"holdfast_bad_items_total", "counter"},
                                                      {"holdfast_received_bytes_total", "counter"},
                                                      {"holdfast_sent_bytes_total", "counter"},
                                                      {"holdfast_probes_total", "counter"},
                                                      {"holdfast_sink_events_total", "counter"},
                                                      {"holdfast_sink_lag_events", "gauge"},
                                                      {"holdfast_build_info", "gauge"}};
    EXPECT_EQ(seen.types, expected);
}

TEST(Metrics, ValuesAndLabels) {
    ServerStatus status = FakeControlPlane().status();
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "a\"b\\c";
    status.listeners[0].connections = 5;
    status.listeners[0].accepted = 1'234'567'890'123;
    status.listeners[0].refused_max_connections = 6;
    status.listeners[1].refused_descriptors = 7;
    status.listeners[1].closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 8;
    status.listeners[1].bad_items[static_cast<std::size_t>(BadItem::no_key)] = 9;
    status.listeners[0].items = 10;
    status.listeners[0].bytes_in = 1;
    status.listeners[1].bytes_in = 2;
    status.listeners[0].bytes_out = 3;
    status.listeners[1].bytes_out = 4;
    status.probes_alive = 11;
    status.probes_silent = 12;
    const SinkStatus sink{"file", 13, 14, 15, false, ""};
    const auto samples = Exposition(render_metrics(status, &sink)).samples;
    const auto is = [&](const std::string& name, double value) {
        const auto found = samples.find("holdfast_" + name);
        ASSERT_NE(found, samples.end()) << name;
        EXPECT_EQ(found->second, value) << name;
    };
    is("connections{listener=\"devices\"}", 5);
    is("connections{listener=\"a\\\"b\\\\c\"}", 0);
    is("connections_accepted_total{listener=\"devices\"}", 1'234'567'890'123);
    is("connections_refused_total{listener=\"devices\",limit=\"max_connections\"}", 6);
    is("connections_refused_total{listener=\"a\\\"b\\\\c\",limit=\"descriptors\"}", 7);
    is("connections_closed_total{listener=\"a\\\"b\\\\c\",reason=\"peer_reset\"}", 8);
    is("bad_items_total{listener=\"a\\\"b\\\\c\",kind=\"no_key\"}", 9);
    is("items_total{listener=\"devices\"}", 10);
    is("received_bytes_total", 3);
    is("sent_bytes_total", 7);
    is("probes_total{outcome=\"alive\"}", 11);
    is("probes_total{outcome=\"silent\"}", 12);
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
    auto samples = Exposition(render_metrics(status, nullptr)).samples;
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
    const std::string text = render_metrics(FakeControlPlane().status(), nullptr);
    EXPECT_NE(text.find("holdfast_build_info{version=\"" + std::string(version()) + "\","), std::string::npos);
    EXPECT_EQ(text.find("sink"), std::string::npos);
}

}  // namespace
}  // namespace holdfast
