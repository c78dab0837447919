// Disk errors while a spool is read: they pass, no consumer is moved, no file is set aside, and no position changes.
// The tests inject them below SQLite, where its unix VFS calls pread(2).
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool/database.h"
#include "spool/quarantine.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// Controls pread(2) under SQLite. One set of counters suffices because tests run sequentially.
struct Faults {
    std::atomic<int> skip{0};              // number of reads that pass first
    std::atomic<int> fail{0};              // number of reads after those that fail
    std::atomic<int> error{EIO};           // errno of the failed reads
    std::atomic<int> garble{0};            // number of whole-page reads that return a wrong byte
    std::atomic<std::uint64_t> failed{0};  // number of reads that have failed
};
Faults faults;

using Pread = ssize_t (*)(int, void*, std::size_t, off_t);
Pread system_pread = nullptr;

bool takes_one(std::atomic<int>& count) {
    int left = count.load();
    while (left > 0 && !count.compare_exchange_weak(left, left - 1)) continue;
    return left > 0;
}

ssize_t faulty_pread(int fd, void* to, std::size_t bytes, off_t at) {
    if (!takes_one(faults.skip) && takes_one(faults.fail)) {
        ++faults.failed;
        errno = faults.error;
        return -1;
    }
    const ssize_t got = system_pread(fd, to, bytes, at);
    constexpr ssize_t page = 8192;
    if (got == page && takes_one(faults.garble)) {
        char& byte = static_cast<char*>(to)[page - 9];
        byte = static_cast<char>(byte ^ 0x10);
    }
    return got;
}

class ReadErrorTest : public testing::Test {
protected:
    void SetUp() override {
        sqlite3_vfs* vfs = sqlite3_vfs_find("unix");
        for (const char* name : {"pread64", "pread"}) {
            const auto present = vfs->xGetSystemCall(vfs, name);
            if (present == nullptr) continue;
            system_pread = reinterpret_cast<Pread>(present);
            ASSERT_EQ(vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(faulty_pread)), SQLITE_OK);
            name_ = name;
            break;
        }
        ASSERT_NE(system_pread, nullptr);
    }
    void TearDown() override {
        stop_faults();
        sqlite3_vfs* vfs = sqlite3_vfs_find("unix");
        vfs->xSetSystemCall(vfs, name_, nullptr);
    }
    static void stop_faults() { faults.skip = faults.fail = faults.garble = 0; }
    static void fail_reads(int count, int error = EIO, int skip = 0) {
        faults.error = error;
        faults.skip = skip;
        faults.fail = count;
    }

    SpoolOptions options() {
        SpoolOptions options;
        options.directory = directory_.in("spool");
        const auto note = [this](const std::string& report) {
            const std::lock_guard lock(mutex_);
            reports_ += report + "\n";
        };
        options.on_quarantine = note;
        options.on_read_trouble = note;
        options.on_trouble = note;
        options.on_healed = note;
        options.on_read_recovered = [note] { note("recovered"); };
        options.start_timeout = 10s;
        return options;
    }
    std::string reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }
    static void wait_until(const std::function<bool()>& holds) {
        for (int i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(holds());
    }
    /// Creates the spool of a killed process: with logs, a group, a session, and events after the last save.
    std::string killed() {
        auto running = options();
        running.directory = directory_.in("running");
        const auto spool = open_spool(running);
        append_and_wait(*spool, 1, 100, 5);
        EXPECT_FALSE(spool->set_position("billing", 40));
        wait_until([&] { return spool->status().keeper_rounds >= 1; });
        SpoolBatch batch{.lines = "{}\n",
                         .events = 1,
                         .listeners = {{"devices", 1}},
                         .marks = {{{"device-1", "boot-1"}, 9}},
                         .durable = {}};
        spool->append(std::move(batch));
        EXPECT_TRUE(spool->wait_for(100, 30s));
        id_ = spool->status().id;
        const std::string kept = directory_.in("killed");
        fs::remove_all(kept);
        fs::copy(running.directory, kept);
        return kept;
    }
    void expect_all_there(Spool& spool) {
        EXPECT_EQ(spool.status().id, id_);
        EXPECT_EQ(spool.status().last, 101U);
        const ReadBack all = read_all(spool);
        EXPECT_EQ(all.events.size(), 101U);
        EXPECT_TRUE(all.missing.empty());
        EXPECT_EQ(spool.status().quarantined_events, 0U);
        ASSERT_EQ(spool.groups().size(), 1U);
        EXPECT_EQ(spool.groups()[0].position, 40U);
        std::promise<std::uint64_t> seq;
        spool.look_up({"device-1", "boot-1"}, [&](std::uint64_t n) { seq.set_value(n); });
        EXPECT_EQ(seq.get_future().get(), 9U);
    }

    const char* name_ = "";
    TemporaryDirectory directory_;
    std::mutex mutex_;
    std::string reports_;  // guarded by mutex_
    std::string id_;
};

