#include "device/token_set.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/hex.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

std::string line(const std::string& id, const std::string& token, std::uint8_t salt = 7) {
    StoredToken stored{.id = id, .salt = {salt}, .hash = {}};
    stored.hash = hash_token(stored.salt, token).value();
    return to_hex(stored.salt) + " " + to_hex(stored.hash) + " " + id + "\n";
}

TokenSet set_of(const std::string& text) { return TokenSet::parse(text, "tokens").value(); }
std::string fault(const std::string& text) { return TokenSet::parse(text, "tokens").error().message; }

TEST(TokenSet, OnlyTheIdsOwnTokenIsRight) {
    const TokenSet set = set_of("# a comment\n\n" + line("d1", "one") + line("d 2", "two"));
    EXPECT_TRUE(set.check("d1", "one"));
    EXPECT_TRUE(set.check("d 2", "two"));
    EXPECT_FALSE(set.check("d1", "two"));
    EXPECT_FALSE(set.check("d2", "two"));
    EXPECT_FALSE(set.check("d1", "on"));
    EXPECT_FALSE(set.check("d1", "one "));
    EXPECT_FALSE(set.check("d1", ""));
    EXPECT_FALSE(set.check("", ""));
    EXPECT_FALSE(set.check("d1", "one" + std::string(TokenSet::token_bytes, 'x')));
    EXPECT_FALSE(set_of("").check("d1", "one"));
}

TEST(TokenSet, ALongTokenIsNotCut) {
    const std::string longest(TokenSet::token_bytes, 'x');
    const TokenSet set = set_of(line("d1", longest));
    EXPECT_TRUE(set.check("d1", longest));
    EXPECT_FALSE(set.check("d1", longest + "x"));
}

TEST(TokenSet, AnIdMayHaveSeveralWhileItChanges) {
    const TokenSet both = set_of(line("d1", "old", 1) + line("d1", "new", 2));
    const auto old_mark = both.check("d1", "old");
    const auto new_mark = both.check("d1", "new");
    ASSERT_TRUE(old_mark && new_mark);
    EXPECT_NE(*old_mark, *new_mark);
    const TokenSet after = set_of(line("d1", "new", 2));
    EXPECT_FALSE(after.has("d1", *old_mark));
    EXPECT_TRUE(after.has("d1", *new_mark));
    EXPECT_FALSE(after.has("d2", *new_mark));
    EXPECT_FALSE(both == after);
    std::string five;
    for (int i = 0; i < 5; ++i) five += line("d1", "t" + std::to_string(i));
    EXPECT_EQ(fault(five),
              "tokens:5: \"d1\" has more than 4 tokens; revoke the unused ones with holdfast token revoke");
}

TEST(TokenSet, EveryOtherLineIsAnError) {
    const std::string good = line("d1", "one");
    const std::string want = "tokens:2: malformed line; write the file with holdfast token";
    for (std::string bad : {std::string("d1:secret"), good.substr(1), "0" + good, good.substr(0, 98),
                            good.substr(0, 32), "A" + good.substr(1), good.substr(0, 98) + "a\tb",
                            good.substr(0, 98) + std::string(129, 'i'), good.substr(0, 98) + "\xff"}) {
        EXPECT_EQ(fault("#\n" + bad), want) << bad;
    }
}

TEST(TokenSet, HashesAsSha256Does) {
    // printf '%032d' 0 | xxd -r -p | cat - <(printf abc) | sha256sum
    const auto hash = hash_token({}, "abc").value();
    EXPECT_EQ(to_hex(hash), "277e7ff6d232b9763f4a66e8d05d210da32dac9c6dbce1026ad4cc98acb5fefe");
}

class TokenFile : public testing::Test {
protected:
    std::string path_ = testing::TempDir() + "tokens-" + std::to_string(::getpid());
    void write(const std::string& text, mode_t mode) const {
        std::ofstream(path_) << text;
        ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    }
    void TearDown() override { ::unlink(path_.c_str()); }
};

TEST_F(TokenFile, OthersMayNeitherReadNorWriteIt) {
    for (const mode_t bad : {0604, 0602, 0644, 0660, 0620}) {
        write(line("d1", "one"), bad);
        EXPECT_THAT(TokenSet::load(path_).error().message, HasSubstr("run chmod 0600 on it, or 0640"))
            << std::oct << bad;
    }
    for (const mode_t good : {0600, 0400, 0640}) {
        write(line("d1", "one"), good);
        EXPECT_TRUE(TokenSet::load(path_).ok()) << std::oct << good;
    }
}

TEST_F(TokenFile, WhatIsNotThereIsAnError) {
    EXPECT_THAT(TokenSet::load(path_).error().message,
                HasSubstr("No such file or directory; create it with holdfast token add"));
    EXPECT_THAT(TokenSet::load(testing::TempDir()).error().message, HasSubstr("is not a regular file"));
}

}  // namespace
}  // namespace holdfast
