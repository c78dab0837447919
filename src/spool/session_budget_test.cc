#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "spool/database.h"
#include "spool/row.h"
#include "spool/session_table.h"
#include "testing/temporary_directory.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class SessionBudgetTest : public testing::Test {
protected:
    SpoolOptions options(SessionBudget budget = {}) {
        SpoolOptions options;
        options.directory = directory_.in("spool");
        options.read_clocks = [this] { return clock_.read(); };
        options.sessions = budget;
        return options;
    }
    /// Appends one event with the marks, or, without `event`, only the marks of refused items.
    static void append(Spool& spool, std::vector<Watermark> marks, bool event = true) {
        SpoolBatch batch;
        if (event) batch = {.lines = "{}\n", .events = 1, .listeners = {{"devices", 1}}, .marks = {}, .durable = {}};
        batch.marks = std::move(marks);
        std::promise<void> durable;
        batch.durable = [&] { durable.set_value(); };
        spool.append(std::move(batch));
        durable.get_future().get();
    }
    static std::uint64_t look_up(Spool& spool, const SessionName& name) {
        std::promise<std::uint64_t> answer;
        spool.look_up(name, [&](std::uint64_t seq) { answer.set_value(seq); });
        return answer.get_future().get();
    }
    /// Waits until the maintenance thread has saved everything that was durable before the call.
    void settle(Spool& spool) {
        const std::uint64_t rounds = spool.status().keeper_rounds;
        for (int i = 0; i < 3000 && spool.status().keeper_rounds < rounds + 2; ++i) std::this_thread::sleep_for(10ms);
        ASSERT_GE(spool.status().keeper_rounds, rounds + 2);
        clock_.advance(1s);
    }

    TemporaryDirectory directory_;
    SharedClock clock_;
};

