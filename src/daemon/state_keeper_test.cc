#include "daemon/state_keeper.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

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
    return life;
}

TEST(StateText, IsReadBackUnchanged) {
    const SavedState state{.closed = {made_life(1), made_life(2), made_life(3)}, .trend = "all\nring 1\n"};
    const std::string text = to_state_text(state);
    const SavedState read = read_state_text(text);
    EXPECT_EQ(read.trend, state.trend);
    ASSERT_EQ(read.closed.size(), 3U);
    EXPECT_EQ(to_state_text(read), text);
    EXPECT_EQ(read.closed[1].evidence, state.closed[1].evidence);
    EXPECT_EQ(read.closed[0].key, state.closed[0].key);
    EXPECT_FALSE(read.closed[2].observed);
}

TEST(StateText, UnknownLinesAreLeftOut) {
    const std::string text = to_state_text({.closed = {made_life(1)}, .trend = ""});
    std::string newer = text;
    newer.replace(newer.find("keepalive_expired"), 17, "reason_of_the_future");
    const SavedState read = read_state_text("alarm 7\nlife\nlife 1\n\n" + newer + text);
    EXPECT_TRUE(read.closed.empty());  // the trend begins behind the first `trend`
    EXPECT_EQ(read_state_text("later x\n" + text).closed.size(), 1U);
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
    EXPECT_THAT(error->message, HasSubstr("; free space, or make the directory writable"));
    EXPECT_FALSE(std::filesystem::exists(file_.path() + ".new"));
    EXPECT_THAT(StateFile("/dev/null").read().warning, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace holdfast
