#include "spool/spool.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool/directory.h"
#include "spool/segment_file.h"
#include "spool/spool_test.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SpoolTest : public testing::Test {
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
    std::uint64_t look_up(Spool& spool, const std::string& id, const std::string& session) {
        std::promise<std::uint64_t> answer;
        spool.look_up({id, session}, [&](std::uint64_t seq) { answer.set_value(seq); });
        return answer.get_future().get();
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

TEST_F(SpoolTest, GivesBackWhatItWasGivenInOrderAndNumbersIt) {
    const auto spool = open_spool(options());
    append_and_wait(*spool, 1, 1000, 7);
    const ReadBack all = read_all(*spool);
    ASSERT_EQ(all.events.size(), 1000U);
    for (std::uint64_t n = 1; n <= 1000; ++n) {
        EXPECT_EQ(all.events[n - 1], (std::pair<Position, std::string>{n, test_line(n)}));
    }
    EXPECT_TRUE(all.missing.empty());
    EXPECT_EQ(read_all(*spool, 990).events.size(), 10U);
    EXPECT_EQ(read_all(*spool, 1000).events.size(), 0U);
}

TEST_F(SpoolTest, GoesOnBehindTheLastPositionAfterARestart) {
    std::string id;
    for (std::uint64_t run = 0; run < 4; ++run) {
        const auto spool = open_spool(options());
        if (run == 0) id = spool->status().id;
        EXPECT_EQ(spool->status().id, id);
        EXPECT_EQ(spool->status().last, run * 10);
        append_and_wait(*spool, run * 10 + 1, run * 10 + 10, 3);
        EXPECT_EQ(read_all(*spool).events.size(), run * 10 + 10);
    }
    EXPECT_EQ(id.size(), 16U);
}

TEST_F(SpoolTest, AFileThatAKillLeftUnmadeLosesNoPosition) {
    const auto running = open_spool(options());
    append_and_wait(*running, 1, 3, 3);
    for (const std::size_t bytes : {0U, 8192U}) {
        auto killed = options();
        killed.directory = directory_.in("killed-" + std::to_string(bytes));
        std::filesystem::copy(options().directory, killed.directory);
        std::filesystem::permissions(killed.directory, std::filesystem::perms::owner_all);
        std::ofstream(killed.directory + "/events-0000000000000000004.db") << std::string(bytes, '\0');
        const auto spool = open_spool(killed);
        EXPECT_EQ(spool->status().last, 3U) << bytes << " bytes";
        append_and_wait(*spool, 4, 5, 2);
        EXPECT_TRUE(read_all(*spool).missing.empty());
    }
    EXPECT_TRUE(reports_.empty());
}

TEST_F(SpoolTest, TheLogIsThereBeforeTheFirstRowSoThatItsNameCanBeSynced) {
    const std::string path = directory_.in("some.db");
    ASSERT_TRUE(SpoolDirectory::make_file(path));
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    ASSERT_TRUE(database) << error.message;
    EXPECT_EQ(set_up_for_writing(*database), std::nullopt);
    EXPECT_TRUE(SpoolDirectory::has_log(path));
}

TEST_F(SpoolTest, AValueIsNoneOfAStatementWhoseCommitFails) {
    const std::string path = directory_.in("some.db");
    ASSERT_TRUE(SpoolDirectory::make_file(path));
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    ASSERT_TRUE(database) << error.message;
    const auto failed = database->execute(
        "PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    ASSERT_FALSE(failed) << failed->message;
    EXPECT_EQ(database->value_of("INSERT INTO child VALUES (1) RETURNING 'written'"), std::nullopt);
    EXPECT_THAT(database->error().message, HasSubstr("FOREIGN KEY"));
    EXPECT_EQ(database->value_of("SELECT count(*) FROM child"), "0");
}

TEST_F(SpoolTest, StopWritesWhatWaits) {
    auto slow = options();
    slow.commit_interval = 1h;
    auto spool = open_spool(slow);
    SpoolBatch batch{.lines = "{}\n", .events = 1, .listeners = {{"devices", 1}}, .marks = {}, .durable = {}};
    spool->append(std::move(batch));
    EXPECT_EQ(spool->status().waiting_events, 1U);
    EXPECT_EQ(spool->waiting_bytes(), 3U);
    EXPECT_EQ(spool->stop(1min), 0U);
    spool.reset();
    EXPECT_EQ(read_all(*open_spool(options())).events.size(), 1U);
}

TEST_F(SpoolTest, ABatchIsCommittedWhenItIsBigEnough) {
    auto slow = options();
    slow.commit_interval = 1h;
    slow.commit_bytes = 1000;
    const auto spool = open_spool(slow);
    append_and_wait(*spool, 1, 100, 100, 10);
    EXPECT_EQ(spool->status().commits, 1U);
}

TEST_F(SpoolTest, TellsWhoseAnEventIs) {
    const auto spool = open_spool(options());
    SpoolBatch batch{.lines = "1\n2\n3\n4\n",
                     .events = 4,
                     .listeners = {{"devices", 1}, {"me\"t\\ers\n", 2}, {"devices", 1}},
                     .marks = {},
                     .durable = {}};
    spool->append(std::move(batch));
    ASSERT_TRUE(spool->wait_for(3, 30s));
    const auto page = spool->read(1, 10, 1000);
    ASSERT_TRUE(page);
    ASSERT_EQ(page.value().events.size(), 3U);
    EXPECT_EQ(page.value().events[0].listener, "me\"t\\ers\n");
    EXPECT_EQ(page.value().events[0].line, "2");
    EXPECT_EQ(page.value().events[1].listener, "me\"t\\ers\n");
    EXPECT_EQ(page.value().events[2].listener, "devices");
    EXPECT_EQ(page.value().events[2].position, 4U);
    EXPECT_EQ(page.value().events[2].committed_at, clock_.wall());
}

TEST_F(SpoolTest, APageIsNoLargerThanAskedFor) {
    const auto spool = open_spool(options());
    append_and_wait(*spool, 1, 100, 10, 100);
    const std::size_t line = test_line(1, 100).size() + 1;
    EXPECT_EQ(spool->read(0, 7, 1 << 20).value().events.size(), 7U);
    EXPECT_EQ(spool->read(5, 25, 1 << 20).value().events.size(), 25U);
    EXPECT_EQ(spool->read(5, 1000, 12 * line + 50).value().events.size(), 12U);
    EXPECT_EQ(spool->read(5, 1000, 1).value().events.size(), 1U);
    EXPECT_EQ(spool->read(5, 0, 0).value().events.size(), 1U);
    auto page = spool->read(95, 1000, 1 << 20);
    const SpoolPage moved = std::move(page).value();
    EXPECT_EQ(moved.next_after, 100U);
    EXPECT_EQ(moved.events.front().line, test_line(96, 100));
}

TEST_F(SpoolTest, WaitsForTheNextEvent) {
    const auto spool = open_spool(options());
    EXPECT_FALSE(spool->wait_for(0, 0ms));
    auto waiting = std::async(std::launch::async, [&] { return spool->wait_for(1, 30s); });
    append_and_wait(*spool, 1, 2);
    EXPECT_TRUE(waiting.get());
    auto stopped = std::async(std::launch::async, [&] { return spool->wait_for(2, 1h); });
    spool->stop(1s);
    EXPECT_FALSE(stopped.get());
}

TEST_F(SpoolTest, GroupsKeepTheirPositions) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 20);
        EXPECT_FALSE(spool->set_position("billing", 7));
        EXPECT_FALSE(spool->set_position("audit.2_x-1", 20));
        EXPECT_FALSE(spool->set_position("audit.2_x-1", 12));
        EXPECT_TRUE(spool->set_position("billing", 21));
        EXPECT_TRUE(spool->set_position("", 1));
        EXPECT_TRUE(spool->set_position("a/b", 1));
        EXPECT_TRUE(spool->set_position(std::string(65, 'a'), 1));
    }
    auto wanted = options();
    wanted.required_groups = {"billing", "nats"};
    const auto spool = open_spool(wanted);
    const auto groups = spool->groups();
    ASSERT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups[0].name, "audit.2_x-1");
    EXPECT_EQ(groups[0].position, 12U);
    EXPECT_FALSE(groups[0].required);
    EXPECT_EQ(groups[1].position, 7U);
    EXPECT_TRUE(groups[1].required);
    EXPECT_EQ(groups[2].name, "nats");
    EXPECT_EQ(groups[2].position, 0U);
    EXPECT_THAT(spool->remove_group("billing")->message, HasSubstr("required"));
    EXPECT_THAT(spool->remove_group("nobody")->message, HasSubstr("no group"));
    EXPECT_FALSE(spool->remove_group("audit.2_x-1"));
    EXPECT_EQ(spool->groups().size(), 2U);
}

