#include "forward/token.h"

#include <random>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Token, WritesWhatASubjectMayHold) {
    EXPECT_EQ(to_token("device-17_a"), "device-17_a");
    EXPECT_EQ(to_token("10.20.30.40"), "10=2E20=2E30=2E40");
    EXPECT_EQ(to_token("*"), "=2A");
    EXPECT_EQ(to_token(">"), "=3E");
    EXPECT_EQ(to_token("a b="), "a=20b=3D");
    EXPECT_EQ(to_token("\xc3\xa4"), "=C3=A4");
    EXPECT_EQ(to_token(std::string_view("\0", 1)), "=00");
    EXPECT_EQ(to_token(""), "=");
    EXPECT_EQ(to_token("_"), "_");
}

TEST(Token, ReadsBackWhatItWrote) {
    std::mt19937 random(17);
    for (int i = 0; i < 2'000; ++i) {
        std::string text(random() % 20, ' ');
        for (char& c : text) c = static_cast<char>(random());
        const std::string token = to_token(text);
        EXPECT_FALSE(token.empty());
        EXPECT_EQ(token.find_first_of(". *>\t\r\n"), std::string::npos);
        EXPECT_EQ(from_token(token), text);
    }
}

TEST(Token, RefusesWhatItNeverWrites) {
    // Two tokens for one text would make two devices of one.
    for (const char* token : {"", "=4", "a=", "=2e", "=41", "=5F", "a.b", "a b", "*", "==", "=GG", "\xc3\xa4", "a=2"}) {
        EXPECT_EQ(from_token(token), std::nullopt) << token;
    }
}

}  // namespace
}  // namespace holdfast