TEST_F(SessionBudgetTest, TheTwoKindsOfOneNameAreTwoSessionsAlsoOverARestart) {
    const SessionName proved{"d", "s", true};
    const SessionName stranger{"d", "s", false};
    {
        const auto spool = open_spool(options());
        append(*spool, {{proved, 3}});
        append(*spool, {{stranger, 1'000}});
        EXPECT_EQ(look_up(*spool, proved), 3U);
        EXPECT_EQ(look_up(*spool, stranger), 1'000U);
        append(*spool, {{stranger, 1'001}}, false);
        settle(*spool);
        EXPECT_EQ(look_up(*spool, proved), 3U);
    }
    for (int run = 0; run < 2; ++run) {
        const auto spool = open_spool(options());
        EXPECT_EQ(look_up(*spool, proved), 3U);
        EXPECT_EQ(look_up(*spool, stranger), 1'001U);
        EXPECT_EQ(spool->status().sessions.authenticated, 1U);
        EXPECT_EQ(spool->status().sessions.unauthenticated, 1U);
    }
}

TEST_F(SessionBudgetTest, ASpoolOfAnOlderVersionIsTakenOver) {
    { const auto spool = open_spool(options()); }
    {
        DbError error;
        auto database = Database::open(directory_.in("spool/spool.db"), Database::Use::write, error);
        ASSERT_TRUE(database);
        ASSERT_FALSE(database->execute("DROP TABLE device_session"));
        const std::string sound = std::to_string(checksum({"d", "s"}, {7}));
        ASSERT_FALSE(
            database->execute(("INSERT INTO session VALUES ('d', 's', 7, 1795334400000, " + sound + ")").c_str()));
        ASSERT_FALSE(database->execute("INSERT INTO session VALUES ('d', 'torn', 7, 1795334400000, 1)"));
    }
    {
        const auto spool = open_spool(options());
        for (const bool authenticated : {false, true}) {
            EXPECT_EQ(look_up(*spool, {"d", "s", authenticated}), 7U);
            EXPECT_EQ(look_up(*spool, {"d", "torn", authenticated}), 0U);
        }
        append(*spool, {{{"d", "s", false}, 1'000}});
        settle(*spool);
        EXPECT_EQ(look_up(*spool, {"d", "s", true}), 7U) << "from then on they are two";
    }
    const auto spool = open_spool(options());
    EXPECT_EQ(look_up(*spool, {"d", "s", true}), 7U) << "taken over once";
}

/// Tests the table in a separate file, with one transaction per call.
class SessionTableTest : public testing::Test {
protected:
    void SetUp() override {
        const std::string path = directory_.write("sessions.db", "");
        DbError error;
        auto database = Database::open(path, Database::Use::write, error);
        ASSERT_TRUE(database) << error.message;
        database_ = std::move(*database);
        ASSERT_FALSE(database_.execute("CREATE TABLE session (id, session, seq, at, crc)"));
        ASSERT_FALSE(SessionTable::make(database_));
        const auto failed = table_.prepare(database_);
        ASSERT_FALSE(failed) << failed->message;
    }
    /// Saves a number at second `at`.
    void save(const SessionName& name, std::uint64_t seq, int at) {
        ASSERT_FALSE(database_.execute("BEGIN IMMEDIATE"));
        ASSERT_TRUE(table_.store(name, seq, WallTime(std::chrono::seconds(at)), budget_));
        ASSERT_TRUE(table_.trim(budget_));
        ASSERT_FALSE(database_.execute("COMMIT"));
        table_.committed();
    }
    /// Returns -1 if the session is not in the table.
    std::int64_t seq_of(const SessionName& name) {
        const std::string sql = "SELECT seq FROM device_session WHERE id = '" + name.id + "' AND session = '" +
                                name.session + "' AND authenticated = " + (name.authenticated ? "1" : "0");
        std::optional<std::int64_t> seq;
        EXPECT_FALSE(database_.read_number(sql.c_str(), seq));
        return seq.value_or(-1);
    }

    TemporaryDirectory directory_;
    Database database_;
    SessionTable table_;
    SessionBudget budget_{.per_id = 3, .overall = 10};
};

TEST_F(SessionTableTest, AnIdKeepsItsLatestSessionsOfEachKind) {
    save({"d", "mine", true}, 5, 1);
    for (int n = 1; n <= 5; ++n) save({"d", "s" + std::to_string(n), false}, 7, n);
    EXPECT_EQ(seq_of({"d", "s1", false}), -1);
    EXPECT_EQ(seq_of({"d", "s2", false}), -1);
    for (int n = 3; n <= 5; ++n) EXPECT_EQ(seq_of({"d", "s" + std::to_string(n), false}), 7);
    EXPECT_EQ(seq_of({"d", "mine", true}), 5);
    EXPECT_EQ(table_.figures().replaced, 2U);
    save({"d", "s3", false}, 8, 6);  // used again
    save({"d", "s6", false}, 1, 7);
    EXPECT_EQ(seq_of({"d", "s3", false}), 8);
    EXPECT_EQ(seq_of({"d", "s4", false}), -1);
}

TEST_F(SessionTableTest, StrangersGoBeforeAuthenticatedDevicesAndTheLeastRecentlyUsedFirst) {
    for (int n = 1; n <= 4; ++n) save({"a" + std::to_string(n), "s", true}, 1, n);
    for (int n = 1; n <= 50; ++n) save({"x" + std::to_string(n), "s", false}, 1, 10 + n);
    EXPECT_EQ(table_.figures().authenticated, 4U);
    EXPECT_EQ(table_.figures().unauthenticated, 6U);
    EXPECT_EQ(table_.figures().evicted_unauthenticated, 44U);
    EXPECT_EQ(table_.figures().evicted_authenticated, 0U);
    EXPECT_EQ(seq_of({"x44", "s", false}), -1);
    EXPECT_EQ(seq_of({"x45", "s", false}), 1);
    save({"a1", "s", true}, 2, 100);
    for (int n = 5; n <= 12; ++n) save({"a" + std::to_string(n), "s", true}, 1, 100 + n);
    EXPECT_EQ(table_.figures().unauthenticated, 0U);
    EXPECT_EQ(table_.figures().authenticated, 10U);
    EXPECT_EQ(table_.figures().evicted_authenticated, 2U);
    EXPECT_EQ(seq_of({"a1", "s", true}), 2) << "it was used after a2 and a3";
    EXPECT_EQ(seq_of({"a2", "s", true}), -1);
    EXPECT_EQ(seq_of({"a3", "s", true}), -1);
}

TEST_F(SessionTableTest, ASmallerNumberChangesNothingAndARollbackCountsAgain) {
    save({"d", "s", true}, 7, 1);
    save({"d", "s", true}, 6, 2);
    EXPECT_EQ(seq_of({"d", "s", true}), 7);
    ASSERT_FALSE(database_.execute("BEGIN IMMEDIATE"));
    ASSERT_TRUE(table_.store({"e", "s", true}, 1, WallTime{}, budget_));
    EXPECT_EQ(table_.figures().authenticated, 2U);
    table_.rolled_back();
    ASSERT_FALSE(database_.execute("ROLLBACK"));
    EXPECT_EQ(table_.figures().authenticated, 1U);
    save({"f", "s", false}, 1, 3);
    EXPECT_EQ(table_.figures().authenticated, 1U);
    EXPECT_EQ(table_.figures().unauthenticated, 1U);
}

TEST_F(SessionTableTest, ASmallerBudgetIsKeptAtOnce) {
    budget_.overall = 1'000;
    for (int n = 1; n <= 200; ++n) save({"a" + std::to_string(n), "s", n % 2 == 0}, 1, n);
    budget_.overall = 50;
    save({"a200", "s", true}, 2, 300);
    EXPECT_EQ(table_.figures().unauthenticated, 0U);
    EXPECT_EQ(table_.figures().authenticated, 50U);
    EXPECT_EQ(table_.figures().evicted_unauthenticated, 100U);
}

TEST_F(SessionBudgetTest, NoEventGoesToMakeRoomForSessions) {
    auto small = options();
    small.retain_bytes = 1 << 20;
    const auto spool = open_spool(small);
    for (std::uint64_t n = 1; n <= 5; ++n) append(*spool, {{{"honest", "s", false}, n}});
    for (int round = 0; round < 12; ++round) {  // each small commit adds a page to SQLite's log
        std::vector<Watermark> marks;
        for (int n = 0; n < 500; ++n) {
            marks.push_back({{"stranger-" + std::to_string(500 * round + n), std::string(60, 'x'), false}, 1});
        }
        append(*spool, std::move(marks), false);
        append(*spool, {});
    }
    settle(*spool);
    EXPECT_GT(spool->status().file_bytes, small.retain_bytes) << "the test is void otherwise";
    EXPECT_EQ(spool->status().first, 1U);
    EXPECT_EQ(read_all(*spool).events.size(), 17U);
}

TEST(SessionBook, DropsStrangersFirstAndKnowsTheRest) {
    SessionBook book;
    book.limit(2);
    book.note({{{"a", "s", true}, 1}, {{"b", "s", false}, 2}, {{"c", "s", true}, 3}});
    EXPECT_EQ(book.seq_of({"a", "s", true}), 1U);
    EXPECT_EQ(book.seq_of({"b", "s", false}), std::nullopt);
    EXPECT_EQ(book.seq_of({"c", "s", true}), 3U);
    book.note({{{"d", "s", false}, 4}});
    EXPECT_EQ(book.seq_of({"a", "s", true}), 1U);
    EXPECT_EQ(book.seq_of({"d", "s", false}), std::nullopt) << "only the table can know";
}

TEST(SessionsText, StatesTheKindAndReadsAnOlderVersionAsBoth) {
    const std::vector<Watermark> marks{{{"d", "s\"", true}, 5}, {{"d", "s", false}, 6}};
    const std::string text = sessions_text(marks);
    EXPECT_EQ(text, R"([["d","s\"",5,true],["d","s",6,false]])");
    const auto read = parse_sessions(text);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 2U);
    EXPECT_EQ((*read)[0].name, marks[0].name);
    EXPECT_EQ((*read)[1].name, marks[1].name);
    const auto former = parse_sessions(R"([["d","s",5]])");
    ASSERT_TRUE(former);
    ASSERT_EQ(former->size(), 2U);
    EXPECT_EQ((*former)[0].name, (SessionName{"d", "s", true}));
    EXPECT_EQ((*former)[1].name, (SessionName{"d", "s", false}));
    EXPECT_EQ((*former)[1].seq, 5U);
    for (const char* broken : {R"([["d","s",5,]])", R"([["d","s",5,1]])", R"([["d","s",5,truely]])"}) {
        EXPECT_FALSE(parse_sessions(broken)) << broken;
    }
}

}  // namespace
}  // namespace holdfast
