#include "load/load_counts.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::microseconds;

TEST(LatencyHistogram, NothingHasNoPercentiles) {
    const LatencyHistogram empty;
    EXPECT_EQ(empty.percentile(0.5), microseconds(0));
    EXPECT_EQ(empty.longest(), microseconds(0));
}

TEST(LatencyHistogram, SmallOnesAreExact) {
    LatencyHistogram histogram;
    for (int i = 1; i <= 60; ++i) histogram.observe(microseconds(i));
    EXPECT_EQ(histogram.percentile(0.5), microseconds(30));
    EXPECT_EQ(histogram.percentile(1), microseconds(60));
    EXPECT_EQ(histogram.percentile(0), microseconds(1));
}

TEST(LatencyHistogram, AllAreWithinTheirBucketOfTheSortedTruth) {
    const char* given = std::getenv("HOLDFAST_SEED");
    const unsigned seed =
        given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    LatencyHistogram parts[2];
    std::vector<std::int64_t> truth;
    for (int i = 0; i < 20'000; ++i) {
        const auto value = static_cast<std::int64_t>(random() >> (24 + random() % 40));
        truth.push_back(value);
        parts[i % 2].observe(microseconds(value));
    }
    std::sort(truth.begin(), truth.end());
    parts[0] += parts[1];
    EXPECT_EQ(parts[0].count(), truth.size());
    for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99, 1.0}) {
        const auto exact = static_cast<double>(truth[static_cast<std::size_t>(share * 20'000) - 1]);
        const auto told = static_cast<double>(parts[0].percentile(share).count());
        EXPECT_GE(told, exact) << share;
        EXPECT_LE(told, exact * (1 + 1.0 / 32) + 1) << share;
    }
}

TEST(LatencyHistogram, EndsOfTheScale) {
    LatencyHistogram histogram;
    histogram.observe(microseconds(-5));
    histogram.observe(microseconds(INT64_MAX));
    EXPECT_EQ(histogram.percentile(0.5), microseconds(0));
    EXPECT_EQ(histogram.count(), 2U);
}

}  // namespace
}  // namespace holdfast
