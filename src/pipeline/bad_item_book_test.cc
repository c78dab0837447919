#include "pipeline/bad_item_book.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(BadItemHistory, KeepsTheLatestWithGrowingNumbersAndFilters) {
    BadItemHistory history;
    EXPECT_TRUE(history.find({}).rows.empty());
    for (std::size_t i = 0; i < bad_items_kept + 10; ++i) {
        BadItemRow row;
        row.kind = i % 2 == 0 ? BadItem::no_key : BadItem::not_json;
        row.id = i % 3 == 0 ? "third" : "";
        history.add(row);
    }
    BadItemQuery query;
    query.limit = 10'000;
    const BadItemPage all = history.find(query);
    ASSERT_EQ(all.rows.size(), bad_items_kept);
    EXPECT_EQ(all.newest, bad_items_kept + 10);
    EXPECT_EQ(all.rows.front().number, all.newest);
    EXPECT_EQ(all.rows.back().number, 11U);
    query.after = all.newest - 3;
    query.kind = BadItem::not_json;
    EXPECT_EQ(history.find(query).rows.size(), 2U);
    query = {};
    query.id = "third";
    query.limit = 1;
    EXPECT_EQ(history.find(query).rows.front().number, 1'009U);
}

TEST(BadItemBook, LimitsWhatTheHistoryTakesInASecondAndCountsAll) {
    BadItemHistory history;
    BadItemBook book(history);
    const SteadyTime start{std::chrono::hours(1)};
    unsigned taken = 0;
    for (Token connection = 1; connection <= 100; ++connection) {
        for (int i = 0; i < 20; ++i) taken += book.count(connection, {}, start) ? 1 : 0;
    }
    EXPECT_EQ(taken, BadItemBook::kept_per_reactor);
    EXPECT_EQ(book.find(1)->total(), 20U);
    EXPECT_EQ(history.find({}).left_out, 2'000U - taken);
    EXPECT_FALSE(book.count(1, {}, start + std::chrono::milliseconds(999)));
    EXPECT_TRUE(book.count(1, {}, start + std::chrono::seconds(1)));
    EXPECT_EQ(book.take(1)->total(), 22U);
    EXPECT_EQ(book.find(1), nullptr);
    EXPECT_EQ(book.take(1), nullptr);
}

TEST(WithoutSecret, EndsAtAWordThatNamesASecretHoweverItIsWritten) {
    using std::string_view_literals::operator""sv;
    struct Sample {
        std::string_view bytes, kept;
    };
    for (const auto& [bytes, kept] : {
             Sample{"{\"token\":\"S\"}", "{\"token"},
             {"{\"TOKEN\":\"S\"}", "{\"TOKEN"},
             {"{\"\\u0074oken\":\"S\"}", "{\"\\u0074oken"},
             {"{\"t\\u006F\\u004Ben\":\"S\"}", "{\"t\\u006F\\u004Ben"},
             {"{'token':'S'}", "{'token"},
             {"id=1&access_token=S", "id=1&access_token"},
             {"Authorization: Bearer S", "Authorization"},
             {"Bearer S", "Bearer"},
             {"{\"Password\":\"S\"", "{\"Password"},
             {"client_secret=S", "client_secret"},
             {"t\0o\0k\0e\0n\0=\0S\0"sv, "t\0o\0k\0e\0n"sv},
             {"{\"ip\":\"1\",\"\\u00", "{\"ip\":\"1\",\"\\u00"},
             {"\x10\x1f\0\4MQTT\4\xc2\0<\0\1a\0\1u\0\1S"sv, "\x10\x1f\0\4MQTT"sv},
             {"{\"tok", "{\"tok"},
             {"{\"tok en\":1}", "{\"tok en\":1}"},
             {"", ""},
         }) {
        EXPECT_EQ(without_secret(bytes), kept);
    }
}

}  // namespace
}  // namespace holdfast
