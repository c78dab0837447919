#include "text/token_lines.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(TokenLines, AreReadBackUnchanged) {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
    TokenWriter writer;
    writer.word("life").number(-7).text("").text(bytes).number(std::uint64_t{18446744073709551615U}).end_line();
    writer.text("second line").end_line();
    const std::string text = writer.take();
    TokenReader reader(text);
    ASSERT_TRUE(reader.next_line());
    EXPECT_EQ(reader.word(), "life");
    EXPECT_EQ(reader.number<int>(), -7);
    EXPECT_EQ(reader.text(), "");
    EXPECT_EQ(reader.text(), bytes);
    EXPECT_EQ(reader.number<std::uint64_t>(), 18446744073709551615U);
    EXPECT_TRUE(reader.at_line_end());
    ASSERT_TRUE(reader.next_line());
    EXPECT_EQ(reader.text(), "second line");
    EXPECT_TRUE(reader.ok);
    EXPECT_FALSE(reader.next_line());
}

TEST(TokenLines, ATokenThatDoesNotFitEndsTheReading) {
    for (const char* line : {"", "x", "=%", "=%4", "=%zz", "no-text"}) {
        TokenReader reader(line);
        static_cast<void>(reader.next_line());
        EXPECT_EQ(reader.text(), "") << line;
        EXPECT_FALSE(reader.ok) << line;
    }
    for (const char* line : {"300", "-1", "1x", "", " 1"}) {
        TokenReader reader(line);
        static_cast<void>(reader.next_line());
        EXPECT_EQ(reader.number<std::uint8_t>(), 0) << line;
        EXPECT_FALSE(reader.ok) << line;
    }
}

}  // namespace
}  // namespace holdfast
