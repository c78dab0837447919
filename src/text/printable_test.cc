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

struct Unsafe {
    char32_t point;
    const char* printed;
    const char* in_json;
};

// Each row is a kind of character that a terminal interprets or hides.
constexpr Unsafe unsafe_samples[]{
    {0x00, "\\x00", "\\u0000"},
    {0x07, "\\x07", "\\u0007"},
    {0x1b, "\\x1b", "\\u001b"},
    {0x7f, "\\x7f", "\\u007f"},
    {0x80, "\\x80", "\\u0080"},
    {0x9b, "\\x9b", "\\u009b"},
    {0x9d, "\\x9d", "\\u009d"},
    {0x9f, "\\x9f", "\\u009f"},
    {0xad, "\\xad", "\\u00ad"},
    {0x034f, "\\u034f", "\\u034f"},
    {0x061c, "\\u061c", "\\u061c"},
    {0x115f, "\\u115f", "\\u115f"},
    {0x180e, "\\u180e", "\\u180e"},
    {0x200b, "\\u200b", "\\u200b"},
    {0x200d, "\\u200d", "\\u200d"},
    {0x200e, "\\u200e", "\\u200e"},
    {0x200f, "\\u200f", "\\u200f"},
    {0x2028, "\\u2028", "\\u2028"},
    {0x2029, "\\u2029", "\\u2029"},
    {0x202a, "\\u202a", "\\u202a"},
    {0x202e, "\\u202e", "\\u202e"},
    {0x2060, "\\u2060", "\\u2060"},
    {0x2066, "\\u2066", "\\u2066"},
    {0x2069, "\\u2069", "\\u2069"},
    {0x3164, "\\u3164", "\\u3164"},
    {0xfe0f, "\\ufe0f", "\\ufe0f"},
    {0xfeff, "\\ufeff", "\\ufeff"},
    {0xfff9, "\\ufff9", "\\ufff9"},
    {0xe0041, "\\U000e0041", "\\udb40\\udc41"},
    {0xe01ef, "\\U000e01ef", "\\udb40\\uddef"},
};

TEST(Printable, EscapesWhatATerminalInterpretsOrHides) {
    for (const Unsafe& sample : unsafe_samples) {
        const std::string text = "a" + encode(sample.point) + "b";
        EXPECT_TRUE(is_unsafe(sample.point)) << sample.printed;
        EXPECT_EQ(printable(text), std::string("a") + sample.printed + "b");
        EXPECT_EQ(printable_lines(text), std::string("a") + sample.printed + "b");
        EXPECT_EQ(printable_json(text), std::string("a") + sample.in_json + "b");
        EXPECT_EQ(in_quotes(text), std::string("\"a") + sample.printed + "b\"");
    }
    for (const char32_t safe : {U' ', U'~', U'\u00a0', U'\u00fc', U'\u05d0', U'\u0301', U'\u4e2d', U'\U0001f600'})
        EXPECT_EQ(printable(encode(safe)), encode(safe));
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
    EXPECT_EQ(printable("a\x9b"
                        "31m\xff"),
              "a\\x9b31m\\xff")
        << "a terminal may take the raw byte for C1";
    EXPECT_EQ(printable_lines("\xc2"), "\\xc2");
    EXPECT_EQ(printable_json("\x9b"), "\xEF\xBF\xBD");
}

TEST(Printable, LinesKeepTheirEndsAndJsonItsEscapes) {
    EXPECT_EQ(printable_lines("a\nb\\c\td\r\n\r"), "a\nb\\c\td\r\n\\x0d");
    EXPECT_EQ(printable_json("{\"a\":\"\\u001b\\n\"}\r\n"), "{\"a\":\"\\u001b\\n\"} \n");
}

TEST(Printable, KeepsQuotesAndLength) {
    EXPECT_EQ(printable("\"a\"\n"), "\"a\"\\n");
    EXPECT_EQ(printable(std::string(200, 'x')).size(), 200U);
}

TEST(Printable, EscapesWhatHidesOrTurnsText) {
    EXPECT_EQ(printable("a\u202eb\u2066c\u200bd\ufeff"), "a\\u202eb\\u2066c\\u200bd\\ufeff");
    EXPECT_EQ(printable("\u061c\u2028"), "\\u061c\\u2028");
    EXPECT_EQ(printable("caf\u00e9 \u4e2d"), "caf\u00e9 \u4e2d");
}

TEST(PrintableBytes, LeavesNoByteThatATerminalOrJsonCannotHave) {
    EXPECT_EQ(printable_bytes("{\"ip\":\"caf\u00e9\"}"), "{\"ip\":\"caf\u00e9\"}");
    EXPECT_EQ(printable_bytes(std::string("\x16\x03\x01\0\r\n\t\\", 8)), "\\x16\\x03\\x01\\x00\\x0d\\n\\t\\\\");
    EXPECT_EQ(printable_bytes("\xef\xbb\xbf\xff\xfe"), "\\xef\\xbb\\xbf\\xff\\xfe");
    EXPECT_EQ(printable_bytes("\u009b\x7f\u202e"), "\\xc2\\x9b\\x7f\\xe2\\x80\\xae");
    EXPECT_EQ(printable_bytes("\xe4\xb8"), "\\xe4\\xb8") << "cut within a character";
}

TEST(PrintableBytes, IsPrintedElsewhereAsItIs) {
    for (const char* text : {"\\xff\\n\\\\{\"ip\"", "", "\\"}) EXPECT_EQ(printable_again(text), text);
    EXPECT_EQ(printable_again("\x1b\\x1b\n"), "\\x1b\\x1b\\n");
}

}  // namespace

}  // namespace holdfast