TEST_F(SpoolTest, GroupsKeepTheirMemos) {
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 20);
        EXPECT_FALSE(spool->set_position("nats", 7, R"({"stream":"holdfast"})"));
        EXPECT_FALSE(spool->set_position("nats", 8));  // as an operator does
        EXPECT_FALSE(spool->set_position("billing", 1));
        EXPECT_TRUE(spool->set_position("billing", 1, std::string(5'000, 'x')));
    }
    const auto spool = open_spool(options());
    const auto groups = spool->groups();
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].memo, "");
    EXPECT_EQ(groups[1].memo, R"({"stream":"holdfast"})");
    EXPECT_EQ(groups[1].position, 8U);
    EXPECT_FALSE(spool->remove_group("nats"));
    EXPECT_FALSE(spool->set_position("nats", 3));
    EXPECT_EQ(spool->groups()[1].memo, "") << "it is another group now";
}

TEST_F(SpoolTest, EveryProcessWritesInEpochsOfItsOwn) {
    std::vector<std::uint64_t> epochs;
    for (std::uint64_t life = 0; life < 3; ++life) {
        const auto spool = open_spool(options());
        EXPECT_EQ(spool->status().inherited, life * 5);
        append_and_wait(*spool, life * 5 + 1, life * 5 + 5);
        const auto page = spool->read(0, 100, 100'000);
        ASSERT_TRUE(page);
        ASSERT_EQ(page.value().events.size(), (life + 1) * 5);
        epochs.push_back(page.value().events.back().epoch);
        for (std::size_t i = 0; i < page.value().events.size(); ++i) {
            EXPECT_EQ(page.value().events[i].epoch, epochs[i / 5]) << i;
        }
    }
    EXPECT_NE(epochs[0], 0U);
    EXPECT_EQ(std::set(epochs.begin(), epochs.end()).size(), 3U);
}

TEST_F(SpoolTest, FilesArePrivate) {
    const mode_t before = ::umask(0);
    {
        const auto spool = open_spool(options());
        append_and_wait(*spool, 1, 5);
        struct stat status {};
        ASSERT_EQ(::stat(options().directory.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0700U);
        int files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(options().directory)) {
            ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
            EXPECT_EQ(status.st_mode & 07777, 0600U) << entry.path();
            ++files;
        }
        EXPECT_GE(files, 7);  // two databases with a log and an index each, and the lock
    }
    ::umask(before);
}

TEST_F(SpoolTest, NobodyElseMayOpenIt) {
    const auto spool = open_spool(options());
    const auto second = Spool::open(options());
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid()) + " has the spool in"));
}

