#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool/database.h"
#include "spool/directory_hold.h"
#include "spool/open_files.h"
#include "spool/spool.h"
#include "testing/test_spool.h"

// Disk failures while removed files are replaced. The tests make SQLite's own system calls fail.
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

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// Removes files of a running spool.
class SpoolRemovedTest : public testing::Test {
protected:
    SpoolOptions options() {
        SpoolOptions options;
        options.directory = path();
        options.on_quarantine = [this](const std::string& report) {
            const std::lock_guard lock(mutex_);
            reports_ += report + "\n";
        };
        return options;
    }
    std::string path(const std::string& name = "spool") { return directory_.in(name); }
    static void wait_until(const std::function<bool()>& holds) {
        for (int i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(holds());
    }
    std::string reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }
    /// Removes databases before their logs: the spool may recreate a database in between, and that file must stay.
    void remove(const std::function<bool(const std::string& name)>& matches) {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(path())) {
            const std::string name = entry.path().filename();
            if (matches(name)) names.push_back(name);
        }
        std::sort(names.begin(), names.end(),
                  [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
        const std::string removed = path("removed");
        fs::create_directory(removed);
        for (const std::string& name : names) ::rename((path() + "/" + name).c_str(), (removed + "/" + name).c_str());
        fs::remove_all(removed);
    }
    /// Repeats a request that is refused while spool.db is rebuilt.
    static void set_position(Spool& spool, Position position) {
        wait_until([&] { return !spool.set_position("billing", position); });
    }
    /// Expects all earlier durable events, and later ones, in this process and in the next one.
    void expect_nothing_lost(std::unique_ptr<Spool> spool) {
        set_position(*spool, 15);
        append_and_wait(*spool, 21, 30, 5);
        for (int life = 0; life < 2; ++life) {
            const ReadBack all = read_all(*spool);
            ASSERT_EQ(all.events.size(), 30U);
            EXPECT_TRUE(all.missing.empty());
            for (std::uint64_t n = 1; n <= 30; ++n) EXPECT_EQ(all.events[n - 1].second, test_line(n));
            ASSERT_EQ(spool->groups().size(), 1U);
            EXPECT_EQ(spool->groups()[0].position, 15U);
            EXPECT_EQ(spool->status().quarantined_events, 0U);
            spool.reset();
            if (life == 0) spool = open_spool(options());
        }
    }

    TemporaryDirectory directory_;
    std::mutex mutex_;
    std::string reports_;  // guarded by mutex_
};

TEST_F(SpoolRemovedTest, WhatIsOpenIsCopiedIntoNewFiles) {
    const auto database = [](const std::string& name) { return name != "lock"; };
    const auto log = [](const std::string& name) { return name.ends_with("-wal"); };
    const auto manifest = [](const std::string& name) { return name.starts_with("spool.db"); };
    const auto events = [](const std::string& name) { return name.starts_with("events-") && name.ends_with(".db"); };
    for (const std::function<bool(const std::string&)>& matches :
         {std::function<bool(const std::string&)>(database), {log}, {manifest}, {events}}) {
        fs::remove_all(path());
        {
            const std::lock_guard lock(mutex_);
            reports_.clear();
        }
        auto spool = open_spool(options());
        append_and_wait(*spool, 1, 20, 5);
        ASSERT_FALSE(spool->set_position("billing", 10));
        remove(matches);
        wait_until([&] { return reports().find("were removed while in use") != std::string::npos; });
        EXPECT_THAT(spool->status().error, HasSubstr("removed"));
        expect_nothing_lost(std::move(spool));
    }
}

TEST_F(SpoolRemovedTest, AnEventBehindTheRemovalWaitsForTheNewFile) {
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 20, 5);
    remove([](const std::string& name) { return name.starts_with("events-"); });
    append_and_wait(*spool, 21, 21);  // immediately, before the maintenance thread checks
    bool on_disk = false;
    for (const auto& entry : fs::directory_iterator(path())) {
        on_disk = on_disk || entry.path().filename().string().starts_with("events-0000000000000000021");
    }
    EXPECT_TRUE(on_disk);
    EXPECT_EQ(read_all(*spool).events.size(), 21U);
}

