#include "daemon/state_keeper.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

ClosedLife made_life(std::uint64_t number) {
    ClosedLife life;
    life.conn = {0x7f2c91a0, number};
    life.peer = parse_endpoint("[2001:db8::1]:51514").value();
    life.reason = CloseReason::keepalive_expired;
    life.error = 110;
    life.evidence = {.probes = 5, .last_ack = std::chrono::milliseconds(20'012), .peer_window = 64'512};
    life.items = 3;
    life.bytes_in = 49;
    life.duration = std::chrono::milliseconds(61'400);
    life.at = EventTime(std::chrono::milliseconds(1'795'334'400'123));
    life.listener = "devices";
    life.detail = "an unfinished item";
    life.key = std::string("k\0\n ", 4);
    life.id = "shop 1";
    life.authenticated = number % 2 == 0;
    life.observed = number != 3;
    if (number == 2) {
        auto bad = std::make_shared<BadItems>();
        bad->counts = {1, 0, 2};
        bad->last = {.kind = BadItem::not_object, .position = 7, .bytes = 9, .detail = "a detail", .at = life.at};
        bad->last.head.assign(std::string_view("\0 a\n", 4));
        life.bad_items = bad;
    }
    return life;
}

TEST(StateText, IsReadBackUnchanged) {
    const SavedState state{.spool = "0123456789abcdef",
                           .position = 7,
                           .closed = {made_life(1), made_life(2), made_life(3)},
                           .trend = "all\nring 1\n"};
    const std::string text = to_state_text(state);
    const SavedState read = read_state_text(text);
    EXPECT_EQ(read.trend, state.trend);
    ASSERT_EQ(read.closed.size(), 3U);
    EXPECT_EQ(to_state_text(read), text);
    EXPECT_EQ(read.closed[1].evidence, state.closed[1].evidence);
    EXPECT_EQ(read.closed[0].key, state.closed[0].key);
    EXPECT_FALSE(read.closed[2].observed);
    EXPECT_EQ(read.position, 7U);
    ASSERT_NE(read.closed[1].bad_items, nullptr);
    EXPECT_EQ(read.closed[1].bad_items->last.detail, "a detail");
}

Alarm made_alarm(std::uint64_t id) {
    Alarm alarm;
    alarm.id = id;
    alarm.kind = AlarmKind::population_drop;
    alarm.listener = "devices";
    alarm.raised_at = EventTime(std::chrono::milliseconds(1'795'334'400'123));
    alarm.count = 2;
    alarm.took = std::chrono::milliseconds(900);
    alarm.interval = AlarmInterval{alarm.raised_at - std::chrono::seconds(1), alarm.raised_at};
    alarm.reasons = {{CloseReason::keepalive_expired, 2}};
    alarm.prefixes = {{parse_prefix("2001:db8::/32").value(), 2, 0}};
    alarm.summary = "2 in 1 s,\nall keepalive_expired";
    alarm.cause = "a partition";
    return alarm;
}

AlarmHistory made_alarms() {
    AlarmHistory alarms{.saved_at = EventTime(std::chrono::milliseconds(1'795'334'401'000))};
    alarms.board = {.active = {made_alarm(7)}, .recent = {made_alarm(6), made_alarm(2)}, .last_id = 9};
    alarms.board.active[0].silent = SilentPeers{.since = alarms.saved_at, .suspects = 5, .recovered = 1, .times = 2};
    alarms.board.recent[0].cleared_at = alarms.saved_at;
    alarms.board.recent[0].acknowledged = Acknowledgement{alarms.saved_at, "calls the carrier"};
    alarms.board.recent[1].cleared_at = alarms.saved_at;
    const ClosedLife life = made_life(1);
    alarms.members[6] = {{life.conn, life.id, life.peer, life.key, life.at, life.reason},
                         {{1, 2}, "", life.peer, "", life.at, std::nullopt}};
    return alarms;
}

TEST(StateText, AlarmsAreReadBackUnchanged) {
    const SavedState state{.closed = {made_life(1)}, .alarms = made_alarms(), .trend = "trend"};
    const std::string text = to_state_text(state);
    const SavedState read = read_state_text(text);
    EXPECT_EQ(to_state_text(read), text);
    EXPECT_EQ(read.trend, "trend");
    EXPECT_EQ(read.alarms.board.last_id, 9U);
    ASSERT_EQ(read.alarms.board.recent.size(), 2U);
    EXPECT_EQ(read.alarms.board.recent[0].acknowledged, state.alarms.board.recent[0].acknowledged);
    EXPECT_EQ(read.alarms.board.active.at(0).silent, state.alarms.board.active[0].silent);
    EXPECT_EQ(read.alarms.members, state.alarms.members);
}

TEST(StateText, AnUnknownAlarmIsLeftOutWithItsMembers) {
    std::string text = to_state_text({.closed = {}, .alarms = made_alarms(), .trend = ""});
    text.replace(text.find("alarm 6 population_drop"), 23, "alarm 6 alarm_of_tomorrow");
    const SavedState read = read_state_text(text);
    EXPECT_EQ(read.alarms.board.recent.size(), 1U);
    EXPECT_TRUE(read.alarms.members.empty());
    EXPECT_EQ(read.alarms.board.recent.at(0).reasons.size(), 1U);
}

TEST(StateText, AnyDamageOfALineIsTaken) {
    const std::string text = to_state_text({.closed = {made_life(1)}, .alarms = made_alarms(), .trend = ""});
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char byte : {' ', '\n', '9', '-', '\xff'}) {
            std::string damaged = text;
            damaged[at] = byte;
            const SavedState read = read_state_text(damaged);
            EXPECT_LE(read.alarms.board.active.size() + read.alarms.board.recent.size(), 3U);
        }
    }
}