TEST_F(ReadErrorTest, APassingErrorIsReadAgain) {
    const auto spool = open_spool(options());
    append_and_wait(*spool, 1, 300);
    for (const int error : {EIO, ENXIO, ENOMEM, EACCES}) {
        for (int reads = 1; reads < 8; ++reads) {
            SCOPED_TRACE(std::to_string(reads) + " reads with errno " + std::to_string(error));
            fail_reads(reads, error);
            auto page = spool->read(0, 1000, std::size_t{1} << 20);
            stop_faults();
            EXPECT_TRUE(page || reads > 3);  // each attempt meets at least one failure
            if (!page) continue;             // no consumer is moved
            EXPECT_EQ(page.value().events.size(), 300U);
            EXPECT_TRUE(page.value().missing.empty());
        }
    }
    EXPECT_GT(spool->status().read_errors, 0U);
    EXPECT_EQ(spool->status().quarantined_events, 0U);
    EXPECT_EQ(reports().find("damaged"), std::string::npos) << reports();
}

TEST_F(ReadErrorTest, ALastingErrorIsNamedAndMovesNoConsumerAndEnds) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 300);
    }
    const auto spool = open_spool(options());
    fail_reads(1'000'000);
    for (int i = 0; i < 3; ++i) {
        const auto page = spool->read(0, 1000, std::size_t{1} << 20);
        ASSERT_FALSE(page);
        EXPECT_THAT(page.error().message, HasSubstr("Input/output error"));
    }
    EXPECT_THAT(spool->status().read_error, HasSubstr("Input/output error"));
    EXPECT_THAT(spool->status().read_error, HasSubstr("events-0000000000000000001.db"));
    EXPECT_THAT(reports(), HasSubstr("cannot be read"));
    stop_faults();
    // The maintenance thread detects the end of the failure, even without a reader.
    wait_until([&] { return spool->status().read_error.empty(); });
    EXPECT_THAT(reports(), HasSubstr("recovered"));
    const ReadBack all = read_all(*spool);
    EXPECT_EQ(all.events.size(), 300U);
    EXPECT_TRUE(all.missing.empty());
    EXPECT_EQ(spool->status().quarantined_events, 0U);
}

TEST_F(ReadErrorTest, AnErrorAtTheStartRenumbersNothing) {
    const std::string kept = killed();
    // Each read of a start fails once, and some reads after it.
    for (int skip = 0; skip < 60 && !HasFailure(); ++skip) {
        SCOPED_TRACE("from read " + std::to_string(skip) + " on");
        auto again = options();
        again.directory = directory_.in("again");
        fs::remove_all(again.directory);
        fs::copy(kept, again.directory);
        fs::permissions(again.directory, fs::perms::owner_all);
        fail_reads(2, EIO, skip);
        const auto spool = open_spool(again);
        stop_faults();
        ASSERT_TRUE(spool);
        expect_all_there(*spool);
        for (const auto& entry : fs::directory_iterator(again.directory))
            EXPECT_EQ(entry.path().string().find("damaged"), std::string::npos) << entry.path();
    }
    EXPECT_EQ(reports().find("is damaged"), std::string::npos) << reports();
}

TEST_F(ReadErrorTest, AnErrorThatLastsAtTheStartChangesNothing) {
    const std::string kept = killed();
    auto again = options();
    again.directory = kept;
    again.start_timeout = 300ms;
    fs::permissions(kept, fs::perms::owner_all);
    fail_reads(1'000'000);
    const auto refused = Spool::open(again);
    stop_faults();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("Input/output error"));
    EXPECT_THAT(reports(), HasSubstr("reads are retried"));
    expect_all_there(*open_spool(again));
}