TEST_F(SpoolTest, OpensOnlyASpool) {
    auto wanted = options();
    wanted.directory = directory_.in("home");
    std::filesystem::create_directory(wanted.directory);
    std::ofstream(wanted.directory + "/letter.txt") << "dear";
    EXPECT_THAT(Spool::open(wanted).error().message, HasSubstr("letter.txt"));
    wanted.directory = directory_.in("home/letter.txt");
    EXPECT_THAT(Spool::open(wanted).error().message, HasSubstr("cannot open"));
    wanted.directory = directory_.in("a/b");
    EXPECT_THAT(Spool::open(wanted).error().message, HasSubstr("cannot make"));
    wanted.directory = directory_.in("other");
    std::filesystem::create_directory(wanted.directory);
    std::ofstream(wanted.directory + "/spool.db") << std::string(5000, 'x');
    EXPECT_THAT(Spool::open(wanted).error().message, HasSubstr("not a"));
}

TEST_F(SpoolTest, SessionsAreKnownOverARestart) {
    const auto batch = [](std::vector<SessionMark> marks, std::uint64_t events) {
        SpoolBatch made;
        for (std::uint64_t i = 0; i < events; ++i) made.lines += "{}\n";
        made.events = events;
        if (events > 0) made.listeners = {{"devices", events}};
        made.marks = std::move(marks);
        return made;
    };
    {
        const auto spool = open_spool(options());
        spool->append(batch({{{"device-1", "boot-1"}, 5}, {{"device-2", "b\"\\\n\x01€"}, 9}}, 3));
        spool->append(batch({{{"device-1", "boot-1"}, 6}}, 0));
        EXPECT_EQ(look_up(*spool, "device-1", "boot-1"), 6U);
        EXPECT_EQ(look_up(*spool, "device-1", "boot-2"), 0U);
        spool->append(batch({{{"device-1", "boot-1"}, 7}}, 1));
        EXPECT_EQ(look_up(*spool, "device-1", "boot-1"), 7U);
    }
    for (int run = 0; run < 2; ++run) {
        const auto spool = open_spool(options());
        EXPECT_EQ(look_up(*spool, "device-1", "boot-1"), 7U);
        EXPECT_EQ(look_up(*spool, "device-2", "b\"\\\n\x01€"), 9U);
        EXPECT_EQ(spool->status().last, 4U);
    }
}

