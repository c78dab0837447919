#include "conn/pending_probes.h"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(PendingProbes, EachIsCheckedThreeTimesAtMost) {
    PendingProbes list;
    const SteadyTime start{};
    list.add(1, start, 2s, true);
    list.add(2, start + 100ms, 2s, true);
    std::vector<Token> seen;
    const auto check = [&](std::chrono::milliseconds at, bool again) {
        list.due(start + at, [&](const PendingProbes::Pending& pending) {
            seen.push_back(pending.number);
            if (again) list.check_again(pending);
        });
    };
    check(399ms, true);
    EXPECT_TRUE(seen.empty());
    check(400ms, true);
    EXPECT_EQ(seen, (std::vector<Token>{1}));
    check(500ms, false);  // connection 2 has answered
    EXPECT_EQ(seen, (std::vector<Token>{1, 2}));
    check(1'500ms, true);
    check(5s, true);
    check(1h, true);
    EXPECT_EQ(seen, (std::vector<Token>{1, 2, 1, 1}));
}

TEST(PendingProbes, SaysWhenTheNextIsDue) {
    PendingProbes list;
    const SteadyTime start{};
    EXPECT_EQ(list.next_due(), SteadyTime::max());
    list.add(1, start + 100ms, 2s, true);
    list.add(2, start + 200ms, 2s, true);
    EXPECT_EQ(list.next_due(), start + 500ms);
    list.due(start + 700ms, [&](const PendingProbes::Pending& pending) { list.check_again(pending); });
    EXPECT_EQ(list.next_due(), start + 1'600ms);
}

}  // namespace
}  // namespace holdfast
