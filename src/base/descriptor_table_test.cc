#include "base/descriptor_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DescriptorTable, GrowsAtOnceAndNoDescriptorStaysOpen) {
    const int any = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(any, 0);
    const std::size_t before = descriptor_table_size();
    grow_descriptor_table(any, 4 * before);
    EXPECT_GE(descriptor_table_size(), 4 * before);
    EXPECT_EQ(::fcntl(static_cast<int>(4 * before) - 1, F_GETFD), -1);
    ::close(any);
}

TEST(DescriptorTable, WhatTheLimitForbidsIsLeftOut) {
    grow_descriptor_table(0, std::size_t{1} << 40);  // up to the limit of this process
    grow_descriptor_table(0, 0);
    grow_descriptor_table(-1, 10);
}

}  // namespace
}  // namespace holdfast