TEST_F(SpoolTest, ALookUpWaitsForWhatWasAppendedBefore) {
    auto slow = options();
    slow.commit_interval = 50ms;
    const auto spool = open_spool(slow);
    for (std::uint64_t seq = 1; seq <= 20; ++seq) {
        SpoolBatch batch{
            .lines = "{}\n", .events = 1, .listeners = {{"devices", 1}}, .marks = {{{"d", "s"}, seq}}, .durable = {}};
        spool->append(std::move(batch));
        EXPECT_EQ(look_up(*spool, "d", "s"), seq);
    }
}

TEST_F(SpoolTest, ManyThreadsReadWhileOneWrites) {
    auto small = options();
    small.retain_bytes = 8 << 20;
    const auto spool = open_spool(small);
    std::atomic<bool> done{false};
    std::vector<std::future<std::uint64_t>> readers;
    for (int i = 0; i < 3; ++i) {
        readers.push_back(std::async(std::launch::async, [&] {
            Position after = 0;
            std::uint64_t seen = 0;
            while (!done || after < spool->status().last) {
                const auto page = spool->read(after, 50, 64 << 10);
                EXPECT_TRUE(page) << page.error().message;
                for (const SpooledEvent& event : page.value().events) {
                    EXPECT_EQ(event.line, test_line(event.position, 500));
                    EXPECT_GT(event.position, after);
                    after = event.position;
                    ++seen;
                }
                after = page.value().next_after;
                spool->wait_for(after, 1ms);
            }
            return seen;
        }));
    }
    append_and_wait(*spool, 1, 30'000, 50, 500);
    done = true;
    for (auto& reader : readers) EXPECT_GT(reader.get(), 0U);
}

}  // namespace
}  // namespace holdfast
