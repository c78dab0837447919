#include "base/secret_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* token = "0123456789abcdef";

class SecretFile : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/holdfast-secret-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string write(std::string_view text, mode_t mode = 0600) {
        const std::string path = directory_ + "/secret";
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
        return path;
    }
    std::string refusal(std::string_view text) {
        const auto read = read_bearer_tokens(write(text));
        return read ? "" : read.error().message;
    }

    std::string directory_;
};

TEST_F(SecretFile, IsForItsOwnerOnly) {
    EXPECT_EQ(read_secret_file("the key", write("x", 0600)).value(), "x");
    EXPECT_EQ(read_secret_file("the key", write("x", 0400)).value(), "x");
    for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0602U, 0620U}) {
        const auto read = read_secret_file("the key", write("x", mode));
        ASSERT_FALSE(read) << mode;
        EXPECT_THAT(read.error().message, HasSubstr("the key \"" + directory_ + "/secret\" can be read or written by"));
        EXPECT_THAT(read.error().message, EndsWith("): chmod 0600 it"));
    }
}

TEST_F(SecretFile, ACredentialOfSystemdIsTaken) {
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
    EXPECT_TRUE(read_secret_file("the key", write("x", 0440)));
    EXPECT_FALSE(read_secret_file("the key", write("x", 0444)));
    ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(SecretFile, WhatIsNoFileIsRefused) {
    EXPECT_THAT(read_secret_file("the key", directory_).error().message, HasSubstr("is not a regular file"));
    const std::string fifo = directory_ + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THAT(read_secret_file("the key", fifo).error().message, HasSubstr("is not a regular file"));
    EXPECT_THAT(read_secret_file("the key", directory_ + "/none").error().message, HasSubstr("No such file"));
    EXPECT_THAT(read_secret_file("the key", std::string("a\0b", 3)).error().message, HasSubstr("NUL"));
    EXPECT_THAT(read_secret_file("the key", write(std::string(65'537, 'x'))).error().message, HasSubstr("64KiB"));
}

TEST_F(SecretFile, TokensAreLines) {
    const std::string text = std::string("# of the operators\n\n") + token + "\r\n" + token + "=/+ \n";
    EXPECT_THAT(read_bearer_tokens(write(text)).value(), ElementsAre(token, std::string(token) + "=/+"));
    EXPECT_THAT(refusal("# nothing\n"), HasSubstr("holds no token"));
    EXPECT_THAT(refusal(""), HasSubstr("holds no token"));
    EXPECT_THAT(refusal("\nshort\n"), HasSubstr(", line 2: a token is 16 to 256 of"));
    EXPECT_THAT(refusal(std::string(257, 'x')), HasSubstr(", line 1:"));
    EXPECT_THAT(refusal("with a space in it, and long enough"), HasSubstr(", line 1:"));
    EXPECT_EQ(refusal("with a space in it, and long enough").find("space in it"),
              std::string::npos);  // may be a secret
}

}  // namespace
}  // namespace holdfast
