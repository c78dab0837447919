#include "server/device_directory.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DeviceDirectory, TheNewestConnectionSpeaksForTheDevice) {
    DeviceDirectory directory;
    EXPECT_EQ(directory.claim("d1", 1, false).former, std::nullopt);
    EXPECT_EQ(directory.claim("d2", 2, false).former, std::nullopt);
    EXPECT_EQ(directory.claim("d1", 3, false).former, Token{1});
    EXPECT_EQ(directory.claim("d1", 3, false).former, std::nullopt);
    EXPECT_EQ(directory.find("d1"), Token{3});
}

TEST(DeviceDirectory, WhoHasProvedItIsNotDisplacedByOneWhoHasNot) {
    DeviceDirectory directory;
    EXPECT_TRUE(directory.claim("d1", 1, false).granted);
    EXPECT_EQ(directory.claim("d1", 2, true).former, Token{1});
    EXPECT_FALSE(directory.claim("d1", 3, false).granted);
    EXPECT_EQ(directory.find("d1"), Token{2});
    EXPECT_EQ(directory.claim("d1", 4, true).former, Token{2});
    directory.release("d1", 4);
    EXPECT_TRUE(directory.claim("d1", 5, false).granted);
}

TEST(DeviceDirectory, TheEndOfAnOlderConnectionChangesNothing) {
    DeviceDirectory directory;
    directory.claim("d1", 1, false);
    directory.claim("d1", 2, false);
    directory.release("d1", 1);
    EXPECT_EQ(directory.find("d1"), Token{2});
    directory.release("d1", 2);
    EXPECT_EQ(directory.find("d1"), std::nullopt);
    directory.release("d1", 2);
}

}  // namespace
}  // namespace holdfast
