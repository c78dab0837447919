#include "load/faults.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace holdfast
