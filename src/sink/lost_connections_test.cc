#include "sink/lost_connections.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/event_writer.h"
#include "spool/database.h"
#include "testing/comes_true.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const WallTime later{1'795'334'500'000ms};

/// Simulates kill -9: copies the files of a spool while its process lives, and opens the copy.
class LostConnectionsTest : public testing::Test {
protected:
    std::unique_ptr<Spool> open(std::uint64_t retain_bytes = std::uint64_t{1} << 30) {
        SpoolOptions options;
        options.directory = directory_.in("spool" + std::to_string(life_));
        options.retain_bytes = retain_bytes;
        auto spool = Spool::open(std::move(options));
        EXPECT_TRUE(spool) << spool.error().message;
        return std::move(spool).value();
    }
    /// Waits until spool.db contains everything that was written, and no file changes any more.
    static void wait_for_table(Spool& spool) {
        const std::uint64_t rounds = spool.status().keeper_rounds;
        EXPECT_TRUE(comes_true([&] { return spool.status().keeper_rounds >= rounds + 2; }));
    }
    /// Continues with the state that a crash now would leave.
    void crash() {
        const auto from = directory_.in("spool" + std::to_string(life_));
        const auto to = directory_.in("spool" + std::to_string(++life_));
        std::filesystem::copy(from, to);
        std::filesystem::permissions(to, std::filesystem::perms::owner_all);
        std::filesystem::remove(to + "/lock");
    }
    static void write(Spool& spool, const std::string& lines) {
        SpoolBatch batch;
        batch.lines = lines;
        batch.events = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
        batch.listeners = {{"devices", batch.events}};
        std::promise<void> durable;
        batch.durable = [&durable] { durable.set_value(); };
        spool.append(std::move(batch));
        durable.get_future().wait();
    }
    static void settle(Spool& spool) {
        EXPECT_TRUE(comes_true([&] { return spool.status().waiting_events == 0; }));
    }
    /// Returns the lines of `closed` events, by connection.
    static std::multimap<std::string, std::string> closed(Spool& spool) {
        std::multimap<std::string, std::string> found;
        for (Position after = 0;;) {
            auto page = spool.read(after, 1'000, std::size_t{1} << 20);
            EXPECT_TRUE(page);
            for (const SpooledEvent& event : page.value().events) {
                if (!event.line.starts_with(R"({"event":"closed","conn":")")) continue;
                const std::string_view conn = event.line.substr(26);
                found.emplace(conn.substr(0, conn.find('"')), event.line);
            }
            if (page.value().next_after == after) return found;
            after = page.value().next_after;
        }
    }

    std::string connected(std::uint64_t number) {
        std::string line;
        writer_.append_connected(line, {{1, number}, "devices", peer_, at_});
        return line;
    }
    std::string identified(std::uint64_t number) {
        std::string line;
        writer_.append_identified(line, {{1, number}, "devices", peer_, {"d\"7", "boot"}, at_ + 1s});
        return line;
    }
    std::string item(std::uint64_t number, std::uint64_t n, const std::string& raw = "{}") {
        std::string line;
        writer_.append_item(line, {.conn = {1, number},
                                   .listener = "devices",
                                   .peer = peer_,
                                   .n = n,
                                   .key = "k",
                                   .item = raw,
                                   .at = at_ + 2s});
        return line;
    }
    std::string closed_line(std::uint64_t number) {
        std::string line;
        ClosedEvent event;
        event.conn = {1, number};
        event.peer = peer_;
        writer_.append_closed(line, event);
        return line;
    }

    TemporaryDirectory directory_;
    int life_ = 0;
    EventWriter writer_;
    Endpoint peer_ = parse_endpoint("10.2.0.9:51514").value();
    EventTime at_{1'795'334'400'123ms};
};

TEST_F(LostConnectionsTest, AreClosedOnceWithTheBestEvidence) {
    {
        const auto spool = open();
        EXPECT_EQ(close_lost(*spool, later, false).closed, 0U);
        write(*spool, connected(1) + connected(2) + connected(3));
        write(*spool, identified(2) + item(1, 1) + closed_line(3));
        write(*spool, item(1, 2, R"({"x":{"n":9,"at":"no"}})"));
        crash();
    }
    const auto spool = open();
    EXPECT_EQ(close_lost(*spool, later, false).closed, 2U);
    settle(*spool);
    const auto lines = closed(*spool);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(
        lines.find("1-1")->second,
        R"({"event":"closed","conn":"1-1","listener":"devices","peer":"10.2.0.9:51514","reason":"gateway_lost",)"
        R"("kind":"local","error":null,"detail":"the gateway ended without closing it","evidence":null,"items":2,)"
        R"("bytes_in":null,"bytes_out":null,"duration_s":null,"connected_at":"2026-11-22T08:00:00.123Z",)"
        R"("last_event_at":"2026-11-22T08:00:02.123Z","at":"2026-11-22T08:01:40.000Z"})");
    EXPECT_THAT(lines.find("1-2")->second,
                HasSubstr(R"("id":"d\"7","session":"boot","authenticated":false,"reason":"gateway_lost")"));
    EXPECT_THAT(lines.find("1-2")->second, HasSubstr(R"("items":0)"));
    EXPECT_THAT(lines.find("1-2")->second, HasSubstr(R"("last_event_at":"2026-11-22T08:00:01.123Z")"));
    EXPECT_THAT(lines.find("1-3")->second, Not(HasSubstr("gateway_lost")));
}

TEST_F(LostConnectionsTest, ABadItemIsAnEventToo) {
    {
        const auto spool = open();
        write(*spool, connected(1) + item(1, 1) + item(1, 2));
        BadItemEvent bad;
        bad.conn = {1, 1};
        bad.listener = "devices";
        bad.peer = peer_;
        bad.items = 2;
        bad.at = at_ + 3s;
        std::string line;
        writer_.append_bad_item(line, bad);
        write(*spool, line);
        crash();
    }
    const auto spool = open();
    EXPECT_EQ(close_lost(*spool, later, false).closed, 1U);
    settle(*spool);
    const auto lines = closed(*spool);
    EXPECT_THAT(lines.find("1-1")->second, HasSubstr(R"("items":2,)"));
    EXPECT_THAT(lines.find("1-1")->second, HasSubstr(R"("last_event_at":"2026-11-22T08:00:03.123Z")"));
}

TEST_F(LostConnectionsTest, WhateverTheTableHadWhenItCrashedAndHoweverOften) {
    std::string all;
    for (std::uint64_t number = 1; number <= 500; ++number) all += connected(number);
    {
        const auto spool = open();
        write(*spool, all);
        crash();  // usually before the table contains them
    }
    for (int crashes = 0; crashes < 4; ++crashes) {
        const auto spool = open();
        // This process writes some of the missing ends, and crashes before the others.
        std::string some;
        int left = 100;
        spool->visit_lost([&](const LostConnection& lost) {
            if (left-- > 0) some += lost_closed_line(lost, later);
        });
        write(*spool, some);
        if (crashes % 2 == 1) wait_for_table(*spool);
        crash();
    }
    const auto spool = open();
    EXPECT_EQ(close_lost(*spool, later, false).closed, 100U);
    settle(*spool);
    const auto lines = closed(*spool);
    EXPECT_EQ(lines.size(), 500U);
    for (std::uint64_t number = 1; number <= 500; ++number) {
        EXPECT_EQ(lines.count(to_string(ConnectionId{1, number})), 1U) << number;
    }
}

TEST_F(LostConnectionsTest, RetentionMayHaveTakenWhatTheyBeganWith) {
    {
        const auto spool = open(1 << 20);
        write(*spool, connected(1) + connected(2) + item(1, 1));
        const std::string fill(20'000, 'x');
        for (std::uint64_t n = 1; spool->status().first < 3; ++n) {
            ASSERT_LT(n, 5'000U);
            write(*spool, item(2, n, R"({"fill":")" + fill + "\"}"));
        }
        wait_for_table(*spool);
        crash();
    }
    const auto spool = open(1 << 20);
    EXPECT_EQ(close_lost(*spool, later, false).closed, 2U);
    settle(*spool);
    const auto lines = closed(*spool);
    EXPECT_THAT(lines.find("1-1")->second, HasSubstr(R"("connected_at":"2026-11-22T08:00:00.123Z")"));
    EXPECT_THAT(lines.find("1-2")->second, Not(HasSubstr(R"("items":null)")));
}

TEST_F(LostConnectionsTest, AnOrderlyEndLeavesNone) {
    {
        const auto spool = open();
        write(*spool, connected(1) + closed_line(1));
    }
    EXPECT_EQ(close_lost(*open(), later, false).closed, 0U);
}

TEST_F(LostConnectionsTest, ASpoolOfAnEarlierVersionIsReadAsAWhole) {
    {
        const auto spool = open();
        write(*spool, connected(1) + connected(2) + item(1, 1) + closed_line(2));
    }
    {
        DbError error;
        auto control = Database::open(directory_.in("spool0") + "/spool.db", Database::Use::write, error);
        ASSERT_TRUE(control) << error.message;
        ASSERT_FALSE(control->execute("DROP TABLE open_connection"));
        ASSERT_FALSE(control->execute("DELETE FROM about WHERE key = 'knows_open'"));
    }
    const auto spool = open();
    EXPECT_EQ(close_lost(*spool, later, false).closed, 1U);
}

TEST_F(LostConnectionsTest, TheFleetReportsTheEndsOfDevicesAndMayConfirmThem) {
    {
        const auto spool = open();
        write(*spool, connected(1) + connected(2) + identified(2) + connected(3) + identified(3));
    }
    {
        const auto spool = open();
        const LostConnections lost = close_lost(*spool, later, true);
        EXPECT_EQ(lost.closed, 1U);
        ASSERT_EQ(lost.former.size(), 2U);
        EXPECT_EQ(lost.former[0].listener, "devices");
        EXPECT_THAT(lost.former[0].closed_line, HasSubstr(R"("conn":"1-2")"));
        spool->forget_lost("1-2");
    }
    const LostConnections lost = close_lost(*open(), later, true);
    ASSERT_EQ(lost.former.size(), 1U);
    EXPECT_EQ(lost.former[0].conn, "1-3");
}

TEST(LostClosedLine, WhatIsNotKnownIsNull) {
    EXPECT_EQ(lost_closed_line({.conn = "1-1"}, later),
              R"({"event":"closed","conn":"1-1","reason":"gateway_lost","kind":"local","error":null,)"
              R"("detail":"the gateway ended without closing it","evidence":null,"items":null,"bytes_in":null,)"
              R"("bytes_out":null,"duration_s":null,"connected_at":null,"last_event_at":null,)"
              "\"at\":\"2026-11-22T08:01:40.000Z\"}\n");
}

TEST_F(LostConnectionsTest, ConnectionsThatLiveOnAreLeftOutAndNotSearchedFor) {
    {
        const auto spool = open();
        write(*spool, connected(1) + connected(2) + identified(2) + connected(3) + item(1, 1) + item(3, 7));
        crash();
    }
    const auto spool = open();
    std::vector<std::pair<std::string, bool>> asked;
    const auto is_kept = [&asked](const std::string& conn, bool has_id) {
        asked.emplace_back(conn, has_id);
        return conn != "1-3";
    };
    EXPECT_EQ(close_lost(*spool, later, false, is_kept).closed, 1U);
    settle(*spool);
    EXPECT_THAT(asked,
                testing::IsSupersetOf({std::pair<std::string, bool>("1-1", false), {"1-2", true}, {"1-3", false}}));
    const auto found = closed(*spool);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.begin()->first, "1-3");
    EXPECT_THAT(found.begin()->second, HasSubstr("\"items\":7"));
}

}  // namespace
}  // namespace holdfast
