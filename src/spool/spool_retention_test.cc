#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool/directory.h"
#include "spool/spool.h"
#include "testing/test_spool.h"

namespace {

std::atomic<bool> directory_syncs_fail{false};

bool is_directory(int fd) {
    struct stat about {};
    return ::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
}

}  // namespace

/// Replaces the function of the C library.
extern "C" int fsync(int fd) {
    if (directory_syncs_fail && is_directory(fd)) {
        errno = EIO;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SpoolRetentionTest : public testing::Test {
protected:
    SpoolOptions options() {
        SpoolOptions options;
        options.directory = directory_.in("spool");
        options.read_clocks = [this] { return clock_.read(); };
        options.on_quarantine = [this](const std::string& report) {
            const std::lock_guard lock(mutex_);
            reports_.push_back(report);
        };
        return options;
    }
    static void wait_until(const std::function<bool()>& holds) {
        for (int i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(holds());
    }

    TemporaryDirectory directory_;
    SharedClock clock_;
    std::mutex mutex_;
    std::vector<std::string> reports_;
};

TEST_F(SpoolRetentionTest, BySizeRemovesTheOldest) {
    auto small = options();
    small.retain_bytes = 4 << 20;
    small.commit_bytes = 64 << 10;
    const auto spool = open_spool(small);
    append_and_wait(*spool, 1, 12'000, 100, 1000);
    wait_until([&] { return spool->status().file_bytes <= small.retain_bytes; });
    const SpoolStatus status = spool->status();
    EXPECT_GT(status.first, 4000U);
    EXPECT_EQ(status.last, 12'000U);
    const ReadBack all = read_all(*spool);
    ASSERT_EQ(all.missing.size(), 1U);
    EXPECT_EQ(all.missing[0].first, 1U);
    EXPECT_EQ(all.missing[0].last, status.first - 1);
    EXPECT_THAT(all.missing[0].why, HasSubstr("retention"));
    ASSERT_EQ(all.events.size(), 12'000U - status.first + 1);
    EXPECT_EQ(all.events.front().second, test_line(status.first, 1000));
    EXPECT_TRUE(reports_.empty());
}

TEST_F(SpoolRetentionTest, ARequiredGroupHoldsRetentionBack) {
    auto small = options();
    small.retain_bytes = 4 << 20;
    small.commit_bytes = 64 << 10;
    small.required_groups = {"billing"};
    const auto spool = open_spool(small);
    append_and_wait(*spool, 1, 8'000, 100, 1000);
    const std::uint64_t rounds = spool->status().keeper_rounds;
    wait_until([&] { return spool->status().keeper_rounds >= rounds + 2; });  // it has had its chance
    EXPECT_EQ(spool->status().first, 1U);
    EXPECT_GT(spool->status().file_bytes, small.retain_bytes);
    ASSERT_FALSE(spool->set_position("billing", 5'000));
    wait_until([&] { return spool->status().first > 2000; });
    EXPECT_LE(spool->status().first, 5'001U);
    small.required_groups.clear();
    spool->change(small);
    wait_until([&] { return spool->status().file_bytes <= small.retain_bytes; });
}

/// Shows that no power cut leaves a hole: it may keep any removal that was not synced, also the newer one alone.
TEST_F(SpoolRetentionTest, RemovesNoFileBehindOneWhoseRemovalIsNotDurable) {
    auto small = options();
    small.retain_bytes = 4 << 20;
    small.commit_bytes = 64 << 10;
    small.required_groups = {"billing"};
    const auto spool = open_spool(small);
    append_and_wait(*spool, 1, 12'000, 100, 1000);
    const auto files = [&] {
        SpoolDirectory::Contents contents;
        EXPECT_FALSE(SpoolDirectory::list_in(small.directory, contents));
        return contents.segments.size();
    };
    const std::size_t before = files();
    ASSERT_GT(before, 6U);
    directory_syncs_fail = true;
    small.required_groups.clear();
    spool->change(small);
    const std::uint64_t rounds = spool->status().keeper_rounds;
    wait_until([&] { return spool->status().keeper_rounds >= rounds + 5; });
    EXPECT_GE(files(), before - 1);
    directory_syncs_fail = false;
    wait_until([&] { return spool->status().file_bytes <= small.retain_bytes; });
}

TEST_F(SpoolRetentionTest, ByAgeTakesAnIdleSpoolsEventsToo) {
    auto old = options();
    old.retain_age = 1h;
    auto spool = open_spool(old);
    append_and_wait(*spool, 1, 10);
    clock_.advance(50min);
    append_and_wait(*spool, 11, 20);
    EXPECT_EQ(spool->status().oldest, 50min);
    clock_.advance(20min);
    wait_until([&] { return spool->status().first == 11; });
    clock_.advance(2h);
    wait_until([&] { return spool->status().first == 21; });
    EXPECT_EQ(read_all(*spool).events.size(), 0U);
    EXPECT_EQ(read_all(*spool).missing.size(), 1U);
    spool.reset();
    spool = open_spool(old);
    append_and_wait(*spool, 21, 22);
    EXPECT_EQ(read_all(*spool).events.front().first, 21U);
}

}  // namespace
}  // namespace holdfast
