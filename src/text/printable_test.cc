#include "text/printable.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(InQuotes, LeavesOrdinaryTextAlone) {
    EXPECT_EQ(in_quotes("devices"), "\"devices\"");
    EXPECT_EQ(in_quotes("M\xc3\xbcnchen"), "\"M\xc3\xbcnchen\"");
    EXPECT_EQ(in_quotes(""), "\"\"");
}

TEST(InQuotes, EscapesWhatWouldBreakTheLineOrTheTerminal) {
    EXPECT_EQ(in_quotes("a\nb\tc\r"), R"("a\nb\tc\x0d")");
    EXPECT_EQ(in_quotes("\x1b[31m\x7f"), R"("\x1b[31m\x7f")");
    EXPECT_EQ(in_quotes("\xc2\x9b"
                        "31m"),
              R"("\x9b31m")");
    EXPECT_EQ(in_quotes(R"(say "hi" \o)"), R"("say \"hi\" \\o")");
}

TEST(InQuotes, CutsLongTextBetweenCharacters) {
    EXPECT_EQ(in_quotes(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
    EXPECT_EQ(in_quotes(std::string(81, 'x')), "\"" + std::string(80, 'x') + "\"...");
    EXPECT_EQ(in_quotes(std::string(79, 'x') + "\xc3\xbc"), "\"" + std::string(79, 'x') + "\"...");
}

TEST(Printable, KeepsQuotesAndLength) {
    EXPECT_EQ(printable("\"a\"\n"), "\"a\"\\n");
    EXPECT_EQ(printable(std::string(200, 'x')).size(), 200U);
}

}  // namespace
}  // namespace holdfast
