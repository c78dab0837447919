#include "conn/asked_list.h"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(AskedList, EachIsCheckedThreeTimesAtMost) {
    AskedList list;
    const SteadyTime start{};
    list.add(1, start, 2s, true);
    list.add(2, start + 100ms, 2s, true);
    std::vector<Token> seen;
    const auto look = [&](std::chrono::milliseconds at, bool again) {
        list.due(start + at, [&](const AskedList::Asked& asked) {
            seen.push_back(asked.number);
            if (again) list.look_again(asked);
        });
    };
    look(399ms, true);
    EXPECT_TRUE(seen.empty());
    look(400ms, true);
    EXPECT_EQ(seen, (std::vector<Token>{1}));
    look(500ms, false);  // connection 2 has answered
    EXPECT_EQ(seen, (std::vector<Token>{1, 2}));
    look(1'500ms, true);
    look(5s, true);
    look(1h, true);
    EXPECT_EQ(seen, (std::vector<Token>{1, 2, 1, 1}));
}

TEST(AskedList, SaysWhenTheNextIsDue) {
    AskedList list;
    const SteadyTime start{};
    EXPECT_EQ(list.next_due(), SteadyTime::max());
    list.add(1, start + 100ms, 2s, true);
    list.add(2, start + 200ms, 2s, true);
    EXPECT_EQ(list.next_due(), start + 500ms);
    list.due(start + 700ms, [&](const AskedList::Asked& asked) { list.look_again(asked); });
    EXPECT_EQ(list.next_due(), start + 1'600ms);
}

}  // namespace
}  // namespace holdfast
