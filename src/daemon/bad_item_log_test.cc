#include "daemon/bad_item_log.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

BadItemRow bad_row(std::uint64_t number, const std::string& id, BadItem kind) {
    BadItemRow row;
    row.number = number;
    row.kind = kind;
    row.listener = "devices";
    row.id = id;
    row.head.assign("\x1b[2J");
    return row;
}

TEST(BadItemLog, WritesALineForEachDeviceAndKindAMinute) {
    BadItemPage page;
    std::uint64_t after = 0;
    Log log({.level = LogLevel::info, .format = LogFormat::text});
    BadItemLog lines(
        [&](const BadItemQuery& query) {
            after = query.after;
            return page;
        },
        log);
    const SteadyTime start{std::chrono::hours(1)};
    testing::internal::CaptureStderr();
    page = {.rows = {bad_row(3, "a", BadItem::not_json), bad_row(2, "b", BadItem::no_key),
                     bad_row(1, "a", BadItem::not_json)},
            .newest = 3};
    lines.report(start);
    page = {.rows = {bad_row(4, "a", BadItem::no_key)}, .newest = 4};
    lines.report(start + std::chrono::seconds(1));
    EXPECT_EQ(after, 3U);
    page = {.rows = {bad_row(5, "a", BadItem::not_json)}, .newest = 5};
    lines.report(start + BadItemLog::every);
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
    EXPECT_NE(text.find("held_since_last=1"), std::string::npos) << text;
    EXPECT_NE(text.find("x1b[2J"), std::string::npos) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace holdfast