TEST_F(ReadErrorTest, ALookUpOfASessionWaitsAndCommitsGoOn) {
    {
        const auto spool = open_spool(options());
        SpoolBatch batch{.lines = "{}\n",
                         .events = 1,
                         .listeners = {{"devices", 1}},
                         .marks = {{{"device-1", "boot-1"}, 9}},
                         .durable = {}};
        spool->append(std::move(batch));
        ASSERT_TRUE(spool->wait_for(0, 30s));
    }
    const auto spool = open_spool(options());
    append_and_wait(*spool, 2, 3);
    wait_until([&] { return spool->status().keeper_rounds >= 2; });
    std::promise<std::uint64_t> seq;
    auto answer = seq.get_future();
    {
        // Another program writes to the file, so the page cache of the connection is stale.
        DbError error;
        auto database = Database::open(options().directory + "/spool.db", Database::Use::write, error);
        ASSERT_TRUE(database);
        ASSERT_FALSE(database->execute("INSERT INTO about VALUES ('test', '1')"));
    }
    fail_reads(1'000'000);
    spool->look_up({"device-1", "boot-1"}, [&](std::uint64_t n) { seq.set_value(n); });
    wait_until([&] { return spool->status().error.find("numbers of sessions") != std::string::npos; });
    EXPECT_EQ(answer.wait_for(100ms), std::future_status::timeout);
    stop_faults();
    EXPECT_EQ(answer.get(), 9U);
    wait_until([&] { return spool->status().error.empty(); });
    append_and_wait(*spool, 4, 5);
}

TEST_F(ReadErrorTest, AWrongByteThatPassesIsNoDamage) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 300, 3, 200);
    }
    const auto spool = open_spool(options());
    for (int reads = 1; reads <= 3; ++reads) {
        faults.garble = reads;
        const ReadBack all = read_all(*spool, 0, 50);
        stop_faults();
        EXPECT_EQ(all.events.size(), 300U) << reads;
        EXPECT_TRUE(all.missing.empty()) << reads;
    }
    EXPECT_EQ(spool->status().quarantined_events, 0U) << reports();
}

TEST_F(ReadErrorTest, AWrongByteBehindFailedReadsIsNoDamage) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 300, 3, 200);
    }
    const auto spool = open_spool(options());
    for (int failed = 1; failed <= 3; ++failed) {
        fail_reads(failed);
        faults.garble = 1;
        const ReadBack all = read_all(*spool, 0, 50);
        stop_faults();
        EXPECT_EQ(all.events.size(), 300U) << failed;
        EXPECT_TRUE(all.missing.empty()) << failed;
    }
    EXPECT_EQ(spool->status().quarantined_events, 0U) << reports();
}

TEST_F(ReadErrorTest, DamageThatReadsWellAgainLeavesTheQuarantine) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 60, 3, 2000);
    }
    auto spool = open_spool(options());
    faults.garble = 1'000'000;
    const ReadBack damaged = read_all(*spool, 0, 50);
    stop_faults();
    ASSERT_FALSE(damaged.missing.empty());
    EXPECT_GT(spool->status().quarantined_events, 0U);
    EXPECT_THAT(reports(), HasSubstr("is damaged"));
    wait_until([&] { return spool->status().quarantined_events == 0; });
    EXPECT_EQ(spool->status().quarantined_rows, 0U);
    EXPECT_THAT(reports(), HasSubstr("can be read again"));
    spool.reset();
    spool = open_spool(options());
    EXPECT_EQ(spool->status().quarantined_events, 0U);
    EXPECT_EQ(read_all(*spool).events.size(), 60U);
}

TEST(QuarantineTest, ShrinksGrowsAndSplits) {
    using Counts = std::pair<std::uint64_t, std::uint64_t>;
    Quarantine quarantine;
    const auto figures = [&] { return Counts(quarantine.figures().rows, quarantine.figures().events); };
    EXPECT_TRUE(quarantine.add({10, 19, "torn"}, WallTime()));
    EXPECT_FALSE(quarantine.add({12, 19, "torn"}, WallTime()));
    EXPECT_EQ(figures(), Counts(1, 10));
    EXPECT_TRUE(quarantine.add({15, 24, "torn"}, WallTime()));
    EXPECT_EQ(figures(), Counts(2, 15));
    EXPECT_TRUE(quarantine.remove(12, 13));
    EXPECT_EQ(figures(), Counts(3, 13));
    EXPECT_FALSE(quarantine.remove(12, 13));
    EXPECT_TRUE(quarantine.has(11));
    EXPECT_FALSE(quarantine.has(12));
    EXPECT_TRUE(quarantine.has(24));
    EXPECT_EQ(quarantine.behind(10, 5), (std::vector<Position>{14, 15}));
    const auto unsaved = quarantine.unsaved();
    ASSERT_TRUE(unsaved);
    EXPECT_EQ(unsaved->damages.size(), 3U);
    quarantine.saved(unsaved->revision);
    EXPECT_FALSE(quarantine.unsaved());
    EXPECT_TRUE(quarantine.remove(0, 100));
    EXPECT_EQ(figures(), Counts(0, 0));
    EXPECT_TRUE(quarantine.unsaved());
}

}  // namespace
}  // namespace holdfast
