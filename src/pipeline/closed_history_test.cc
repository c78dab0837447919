#include "pipeline/closed_history.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

ClosedLife life(std::uint64_t number, const char* peer, CloseReason reason) {
    ClosedLife life;
    life.conn = {1, number};
    life.peer = parse_endpoint(peer).value();
    life.reason = reason;
    return life;
}

std::vector<std::uint64_t> numbers(const std::vector<ClosedLife>& lives) {
    std::vector<std::uint64_t> result;
    for (const ClosedLife& each : lives) result.push_back(each.conn.number);
    return result;
}

TEST(ClosedHistory, KeepsTheLatestAndListsTheNewestFirst) {
    ClosedHistory history(3);
    EXPECT_TRUE(history.find({}).empty());
    for (std::uint64_t n = 1; n <= 5; ++n) history.add(life(n, "10.0.0.1:1", CloseReason::peer_closed));
    EXPECT_EQ(numbers(history.find({})), (std::vector<std::uint64_t>{5, 4, 3}));
}

TEST(ClosedHistory, FiltersThenPages) {
    ClosedHistory history(100);
    for (std::uint64_t n = 1; n <= 10; ++n) {
        history.add(life(n, n % 2 == 0 ? "10.2.0.1:1" : "10.3.0.1:1",
                         n % 5 == 0 ? CloseReason::kicked : CloseReason::peer_reset));
    }
    ClosedQuery query;
    query.reason = CloseReason::kicked;
    EXPECT_EQ(numbers(history.find(query)), (std::vector<std::uint64_t>{10, 5}));
    query = {};
    query.peer = parse_prefix("10.2.0.0/16").value();
    query.offset = 1;
    query.limit = 2;
    EXPECT_EQ(numbers(history.find(query)), (std::vector<std::uint64_t>{8, 6}));
}

TEST(ClosedHistory, ADeviceIsFoundByItsId) {
    ClosedHistory history(100);
    for (std::uint64_t n = 1; n <= 4; ++n) {
        ClosedLife each = life(n, "10.2.0.1:1", CloseReason::superseded);
        each.id = n % 2 == 0 ? "even" : "odd";
        history.add(each);
    }
    ClosedQuery query;
    query.id = "even";
    EXPECT_EQ(numbers(history.find(query)), (std::vector<std::uint64_t>{4, 2}));
    query.id = "eve";
    EXPECT_TRUE(history.find(query).empty());
}

TEST(ClosedHistory, MayBeOff) {
    ClosedHistory history(0);
    history.add(life(1, "10.0.0.1:1", CloseReason::kicked));
    EXPECT_TRUE(history.find({}).empty());
}

}  // namespace
}  // namespace holdfast
