#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/token_set.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class TokenEditor : public testing::Test {
protected:
    [[nodiscard]] TokenSet now() const { return TokenSet::load(path_).value(); }
    [[nodiscard]] mode_t mode() const {
        struct stat facts {};
        EXPECT_EQ(::stat(path_.c_str(), &facts), 0);
        return facts.st_mode & 07777;
    }

    const TemporaryDirectory directory_;
    const std::string path_ = directory_.in("devices.tokens");
};

TEST_F(TokenEditor, WhatIsAddedIsRightUntilItIsRevoked) {
    const std::string first = add_token(path_, "device 17").value();
    const std::string second = add_token(path_, "device-18").value();
    EXPECT_EQ(first.size(), 64U);
    EXPECT_NE(first, second);
    EXPECT_EQ(mode(), 0600U);
    EXPECT_TRUE(now().check("device 17", first));
    EXPECT_TRUE(now().check("device-18", second));
    EXPECT_EQ(revoke_tokens(path_, "device 17", "").value(), 1U);
    EXPECT_FALSE(now().check("device 17", first));
    EXPECT_TRUE(now().check("device-18", second));
}

TEST_F(TokenEditor, TheFileHoldsNoToken) {
    const std::string token = add_token(path_, "d1").value();
    std::ifstream file(path_);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    EXPECT_EQ(text.find(token), std::string::npos);
    EXPECT_EQ(
        std::distance(std::filesystem::directory_iterator(directory_.path()), std::filesystem::directory_iterator()),
        1);
}

TEST_F(TokenEditor, OneOfSeveralIsRevokedByItsName) {
    const std::string old_token = add_token(path_, "d1").value();
    const std::string new_token = add_token(path_, "d1").value();
    ASSERT_EQ(now().all().size(), 2U);
    EXPECT_EQ(revoke_tokens(path_, "d1", name_of(now().all()[0])).value(), 1U);
    EXPECT_FALSE(now().check("d1", old_token));
    EXPECT_TRUE(now().check("d1", new_token));
    EXPECT_THAT(revoke_tokens(path_, "d1", "0123").error().message, HasSubstr("has no such token"));
    EXPECT_THAT(revoke_tokens(path_, "d2", "").error().message, HasSubstr("has no such token of \"d2\""));
}

TEST_F(TokenEditor, ReadersOfTheFileStayTheSame) {
    ASSERT_TRUE(add_token(path_, "d1"));
    ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
    ASSERT_TRUE(add_token(path_, "d2"));
    EXPECT_EQ(mode(), 0640U);
}

TEST_F(TokenEditor, BehindALinkTheFileIsEditedAndTheLinkStays) {
    ASSERT_TRUE(add_token(path_, "d1"));
    const std::string link = directory_.in("link");
    ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
    ASSERT_TRUE(add_token(link, "d2"));
    EXPECT_EQ(now().all().size(), 2U);
    EXPECT_EQ(revoke_tokens(link, "d1", "").value(), 1U);
    ASSERT_EQ(now().all().size(), 1U);
    EXPECT_EQ(now().all()[0].id, "d2");
    EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(TokenEditor, WhatItCannotReadItDoesNotWrite) {
    std::ofstream(path_) << "not a token\n";
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    EXPECT_THAT(add_token(path_, "d1").error().message, HasSubstr(":1: malformed line"));
    EXPECT_THAT(add_token(path_ + "2", "a\nb").error().message, HasSubstr("is not a device id"));
    EXPECT_THAT(add_token(directory_.in("none/tokens"), "d1").error().message, HasSubstr("cannot open the directory"));
    EXPECT_THAT(revoke_tokens(path_ + "2", "d1", "").error().message, HasSubstr("No such file"));
}

TEST_F(TokenEditor, SeveralAtOnceLoseNothing) {
    std::vector<std::thread> editors;
    for (int i = 0; i < 4; ++i) {
        editors.emplace_back([this, i] {
            for (int j = 0; j < 8; ++j) {
                EXPECT_TRUE(add_token(path_, "d" + std::to_string(i) + "-" + std::to_string(j)));
            }
        });
    }
    for (std::thread& editor : editors) editor.join();
    std::set<std::string> ids;
    const TokenSet all = now();
    for (const StoredToken& token : all.all()) ids.insert(token.id);
    EXPECT_EQ(ids.size(), 32U);
}

}  // namespace
}  // namespace holdfast
