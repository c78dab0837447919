#include "load/device.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

SteadyTime at(std::chrono::milliseconds time) { return SteadyTime{} + time; }

TEST(Unacked, AnAckCoversWhatIsNewAndTimesEachItem) {
    Unacked unacked;
    LatencyHistogram latency;
    unacked.made(10, at(0ms));
    unacked.made(11, at(5ms));
    EXPECT_EQ(unacked.acknowledge(4, at(10ms), latency), 4U);
    EXPECT_EQ(unacked.acknowledge(4, at(11ms), latency), 0U) << "told twice";
    EXPECT_EQ(unacked.acknowledge(2, at(11ms), latency), 0U) << "never less";
    EXPECT_EQ(unacked.acknowledge(11, at(20ms), latency), 7U);
    EXPECT_EQ(unacked.count(), 0U);
    EXPECT_EQ(latency.count(), 11U);
    EXPECT_EQ(latency.longest(), 20ms);
    EXPECT_NEAR(static_cast<double>(latency.percentile(0.3).count()), 10'000, 400);
}

TEST(Unacked, ARepetitionKeepsItsFirstTime) {
    Unacked unacked;
    LatencyHistogram latency;
    unacked.made(3, at(0ms));
    unacked.made(2, at(50ms));
    unacked.made(3, at(60ms));
    EXPECT_EQ(unacked.acknowledge(3, at(100ms), latency), 3U);
    EXPECT_EQ(latency.percentile(0), latency.longest());
    EXPECT_EQ(latency.longest(), 100ms);
}

TEST(Unacked, AnAckOfMoreThanWasMadeCoversWhatWas) {
    Unacked unacked;
    LatencyHistogram latency;
    EXPECT_EQ(unacked.acknowledge(9, at(0ms), latency), 0U);
    unacked.made(3, at(0ms));
    EXPECT_EQ(unacked.acknowledge(9, at(1ms), latency), 3U);
    EXPECT_EQ(unacked.acked(), 3U);
}

TEST(Unacked, ALongQueueOfBatchesIsWorkedOffInOrder) {
    Unacked unacked;
    LatencyHistogram latency;
    std::uint64_t covered = 0;
    for (std::uint64_t seq = 1; seq <= 5'000; ++seq) {
        unacked.made(seq, at(0ms));
        if (seq % 3 == 0) covered += unacked.acknowledge(seq / 2, at(1ms), latency);
    }
    covered += unacked.acknowledge(5'000, at(1ms), latency);
    EXPECT_EQ(covered, 5'000U);
    EXPECT_EQ(latency.count(), 5'000U);
}

}  // namespace
}  // namespace holdfast
