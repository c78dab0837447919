#include "cli/safe_output.h"

#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string shown(const std::string& text) {
    std::ostringstream stream;
    {
        const SafeOutput safe(stream);
        stream << text;
    }
    return stream.str();
}

TEST(SafeOutput, EscapesWhatATerminalInterpretsOrHides) {
    EXPECT_EQ(shown("id \x1b]0;x\x07 \xc2\x9b"
                    "2J \xe2\x80\xae \x7f \x9b\n"),
              "id \\x1b]0;x\\x07 \\x9b2J \\u202e \\x7f \\x9b\n");
    EXPECT_EQ(shown("a\tb\nM\xc3\xbcnchen \\x1b\n"), "a\tb\nM\xc3\xbcnchen \\x1b\n") << "the rest stays";
    EXPECT_EQ(shown("\x1b[1mPEER\x1b[0m\n\x1b[1"), "\x1b[1mPEER\x1b[0m\n\\x1b[1");
}

TEST(SafeOutput, KeepsTheOrderOfLongTextAndOfFlushes) {
    std::ostringstream stream;
    std::string all;
    {
        const SafeOutput safe(stream);
        for (int i = 0; i < 20'000; ++i) {
            const std::string line = std::to_string(i) + " \xe2\x82\xac\n";
            stream << line;
            all += line;
            if (i % 1'000 == 0) {
                stream << std::flush;
                ASSERT_EQ(stream.str(), all);
            }
        }
        stream << 'x';
    }
    EXPECT_EQ(stream.str(), all + "x");
    stream << "\x1b";
    EXPECT_EQ(stream.str(), all + "x\x1b") << "the stream has its buffer back";
}

}  // namespace
}  // namespace holdfast
