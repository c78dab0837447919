#include "text/secret_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

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
    EXPECT_THAT(read_secret_file("the key", write("x", 0640)).error().message, EndsWith("(mode 0640): chmod 0600 it"));
    EXPECT_THAT(read_secret_file("the key", write(std::string(65'537, 'x'))).error().message, HasSubstr("64.0 KiB"));
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
              std::string::npos);  // the text may be a secret
}

}  // namespace
}  // namespace holdfast