TEST(StateText, UnknownLinesAreLeftOut) {
    const std::string text = to_state_text({.closed = {made_life(1)}, .trend = ""});
    std::string newer = text;
    newer.replace(newer.find("keepalive_expired"), 17, "reason_of_the_future");
    const SavedState read = read_state_text("alarm 7\nlife\nlife 1\n\n" + newer + text);
    EXPECT_TRUE(read.closed.empty());  // the trend begins behind the first `trend`
    EXPECT_EQ(read_state_text("later x\n" + text).closed.size(), 1U);
}

TEST(StateKeeper, LogsTheBeginningAndTheEndOfAFailure) {
    const TemporaryDirectory directory;
    const std::string place = directory.path() + "/later";
    Log log({.level = LogLevel::info, .format = LogFormat::text});
    testing::internal::CaptureStderr();
    {
        StateKeeper keeper(place + "/state", log);
        keeper.start([] { return SavedState{.closed = {made_life(1)}, .alarms = {}, .trend = ""}; });
        keeper.save();
        keeper.save();
        std::filesystem::create_directory(place);
        keeper.save();
    }
    const std::string lines = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
    EXPECT_THAT(lines, HasSubstr("cannot be created"));
    EXPECT_THAT(lines, HasSubstr("the state is saved again"));
    StateKeeper next(place + "/state", log);
    EXPECT_EQ(next.restore(nullptr).closed.size(), 1U);
}

TEST(StateKeeper, SavesAsSoonAsItIsAsked) {
    const TemporaryDirectory directory;
    Log log({.level = LogLevel::error, .format = LogFormat::text});
    std::promise<void> saved;
    StateKeeper keeper(directory.path() + "/state", log);
    keeper.start([&saved, first = true]() mutable {
        if (std::exchange(first, false)) saved.set_value();
        return SavedState();
    });
    keeper.save_soon();
    EXPECT_EQ(saved.get_future().wait_for(StateKeeper::interval), std::future_status::ready);
}

class StateFileTest : public testing::Test {
protected:
    void put(std::string_view bytes) { std::ofstream(file_.path(), std::ios::binary | std::ios::trunc) << bytes; }
    std::string content() {
        std::ifstream in(file_.path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    TemporaryDirectory directory_;
    const StateFile file_{directory_.path() + "/state"};
};

TEST_F(StateFileTest, IsReplacedAsAWhole) {
    EXPECT_EQ(file_.read().warning, "");
    EXPECT_FALSE(file_.write("one\n"));
    EXPECT_FALSE(file_.write("two\n"));
    const StateFile::Found found = file_.read();
    EXPECT_EQ(found.body, "two\n");
    EXPECT_EQ(found.warning, "");
    EXPECT_FALSE(std::filesystem::exists(file_.path() + ".new"));
    struct stat facts {};
    ASSERT_EQ(::stat(file_.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(StateFileTest, DamageIsKeptAside) {
    ASSERT_FALSE(file_.write("one\n"));
    const std::string whole = content();
    for (const std::string& damaged : {whole.substr(0, whole.size() - 1), std::string(), std::string("\n\0\xff", 3),
                                       "x" + whole, whole.substr(0, whole.size() - 2) + "X\n"}) {
        put(damaged);
        const StateFile::Found found = file_.read();
        EXPECT_EQ(found.body, "");
        EXPECT_THAT(found.warning, HasSubstr("is damaged; examine"));
        EXPECT_TRUE(std::filesystem::exists(file_.path() + ".damaged"));
        EXPECT_EQ(file_.read().warning, "");
    }
}

TEST_F(StateFileTest, ANewerVersionIsKeptAside) {
    put("holdfast-state 7 0000000000000000\nwhatever\n");
    EXPECT_THAT(file_.read().warning, HasSubstr("has version 7, and this gateway reads version 1; examine"));
    EXPECT_TRUE(std::filesystem::exists(file_.path() + ".version-7"));
    EXPECT_FALSE(file_.write("one\n"));
    EXPECT_EQ(file_.read().body, "one\n");
}

TEST_F(StateFileTest, WhatIsNoFileIsReported) {
    std::filesystem::create_directory(file_.path());
    EXPECT_THAT(file_.read().warning, HasSubstr("cannot be read"));
    const auto error = file_.write("one\n");
    ASSERT_TRUE(error);
    EXPECT_THAT(error->message, HasSubstr("cannot be replaced: it is not a regular file; name another file"));
    EXPECT_FALSE(std::filesystem::exists(file_.path() + ".new"));
    EXPECT_THAT(StateFile("/dev/null").read().warning, HasSubstr("cannot be read"));
    const std::string fifo = directory_.path() + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_TRUE(StateFile(fifo).write("one\n"));
    EXPECT_TRUE(std::filesystem::is_fifo(fifo));
}

TEST_F(StateFileTest, AFailedWriteIsReported) {
    std::filesystem::create_directory(file_.path() + ".new");
    const auto error = file_.write("one\n");
    ASSERT_TRUE(error);
    EXPECT_THAT(error->message, HasSubstr("; free space, or make the directory writable"));
}

}  // namespace
}  // namespace holdfast
