#include "conn/connection.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(UnfinishedItem, KeepsWhatWasAppended) {
    UnfinishedItemPtr item;
    std::string expected;
    for (int i = 0; i < 1'000; ++i) {
        const std::string piece(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
        ASSERT_TRUE(append(item, piece));
        expected += piece;
    }
    EXPECT_EQ(std::string(item->bytes().data(), item->bytes().size()), expected);
}

TEST(UnfinishedItem, KeepsItsNotesWhenItGrows) {
    UnfinishedItemPtr item;
    ASSERT_TRUE(append(item, std::string("{")));
    item->scan = 77;
    item->began = Tick{5};
    ASSERT_TRUE(append(item, std::string(10'000, 'x')));
    EXPECT_EQ(item->scan, 77U);
    EXPECT_EQ(item->began, Tick{5});
}

TEST(InlineString, HoldsTheLatestTextUpToItsBound) {
    InlineString cell;
    EXPECT_EQ(cell.view(), "");
    cell.assign("10.20.30.40");
    EXPECT_EQ(cell.view(), "10.20.30.40");
    cell.assign(std::string(300, 'k'));
    EXPECT_EQ(cell.view(), std::string(255, 'k'));
    cell.assign("");
    EXPECT_EQ(cell.view(), "");
}

}  // namespace

}  // namespace holdfast
