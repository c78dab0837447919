#include "load/load_counts.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "testing/seed.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr FaultShares mixed{0, 0.1, 0.2, 0.3, 0.05, 0.05};

TEST(Faults, SharesOfALargeFleetAreAsConfigured) {
    constexpr std::uint64_t devices = 200'000;
    std::array<std::uint64_t, fault_count> drawn{};
    for (std::uint64_t device = 0; device < devices; ++device)
        ++drawn[static_cast<std::size_t>(draw_fault(42, device, mixed))];
    EXPECT_NEAR(static_cast<double>(drawn[0]) / devices, 0.3, 0.01);
    for (std::size_t i = 1; i < fault_count; ++i)
        EXPECT_NEAR(static_cast<double>(drawn[i]) / devices, mixed[i], 0.01) << i;
}

TEST(Faults, TheSameSeedDrawsTheSameAndAnotherDoesNot) {
    unsigned different = 0;
    for (std::uint64_t device = 0; device < 1'000; ++device) {
        EXPECT_EQ(draw_fault(7, device, mixed), draw_fault(7, device, mixed));
        EXPECT_EQ(draw_strike(7, device, 1, 10s), draw_strike(7, device, 1, 10s));
        if (draw_strike(7, device, 1, 10s) != draw_strike(8, device, 1, 10s)) ++different;
    }
    EXPECT_GT(different, 900U);
}

TEST(Faults, StrikesLieWithinTheirTimeAndAllOverIt) {
    std::chrono::milliseconds earliest = 10s;
    std::chrono::milliseconds latest = 0s;
    for (std::uint64_t device = 0; device < 1'000; ++device) {
        const auto strike = draw_strike(7, device, 3, 10s);
        earliest = std::min(earliest, strike);
        latest = std::max(latest, strike);
    }
    EXPECT_GE(earliest, 0s);
    EXPECT_LT(earliest, 200ms);
    EXPECT_LT(latest, 10s);
    EXPECT_GT(latest, 9'800ms);
}

TEST(Faults, AllAndNothing) {
    for (std::uint64_t device = 0; device < 1'000; ++device) {
        EXPECT_EQ(draw_fault(1, device, FaultShares{0, 0, 1, 0, 0, 0}), Fault::reset);
        EXPECT_EQ(draw_fault(1, device, FaultShares{}), Fault::none);
    }
}

TEST(Faults, SharesThatCannotBeAreRefused) {
    EXPECT_TRUE(check_shares(mixed).ok());
    EXPECT_TRUE(check_shares(FaultShares{0, 0.2, 0.2, 0.2, 0.2, 0.2}).ok());
    EXPECT_FALSE(check_shares(FaultShares{0, 0.6, 0.6, 0, 0, 0}).ok());
    EXPECT_FALSE(check_shares(FaultShares{0, -0.1, 0, 0, 0, 0}).ok());
    const auto refused = check_shares(FaultShares{0, 0, 0, 1.5, 0, 0});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("stall"), std::string::npos);
}

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
    std::mt19937_64 random(test_seed());
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