TEST_F(SpoolRemovedTest, NoPositionAndNoMarkIsConfirmedThatIsNotOnDisk) {
    const auto on_disk = [this](const char* sql) {
        DbError error;
        auto database = Database::open(path() + "/spool.db", Database::Use::read, error);
        return database ? database->value_of(sql).value_or("") : error.message;
    };
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 20, 5);
    const auto manifest = [](const std::string& name) { return name.starts_with("spool.db"); };
    remove(manifest);
    set_position(*spool, 15);  // immediately, before the maintenance thread checks
    EXPECT_EQ(on_disk("SELECT position FROM consumer_group WHERE name = 'billing'"), "15");

    std::promise<void> durable;
    remove(manifest);
    spool->append({.lines = {},
                   .events = 0,
                   .listeners = {},
                   .marks = {{{"device-17", "boot-42", true}, 7}},
                   .durable = [&durable] { durable.set_value(); }});
    ASSERT_EQ(durable.get_future().wait_for(30s), std::future_status::ready);
    EXPECT_EQ(on_disk("SELECT seq FROM device_session WHERE id = 'device-17'"), "7");
}

TEST_F(SpoolRemovedTest, TheDirectoryIsMadeAgain) {
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 20, 5);
    fs::rename(path(), path("removed"));
    fs::remove_all(path("removed"));
    wait_until([&] { return fs::exists(path() + "/spool.db"); });
    struct stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
    EXPECT_FALSE(Spool::open(options()));
    expect_nothing_lost(std::move(spool));
}

TEST_F(SpoolRemovedTest, ARemovedLockAdmitsNoSecondProcess) {
    auto spool = open_spool(options());
    append_and_wait(*spool, 1, 5);
    fs::remove(path() + "/lock");
    EXPECT_THAT(Spool::open(options()).error().message, HasSubstr("uses the spool in"));
    wait_until([&] { return fs::exists(path() + "/lock"); });
    EXPECT_THAT(Spool::open(options()).error().message,
                HasSubstr("process " + std::to_string(::getpid()) + " uses the spool in"));
    EXPECT_EQ(read_all(*spool).events.size(), 5U);
}

TEST_F(SpoolRemovedTest, AnEarlierFileThatIsGoneIsNamed) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 10);
    }
    auto spool = open_spool(options());
    append_and_wait(*spool, 11, 20);
    fs::remove(path() + "/events-0000000000000000001.db");
    wait_until([&] { return spool->status().error.find("1 to 10 are lost") != std::string::npos; });
    const ReadBack all = read_all(*spool);
    ASSERT_EQ(all.missing.size(), 1U);
    EXPECT_EQ(all.missing[0].last, 10U);
    EXPECT_THAT(all.missing[0].why, HasSubstr("removed"));
    EXPECT_EQ(all.events.size(), 10U);
    EXPECT_EQ(spool->status().quarantined_events, 10U);
}

TEST_F(SpoolRemovedTest, ADirectoryThatAnotherProcessHasTakenIsNotWrittenTo) {
    auto first = open_spool(options());
    append_and_wait(*first, 1, 10);
    // The other process takes the path before this one detects the move.
    fs::rename(path(), path("moved"));
    std::unique_ptr<Spool> second;
    for (int i = 0; i < 100 && !second; ++i) {
        auto opened = Spool::open(options());
        if (opened) second = std::move(opened).value();
        if (second) break;
        fs::remove_all(path("again" + std::to_string(i)));
        fs::rename(path(), path("again" + std::to_string(i)));
    }
    ASSERT_TRUE(second);
    first->append({.lines = "{}\n", .events = 1, .listeners = {{"devices", 1}}, .marks = {}, .durable = [] {
                       ADD_FAILURE() << "made durable in the directory of another process";
                   }});
    wait_until([&] { return first->status().error.find("uses the spool in") != std::string::npos; });
    append_and_wait(*second, 1, 3);
    EXPECT_EQ(second->status().last, 3U);
    EXPECT_EQ(first->stop(0ms), 1U);
}

}  // namespace

}  // namespace holdfast
