// Disk failures while removed files are replaced. The tests make SQLite's own system calls fail.
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "spool/directory_hold.h"
#include "spool/open_files.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Calls `before` with the file's path ahead of each write of SQLite, during the lifetime of the object. The write
/// fails with EIO if it returns false. One instance at a time.
class WatchedWrites {
public:
    explicit WatchedWrites(std::function<bool(const std::string& path)> before) {
        before_ = std::move(before);
        set("write", reinterpret_cast<sqlite3_syscall_ptr>(&write_checked));
        set("pwrite", reinterpret_cast<sqlite3_syscall_ptr>(&pwrite_checked));
        set("pwrite64", reinterpret_cast<sqlite3_syscall_ptr>(&pwrite_checked));
    }
    ~WatchedWrites() {
        for (const char* name : {"write", "pwrite", "pwrite64"}) set(name, nullptr);
        before_ = nullptr;
    }
    WatchedWrites(const WatchedWrites&) = delete;
    WatchedWrites& operator=(const WatchedWrites&) = delete;

private:
    static void set(const char* name, sqlite3_syscall_ptr call) {
        sqlite3_vfs* system = sqlite3_vfs_find("unix");
        system->xSetSystemCall(system, name, call);
    }
    static bool passes(int fd) {
        std::error_code none;
        if (before_(fs::read_symlink("/proc/self/fd/" + std::to_string(fd), none))) return true;
        errno = EIO;
        return false;
    }
    static ssize_t write_checked(int fd, const void* data, std::size_t size) {
        return passes(fd) ? ::write(fd, data, size) : -1;
    }
    static ssize_t pwrite_checked(int fd, const void* data, std::size_t size, off_t at) {
        return passes(fd) ? ::pwrite(fd, data, size, at) : -1;
    }
    static inline std::function<bool(const std::string& path)> before_;
};

class SpoolReplaceTest : public testing::Test {
protected:
    [[nodiscard]] SpoolOptions options() const {
        SpoolOptions options;
        options.directory = path();
        return options;
    }
    [[nodiscard]] std::string path() const { return directory_.in("spool"); }
    [[nodiscard]] std::string events(const std::string& tail = "") const {
        return path() + "/events-0000000000000000001.db" + tail;
    }
    /// Expects the events in this process and in the next one.
    void expect_events(std::unique_ptr<Spool> spool, std::size_t count) const {
        for (int life = 0; life < 2; ++life) {
            const ReadBack all = read_all(*spool);
            EXPECT_EQ(all.events.size(), count);
            EXPECT_TRUE(all.missing.empty());
            EXPECT_EQ(spool->status().quarantined_events, 0U);
            spool.reset();
            if (life == 0) spool = open_spool(options());
        }
    }

    TemporaryDirectory directory_;
};

/// Another file takes the name while the first row is written: the row is complete in its log, but unconfirmed.
TEST_F(SpoolReplaceTest, AFirstRowThatIsNotConfirmedIsNotInTheWay) {
    std::atomic<int> replaced = 0;
    const WatchedWrites writes([&](const std::string& file) {
        if (file != events("-wal") || replaced++ != 0) return true;
        fs::copy_file(events(), path() + "/copy");
        fs::rename(path() + "/copy", events());
        return true;
    });
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 3, 3);
    EXPECT_GT(replaced, 0);
    expect_events(std::move(spool), 3);
}

TEST_F(SpoolReplaceTest, AFailureToCopyGivesUpNoEvent) {
    std::atomic<int> left = 0;
    const WatchedWrites writes([&](const std::string& file) { return !file.ends_with("/making.db") || left-- <= 0; });
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 20, 5);
    left = 3;
    fs::remove(events());
    append_and_wait(*spool, 21, 23);
    EXPECT_LE(left, 0);
    expect_events(std::move(spool), 23);
}

TEST_F(SpoolReplaceTest, ADatabaseThatIsGoneBeforeItIsWatchedIsMissing) {
    OpenFiles files;
    fs::create_directory(path());
    files.watch(events());
    EXPECT_FALSE(files.is_intact(events()));
    EXPECT_EQ(files.missing(), std::vector<std::string>{events()});
    for (const char* tail : {"", "-wal", "-shm"}) {
        for (const char* made : {"", "-wal", "-shm"}) std::ofstream(events(made)) << "";
        files.watch(events());
        EXPECT_TRUE(files.is_intact(events()));
        fs::rename(events(tail), path() + "/former");
        EXPECT_FALSE(files.is_intact(events())) << tail;
        fs::rename(path() + "/former", events(tail));
        EXPECT_TRUE(files.is_intact(events()));
    }
    files.condemn(events());
    EXPECT_FALSE(files.is_intact(events()));
    files.watch(events());
    EXPECT_TRUE(files.is_intact(events()));
}

TEST(DirectoryHoldTest, TheParentOfAPathThatEndsInASlash) {
    EXPECT_EQ(parent_of("/srv/spool"), "/srv");
    EXPECT_EQ(parent_of("/srv/spool/"), "/srv");
    EXPECT_EQ(parent_of("/srv/spool//"), "/srv");
    EXPECT_EQ(parent_of("spool/"), ".");
    EXPECT_EQ(parent_of("spool"), ".");
    EXPECT_EQ(parent_of("/spool"), "/");
}

}  // namespace
}  // namespace holdfast
