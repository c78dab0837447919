#include "text/input_file.h"

#include <sys/stat.h>

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class InputFile : public testing::Test {
protected:
    std::string with_mode(mode_t mode) { return directory_.write("file", "x", mode); }
    std::string refusal(mode_t mode, Readers readers) {
        const auto read = read_input_file("the key", with_mode(mode), {.largest = 1, .readers = readers});
        return read ? "" : read.error().message;
    }
    std::string refusal(const std::string& path, std::size_t largest = 1) {
        const auto read = read_input_file("the key", path, {.largest = largest, .remedy = "make it"});
        return read ? "" : read.error().message;
    }

    const TemporaryDirectory directory_;
};

TEST_F(InputFile, AFileOfItsOwnerIsClosedToOthers) {
    for (const mode_t mode : {0600U, 0400U, 0700U}) EXPECT_EQ(refusal(mode, Readers::owner), "") << mode;
    for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0602U, 0620U}) {
        EXPECT_THAT(refusal(mode, Readers::owner),
                    StartsWith("the key \"" + directory_.in("file") + "\" is accessible to others (mode 0"));
        EXPECT_THAT(refusal(mode, Readers::owner), EndsWith("); run chmod 0600 on it"));
    }
}

TEST_F(InputFile, AFileOfAGroupIsReadableByItOnly) {
    for (const mode_t mode : {0600U, 0640U, 0440U}) EXPECT_EQ(refusal(mode, Readers::group), "") << mode;
    for (const mode_t mode : {0604U, 0660U, 0644U, 0602U, 0620U})
        EXPECT_THAT(refusal(mode, Readers::group), EndsWith("); run chmod 0600 on it, or 0640 for a group that reads"));
}

TEST_F(InputFile, AWorldReadableFileMustNotBeWorldWritable) {
    for (const mode_t mode : {0600U, 0644U, 0664U, 0444U}) EXPECT_EQ(refusal(mode, Readers::all), "") << mode;
    EXPECT_THAT(refusal(0666, Readers::all), EndsWith("is world-writable (mode 0666); run chmod o-w on it"));
}

TEST_F(InputFile, ACredentialOfSystemdIsTaken) {
    ::setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1);
    EXPECT_EQ(refusal(0440, Readers::owner), "");
    EXPECT_NE(refusal(0444, Readers::owner), "");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(InputFile, WhatIsNoFileIsRefused) {
    EXPECT_THAT(refusal(directory_.path()), HasSubstr("is not a regular file"));
    const std::string fifo = directory_.in("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THAT(refusal(fifo), HasSubstr("is not a regular file"));
    EXPECT_THAT(refusal(directory_.in("none")), EndsWith("cannot be read: No such file or directory; make it"));
    EXPECT_THAT(refusal(std::string("a\0b", 3)), HasSubstr("NUL"));
}

TEST_F(InputFile, HasALargestSize) {
    EXPECT_EQ(refusal(with_mode(0600), 1), "");
    EXPECT_THAT(refusal(with_mode(0600), 0), HasSubstr("is larger than 0 B; name another file"));
}

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* token = "0123456789abcdef";

class SecretFile : public testing::Test {
protected:
    std::string write(std::string_view text, mode_t mode = 0600) { return directory_.write("secret", text, mode); }
    std::string refusal(std::string_view text) {
        const auto read = read_bearer_tokens(write(text));
        return read ? "" : read.error().message;
    }

    const TemporaryDirectory directory_;
};

TEST_F(SecretFile, IsForItsOwnerOnly) {
    EXPECT_EQ(read_secret_file("the key", write("x", 0600)).value(), "x");
    EXPECT_THAT(read_secret_file("the key", write("x", 0640)).error().message,
                EndsWith("(mode 0640); run chmod 0600 on it"));
    EXPECT_THAT(read_secret_file("the key", write(std::string(65'537, 'x'))).error().message, HasSubstr("64.0 KiB"));
}

TEST_F(SecretFile, TokensAreLines) {
    const std::string text = std::string("# of the operators\n\n") + token + "\r\n" + token + "=/+ \n";
    EXPECT_THAT(read_bearer_tokens(write(text)).value(), ElementsAre(token, std::string(token) + "=/+"));
    EXPECT_THAT(refusal("# nothing\n"), HasSubstr("contains no token"));
    EXPECT_THAT(refusal(""), HasSubstr("contains no token"));
    EXPECT_THAT(refusal("\nshort\n"), HasSubstr(", line 2: malformed token; write 16 to 256 characters of"));
    EXPECT_THAT(refusal(std::string(257, 'x')), HasSubstr(", line 1:"));
    EXPECT_THAT(refusal("with a space in it, and long enough"), HasSubstr(", line 1:"));
    EXPECT_EQ(refusal("with a space in it, and long enough").find("space in it"),
              std::string::npos);  // the text may be a secret
}

TEST_F(InputFile, AHeaderFileHasOneHeaderAndIsPrivate) {
    const auto read = [this](const std::string& text, mode_t mode = 0600) {
        return read_header_file(directory_.write("header", text, mode));
    };
    EXPECT_EQ(read("Authorization: Bearer abc=\n").value(), "Authorization: Bearer abc=");
    EXPECT_EQ(read("X-Key:1").value(), "X-Key:1");
    for (const char* bad :
         {"", "abc", ": x", "A:", "A: \n", "A abc: c", "A: b\nC: d", "A: b\r\nC: d", "A: \x01", "A: \xc3\xbc"}) {
        const auto outcome = read(bad);
        ASSERT_FALSE(outcome) << bad;
        EXPECT_EQ(outcome.error().message.find("abc"), std::string::npos) << "the text may be a secret";
    }
    EXPECT_FALSE(read("A: b", 0644));
}

}  // namespace

}  // namespace holdfast
