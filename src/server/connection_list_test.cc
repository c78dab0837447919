#include "server/connection_list.h"

#include <limits>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

ConnectionRow row(std::uint64_t number, std::uint64_t items) {
    ConnectionRow row;
    row.conn = {1, number};
    row.items = items;
    return row;
}

std::vector<std::uint64_t> numbers(const ConnectionPage& page) {
    std::vector<std::uint64_t> result;
    for (const ConnectionRow& each : page.rows) result.push_back(each.conn.number);
    return result;
}

TEST(ConnectionList, SortsAndPagesOverManyWithoutKeepingThem) {
    ConnectionQuery query;
    query.sort = ConnectionSort::items;
    query.offset = 2;
    query.limit = 3;
    ConnectionList list(query);
    for (std::uint64_t n = 0; n < 50'000; ++n) list.add(row(n, (n * 7'919) % 50'000));
    const ConnectionPage page = std::move(list).page();
    EXPECT_EQ(page.total, 50'000U);
    ASSERT_EQ(page.rows.size(), 3U);
    EXPECT_EQ(page.rows[0].items, 49'997U);
    EXPECT_EQ(page.rows[2].items, 49'995U);
}

TEST(ConnectionList, MergesThoseOfAllReactors) {
    ConnectionQuery query;
    query.sort = ConnectionSort::items;
    query.reverse = true;
    ConnectionList a(query);
    ConnectionList b(query);
    a.add(row(1, 30));
    a.add(row(2, 10));
    b.add(row(3, 20));
    a.merge(std::move(b));
    EXPECT_EQ(numbers(std::move(a).page()), (std::vector<std::uint64_t>{2, 3, 1}));
}

TEST(ConnectionList, TheOrderOfVisitsIsNotTheOrderOfAges) {
    using std::chrono::milliseconds;
    for (const ConnectionSort sort : {ConnectionSort::age, ConnectionSort::idle}) {
        ConnectionQuery query;
        query.sort = sort;
        ConnectionList list(query);
        ConnectionRow older = row(2, 0);
        older.connected_at = EventTime(milliseconds(1'000));
        older.age = older.since_item = milliseconds(100);
        ConnectionRow younger = row(1, 0);
        younger.connected_at = EventTime(milliseconds(1'001));
        younger.age = younger.since_item = milliseconds(300);  // visited 201 ms later
        list.add(younger);
        list.add(older);
        EXPECT_EQ(numbers(std::move(list).page()), (std::vector<std::uint64_t>{2, 1})) << to_string(sort);
    }
}

TEST(ConnectionList, PagesOfEqualRowsDoNotOverlap) {
    std::vector<std::uint64_t> seen;
    for (std::size_t offset = 0; offset < 10; offset += 3) {
        ConnectionQuery query;
        query.offset = offset;
        query.limit = 3;
        ConnectionList list(query);
        for (std::uint64_t n = 10; n > 0; --n) list.add(row(n, 0));
        for (const std::uint64_t number : numbers(std::move(list).page())) seen.push_back(number);
    }
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(ConnectionList, AnOffsetBehindTheEndIsAnEmptyPage) {
    ConnectionQuery query;
    query.offset = std::numeric_limits<std::size_t>::max();
    query.limit = std::numeric_limits<std::size_t>::max();
    ConnectionList list(query);
    list.add(row(1, 0));
    const ConnectionPage page = std::move(list).page();
    EXPECT_EQ(page.total, 1U);
    EXPECT_TRUE(page.rows.empty());
}

TEST(ConnectionSort, WordsRoundTrip) {
    for (const char* word : {"age", "idle", "items", "bad_items", "bytes_in", "bytes_out", "peer", "key"}) {
        ASSERT_TRUE(parse_connection_sort(word)) << word;
        EXPECT_EQ(to_string(*parse_connection_sort(word)), word);
    }
    EXPECT_EQ(parse_connection_sort("size"), std::nullopt);
}

}  // namespace
}  // namespace holdfast
