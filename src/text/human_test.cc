#include "text/human.h"

#include <limits>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Human, Counts) {
    EXPECT_EQ(human_count(0), "0");
    EXPECT_EQ(human_count(999), "999");
    EXPECT_EQ(human_count(1000), "1,000");
    EXPECT_EQ(human_count(123'456), "123,456");
    EXPECT_EQ(human_count(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(Human, Bytes) {
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.0 KiB");
    EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
    EXPECT_EQ(human_bytes(1536 * 1024), "1.5 MiB");
    EXPECT_EQ(human_bytes(std::numeric_limits<std::uint64_t>::max()), "16.0 EiB");
}

TEST(Human, Seconds) {
    EXPECT_EQ(human_seconds(0.4), "0.4s");
    EXPECT_EQ(human_seconds(61.4), "61.4s");
    EXPECT_EQ(human_seconds(312), "5m 12s");
    EXPECT_EQ(human_seconds(7380), "2h 3m");
    EXPECT_EQ(human_seconds(86400 * 12 + 3600 * 4 + 59), "12d 4h");
    EXPECT_EQ(human_seconds(-1), "?");
    EXPECT_EQ(human_seconds(std::numeric_limits<double>::quiet_NaN()), "?");
}

}  // namespace
}  // namespace holdfast
