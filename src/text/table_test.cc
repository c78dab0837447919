#include "text/table.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Table, AlignsTextLeftAndNumbersRight) {
    Table table({{"peer"}, {"items", Align::right}, {"key"}});
    table.add({"10.2.0.9:51514", "7", "a"});
    table.add({"10.2.0.10:1", "12345678", ""});
    EXPECT_EQ(table.text(false),
              "peer               items  key\n"
              "10.2.0.9:51514         7  a\n"
              "10.2.0.10:1     12345678\n");
    EXPECT_EQ(table.size(), 2U);
}

TEST(Table, CountsCharactersNotBytes) {
    Table table({{"key"}, {"n", Align::right}});
    table.add({"M\xc3\xbcnchen", "1"});
    table.add({"Muenchen", "2"});
    EXPECT_EQ(table.text(false, 2),
              "  key       n\n"
              "  M\xc3\xbcnchen   1\n"
              "  Muenchen  2\n");
}

TEST(Table, CellsCannotCommandTheTerminal) {
    Table table({{"key"}});
    table.add({"\x1b[2J\nforged"});
    EXPECT_EQ(table.text(false), "key\n\\x1b[2J\\nforged\n");
}

TEST(Table, OnlyTitlesAreBold) {
    Table table({{"key"}});
    table.add({"a"});
    EXPECT_EQ(table.text(true), "\x1b[1mkey\x1b[0m\na\n");
}

}  // namespace
}  // namespace holdfast
