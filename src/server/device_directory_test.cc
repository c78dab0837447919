#include "server/device_directory.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DeviceDirectory, TheNewestConnectionSpeaksForTheDevice) {
    DeviceDirectory directory;
    EXPECT_EQ(directory.claim("d1", 1), std::nullopt);
    EXPECT_EQ(directory.claim("d2", 2), std::nullopt);
    EXPECT_EQ(directory.claim("d1", 3), Token{1});
    EXPECT_EQ(directory.claim("d1", 3), std::nullopt);
    EXPECT_EQ(directory.find("d1"), Token{3});
}

TEST(DeviceDirectory, TheEndOfAnOlderConnectionChangesNothing) {
    DeviceDirectory directory;
    directory.claim("d1", 1);
    directory.claim("d1", 2);
    directory.release("d1", 1);
    EXPECT_EQ(directory.find("d1"), Token{2});
    directory.release("d1", 2);
    EXPECT_EQ(directory.find("d1"), std::nullopt);
    directory.release("d1", 2);
}

}  // namespace
}  // namespace holdfast
