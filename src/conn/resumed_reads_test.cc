#include "conn/resumed_reads.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ResumedReads, RemembersTheLatestUntilItIsForgotten) {
    ResumedReads resumed;
    EXPECT_EQ(resumed.since(1), Tick{});
    resumed.note(1, Tick{10});
    resumed.note(1, Tick{20});
    resumed.note(2, Tick{30});
    EXPECT_EQ(resumed.since(1), Tick{20});
    resumed.forget(1);
    resumed.forget(3);
    EXPECT_EQ(resumed.since(1), Tick{});
    EXPECT_EQ(resumed.since(2), Tick{30});
    EXPECT_EQ(resumed.size(), 1U);
}

}  // namespace
}  // namespace holdfast
