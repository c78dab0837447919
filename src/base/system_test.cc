#include "base/system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/unique_fd.h"

namespace holdfast {
namespace {

TEST(System, RandomBitsDifferAndAreNeverZero) {
    std::set<std::uint64_t> drawn;
    for (int i = 0; i < 1'000; ++i) drawn.insert(random_bits());
    EXPECT_EQ(drawn.size(), 1'000U);
    EXPECT_FALSE(drawn.contains(0));
}

TEST(System, TheBootIdIsTheKernels) {
    EXPECT_EQ(boot_id().size(), 36U);  // a UUID
    EXPECT_EQ(boot_id(), boot_id());
}

TEST(System, WriteAllWritesMoreThanAPipeHolds) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    const std::string sent(1 << 20, 'x');
    std::string received;
    std::thread reader([&] {
        char buffer[4096];
        for (ssize_t got; (got = ::read(out.get(), buffer, sizeof buffer)) > 0;) {
            received.append(buffer, static_cast<std::size_t>(got));
        }
    });
    EXPECT_TRUE(write_all(in.get(), sent));
    in.reset();
    reader.join();
    EXPECT_EQ(received, sent);
    EXPECT_FALSE(write_all(-1, "x"));
    EXPECT_EQ(errno, EBADF);
    EXPECT_TRUE(write_all(-1, ""));
}

}  // namespace
}  // namespace holdfast
