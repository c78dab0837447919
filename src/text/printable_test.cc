#include "text/printable.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string encode(char32_t c) {
    std::string out;
    const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    }
    return out;
}

TEST(Utf8, EveryCodePointReadsBackAndSurrogatesDoNot) {
    for (char32_t c = 0; c < 0x110000; ++c) {
        const std::string bytes = encode(c);
        const CodePoint read = next_code_point(bytes + "x");
        const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        ASSERT_EQ(read.size, surrogate ? 0U : bytes.size()) << std::hex << static_cast<unsigned>(c);
        if (!surrogate) {
            ASSERT_EQ(read.value, c);
        }
    }
}

TEST(Utf8, RefusesWhatIsCutOverlongOrTooLarge) {
    for (const char* bytes : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x80\x80", "\xE2\x82",
                              "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE"}) {
        EXPECT_EQ(next_code_point(bytes).size, 0U);
    }
}

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
