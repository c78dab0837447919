#include "text/hex.h"

#include <array>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Hex, DigitsHaveTheCaseOfTheirList) {
    EXPECT_EQ(hex_value('0'), 0);
    EXPECT_EQ(hex_value('f'), 15);
    EXPECT_EQ(hex_value('F', upper_hex_digits), 15);
    for (const char c : {'F', 'g', '/', ':', '`', '\0', ' '}) EXPECT_EQ(hex_value(c), std::nullopt) << c;
    EXPECT_EQ(hex_value('f', upper_hex_digits), std::nullopt);
}

TEST(Hex, NumbersAndBytesKeepTheirLeadingZeros) {
    EXPECT_EQ(to_hex(std::array<std::uint8_t, 3>{0x00, 0x7f, 0xff}), "007fff");
    EXPECT_EQ(to_hex(std::uint32_t{31}), "0000001f");
    EXPECT_EQ(to_hex(std::uint64_t{0x0123'4567'89ab'cdef}), "0123456789abcdef");
    EXPECT_EQ(to_hex(std::uint8_t{0}), "00");
}

TEST(Hex, ParsesWholeTextsOnly) {
    EXPECT_EQ(parse_hex<std::uint32_t>("7f2C91a0"), 0x7f2c91a0U);
    EXPECT_EQ(parse_hex<std::uint16_t>("1B58"), 0x1b58);
    for (const char* text : {"", "-1", "+1", "0x1", "1 ", " 1", "g", "10000"}) {
        EXPECT_EQ(parse_hex<std::uint16_t>(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace holdfast
