#include "spool/open_book.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string line(const std::string& event, const std::string& conn, const std::string& more = {}) {
    return R"({"event":")" + event + R"(","conn":")" + conn + "\"" + more + "}\n";
}

TEST(OpenBook, AShortConnectionLeavesNothingBehind) {
    OpenBook book;
    book.note(line("connected", "1") + line("connected", "2") + line("item", "1") + line("closed", "1"), false);
    const auto& changes = book.begin_saving();
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_TRUE(changes.at("2").opened);
    EXPECT_EQ(changes.at("2").lines.connected + "\n", line("connected", "2"));
}

TEST(OpenBook, OneThatMayBeStoredIsDropped) {
    OpenBook book;
    book.note(line("connected", "1") + line("closed", "1"), true);
    EXPECT_TRUE(book.begin_saving().at("1").closed);
}

TEST(OpenBook, AConnectionThatReturnedToTheFleetWasOpenAllTheTime) {
    OpenBook book;
    book.note(line("connected", "1", R"(,"returned":true)"), false);
    EXPECT_TRUE(book.begin_saving().empty());
}

TEST(OpenBook, AFailedSaveIsRepeatedWithLaterChanges) {
    OpenBook book;
    book.note(line("connected", "1") + line("connected", "2") + line("connected", "3"), false);
    static_cast<void>(book.begin_saving());
    book.note(line("identified", "1") + line("closed", "2"), false);
    book.end_saving(false);
    const auto& changes = book.begin_saving();
    EXPECT_TRUE(changes.at("1").opened);
    EXPECT_FALSE(changes.at("1").lines.connected.empty());
    EXPECT_FALSE(changes.at("1").lines.identified.empty());
    EXPECT_TRUE(changes.at("2").closed);
    EXPECT_TRUE(changes.at("3").opened);
}

TEST(OpenBook, ANameThatComesAfterItsConnectionWasSavedIsAnUpdate) {
    OpenBook book;
    book.note(line("connected", "1"), false);
    static_cast<void>(book.begin_saving());
    book.end_saving(true);
    book.note(line("identified", "1"), false);
    const auto& change = book.begin_saving().at("1");
    EXPECT_FALSE(change.opened || change.closed);
    EXPECT_FALSE(change.lines.identified.empty());
}

}  // namespace
}  // namespace holdfast
