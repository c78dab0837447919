#include "alarm/alarm_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr EventTime members_wall{1'795'334'400'000ms};
const std::chrono::steady_clock::time_point members_now{1h};

Endpoint at_port(std::string_view address, std::uint16_t port) { return {parse_ip_address(address).value(), port}; }

AlarmMember lost(std::uint64_t number, std::string id, std::string_view address = "10.2.0.9") {
    return {{7, number}, std::move(id), at_port(address, static_cast<std::uint16_t>(5'000 + number)),
            "key",       members_wall,  CloseReason::keepalive_expired};
}

AlarmMember suspect(std::uint64_t number) {
    AlarmMember member = lost(number, {});
    member.reason.reset();
    return member;
}

CensusEntry open_connection(std::string_view address, std::uint16_t port, std::chrono::milliseconds after_the_loss,
                            bool is_suspect = false) {
    return {.listener = 0,
            .peer = parse_ip_address(address).value(),
            .opened = members_now - 10s + after_the_loss,
            .suspect = is_suspect,
            .port = port};
}

/// Returns whether each member is back. The losses were ten seconds ago.
std::vector<bool> back(std::vector<AlarmMember> members, const std::vector<CensusEntry>& census,
                       const std::string& connected = "none") {
    std::vector<bool> out;
    const auto states =
        states_of(std::move(members), {.has_device = [&](const std::string& id) { return id == connected; },
                                       .census = [&] { return census; },
                                       .wall = members_wall + 10s,
                                       .now = members_now});
    for (const MemberState& state : states) out.push_back(state.back);
    return out;
}

AlarmBoard board_of(std::initializer_list<std::uint64_t> ids) {
    AlarmBoard board;
    for (const std::uint64_t id : ids) {
        board.recent.emplace_back();
        board.recent.back().id = id;
    }
    return board;
}

TEST(AlarmMembers, ADeviceIsBackByItsIdFromAnyAddress) {
    EXPECT_THAT(back({lost(1, "a"), lost(2, "b")}, {}, "b"), ElementsAre(false, true));
}

TEST(AlarmMembers, WithoutAnIdANewConnectionFromTheAddressIsOneMember) {
    const std::vector<AlarmMember> members{lost(1, {}), lost(2, {}), lost(3, {}, "10.2.0.10")};
    EXPECT_THAT(back(members, {}), ElementsAre(false, false, false));
    EXPECT_THAT(back(members, {open_connection("10.2.0.9", 1, 2s)}), ElementsAre(true, false, false));
    EXPECT_THAT(back(members, {open_connection("10.2.0.9", 1, -2s)}), ElementsAre(false, false, false)) << "older";
    EXPECT_THAT(back(members, {open_connection("10.2.0.9", 1, 2s, true)}), ElementsAre(false, false, false));
    EXPECT_THAT(back(members, {open_connection("10.2.0.9", 1, 2s), open_connection("10.2.0.9", 2, 3s),
                               open_connection("10.2.0.10", 3, 3s)}),
                ElementsAre(true, true, true));
}

TEST(AlarmMembers, ASuspectIsBackWhenItAnswers) {
    EXPECT_THAT(back({suspect(1)}, {open_connection("10.2.0.9", 5'001, -1min, true)}), ElementsAre(false));
    EXPECT_THAT(back({suspect(1)}, {open_connection("10.2.0.9", 5'001, -1min)}), ElementsAre(true));
    EXPECT_THAT(back({suspect(1)}, {}), ElementsAre(false)) << "its end was not seen";
    EXPECT_THAT(back({suspect(1)}, {open_connection("10.2.0.9", 6'001, 1s)}), ElementsAre(true)) << "a newer one";
}

TEST(AlarmMembers, SelectsByListenerIntervalAndReason) {
    Alarm alarm;
    alarm.listener = "devices";
    alarm.reasons = {{CloseReason::keepalive_expired, 5}};
    ClosedLife life;
    life.listener = "devices";
    life.reason = CloseReason::keepalive_expired;
    life.at = members_wall;
    life.duration = 1h;
    EXPECT_FALSE(is_member(alarm, life)) << "the alarm is about no ends";
    alarm.interval = AlarmInterval{members_wall, members_wall + 1s};
    EXPECT_TRUE(is_member(alarm, life));
    life.at = members_wall + 1'006ms;
    EXPECT_FALSE(is_member(alarm, life));
    life.at = members_wall + 1s;
    EXPECT_TRUE(is_member(alarm, life));
    life.duration = 994ms;
    EXPECT_FALSE(is_member(alarm, life)) << "opened after the first end";
    alarm.peers = std::make_shared<const std::vector<Endpoint>>(1, life.peer);
    EXPECT_TRUE(is_member(alarm, life)) << "the alarm names its peer";
    alarm.peers = std::make_shared<const std::vector<Endpoint>>();
    EXPECT_FALSE(is_member(alarm, life));
    alarm.peers = nullptr;
    life.duration = 1h;
    life.reason = CloseReason::kicked;
    EXPECT_FALSE(is_member(alarm, life));
    life.reason = CloseReason::keepalive_expired;
    life.listener = "others";
    EXPECT_FALSE(is_member(alarm, life));
}

TEST(AlarmMembers, AConnectionIsOneMemberAndKeepsItsEnd) {
    AlarmMembers members;
    members.add(1, {suspect(1), suspect(2)});
    members.add(1, {suspect(1), lost(2, "b"), lost(3, "c")});
    members.add(1, {suspect(2)});
    EXPECT_THAT(members.of(1), ElementsAre(suspect(1), lost(2, "b"), lost(3, "c")));
    EXPECT_TRUE(members.has(1, {7, 3}));
    EXPECT_FALSE(members.has(1, {7, 4}));
    EXPECT_FALSE(members.has(2, {7, 3}));
    EXPECT_THAT(members.of(2), IsEmpty());
}

TEST(AlarmMembers, IsBoundedPerAlarmAndInAll) {
    AlarmMembers members;
    for (std::uint64_t alarm = 1; alarm <= 6; ++alarm) {
        std::vector<AlarmMember> many;
        for (std::uint64_t i = 0; i <= AlarmMembers::max_of_alarm; ++i) many.push_back(lost(i, {}));
        members.add(alarm, std::move(many));
        EXPECT_EQ(members.of(alarm).size(), AlarmMembers::max_of_alarm);
    }
    EXPECT_THAT(members.of(1), IsEmpty()) << "the oldest gave its place to the sixth";
    EXPECT_EQ(members.of(2).size(), AlarmMembers::max_of_alarm);
    members.keep_only(board_of({2, 6}));
    EXPECT_THAT(members.of(3), IsEmpty());
    EXPECT_EQ(members.of(2).size(), AlarmMembers::max_of_alarm);
    members.add(7, {lost(1, "a")});
    EXPECT_EQ(members.of(2).size(), AlarmMembers::max_of_alarm) << "there is room";
}

}  // namespace
}  // namespace holdfast
