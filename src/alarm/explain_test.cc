#include "alarm/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alarm/window_statistics.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

Alarm drop(std::vector<ReasonShare> reasons, std::vector<PrefixShare> prefixes) {
    Alarm alarm;
    alarm.kind = AlarmKind::population_drop;
    alarm.took = milliseconds(8'600);
    alarm.population_before = 10'000;
    for (const ReasonShare& share : reasons) alarm.count += share.count;
    alarm.elsewhere = alarm.count;
    for (const PrefixShare& share : prefixes) alarm.elsewhere -= share.dead;
    alarm.reasons = std::move(reasons);
    alarm.prefixes = std::move(prefixes);
    return alarm;
}

Alarm explained(Alarm alarm, bool not_back = false) {
    explain_drop(alarm, not_back);
    return alarm;
}

PrefixShare share(const char* prefix, std::size_t dead, std::size_t alive = 0) {
    return {parse_prefix(prefix).value(), dead, alive};
}

TEST(Explain, SaysItInTheWordsOfTheProduct) {
    const Alarm alarm = explained(
        drop({{CloseReason::keepalive_expired, 3'813}, {CloseReason::peer_reset, 287}}, {share("10.2.0.0/16", 4'100)}));
    EXPECT_EQ(alarm.summary, "4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16: a partition");
    EXPECT_EQ(alarm.cause,
              "The network of 10.2.0.0/16 is cut off: its peers fell silent together, without FIN or RST.");
    EXPECT_THAT(alarm.advice, HasSubstr("10.2.0.0/16"));
}

TEST(Explain, EveryReasonHasACauseWhereverTheDeadLie) {
    for (const CloseReason reason : all_close_reasons) {
        for (const auto& prefixes : {std::vector<PrefixShare>{},
                                     {share("10.2.0.9", 900)},
                                     {share("10.2.0.0/16", 900)},
                                     {share("10.2.0.0/16", 300), share("10.3.0.0/16", 100)}}) {
            for (const std::size_t before : {1'000U, 10'000U}) {
                Alarm alarm = drop({{reason, 900}}, prefixes);
                alarm.population_before = before;
                explain_drop(alarm, false);
                EXPECT_THAT(alarm.summary, HasSubstr("900 in 9 s, all " + std::string(to_string(reason)) + ", "));
                EXPECT_TRUE(alarm.cause.ends_with('.')) << alarm.cause;
                EXPECT_TRUE(alarm.advice.ends_with('.')) << alarm.advice;
                EXPECT_THAT(alarm.cause + alarm.advice + alarm.summary, Not(HasSubstr("{}")));
            }
        }
    }
}

TEST(Explain, ReasonAndPlaceGiveTheCause) {
    const auto says = [](CloseReason reason, std::vector<PrefixShare> prefixes, std::size_t before = 10'000) {
        Alarm alarm = drop({{reason, 900}}, std::move(prefixes));
        alarm.population_before = before;
        return explained(alarm).summary;
    };
    const auto reset = CloseReason::peer_reset;
    const auto silent = CloseReason::keepalive_expired;
    EXPECT_EQ(says(reset, {share("10.2.0.9", 900)}),
              "900 in 9 s, all peer_reset, all behind 10.2.0.9: the proxy or NAT restarted");
    EXPECT_EQ(says(reset, {}, 950), "900 in 9 s, all peer_reset, everywhere: a firewall or balancer reset them all");
    EXPECT_EQ(says(reset, {}), "900 in 9 s, all peer_reset, all over: a firewall or balancer");
    EXPECT_EQ(says(silent, {share("10.2.0.0/16", 400), share("2001:db8::/32", 500)}),
              "900 in 9 s, all keepalive_expired, all of 10.2.0.0/16 and 2001:db8::/32: a partition");
    EXPECT_EQ(says(silent, {share("10.2.0.0/16", 300), share("10.4.0.0/16", 300), share("10.6.0.0/16", 300)}),
              "900 in 9 s, all keepalive_expired, all of 10.2.0.0/16 and 2 more prefixes: a partition");
    EXPECT_EQ(says(silent, {share("10.2.0.0/16", 900, 100)}),
              "900 in 9 s, all keepalive_expired, 90 % of 10.2.0.0/16: a partition");
    EXPECT_EQ(says(silent, {share("10.2.0.0/16", 450)}),
              "900 in 9 s, all keepalive_expired, 50 % of them in 10.2.0.0/16: a path that many share");
    EXPECT_EQ(says(silent, {share("10.2.0.0/16", 900)}, 1'000),
              "900 in 9 s, all keepalive_expired, all of 10.2.0.0/16: the gateway's own network");
    EXPECT_THAT(says(CloseReason::too_many_bad_items, {}), HasSubstr("another framing or format"));
    EXPECT_THAT(says(CloseReason::unreachable, {share("10.2.0.0/16", 900)}), HasSubstr("a route is lost"));
    EXPECT_THAT(says(CloseReason::out_of_memory, {}), HasSubstr("out of memory"));
}

TEST(Explain, ARouterThatReportsSomeIsAPartOfIt) {
    EXPECT_THAT(explained(drop({{CloseReason::keepalive_expired, 500}, {CloseReason::unreachable, 400}},
                               {share("10.2.0.0/16", 900)}))
                    .summary,
                HasSubstr("56 % keepalive_expired, all of 10.2.0.0/16: a partition"));
    EXPECT_THAT(
        explained(drop({{CloseReason::peer_reset, 300}, {CloseReason::read_idle, 300}, {CloseReason::peer_closed, 300}},
                       {share("10.2.0.0/16", 900)}))
            .summary,
        HasSubstr("several causes at once"));
}

TEST(Explain, ThoseThatAreNotBack) {
    const Alarm alarm = explained(drop({{CloseReason::peer_closed, 480}}, {share("10.4.0.0/16", 480)}), true);
    EXPECT_EQ(alarm.summary,
              "480 in 9 s, all peer_closed, all of 10.4.0.0/16, not back: a deploy or stop that did not come back");
    EXPECT_THAT(alarm.cause, HasSubstr("have not reconnected"));
}

TEST(Explain, Numbers) {
    EXPECT_EQ(with_commas(0), "0");
    EXPECT_EQ(with_commas(999), "999");
    EXPECT_EQ(with_commas(1'000), "1,000");
    EXPECT_EQ(with_commas(1'234'567), "1,234,567");
    EXPECT_EQ(in_words(milliseconds(999)), "under 1 s");
    EXPECT_EQ(in_words(milliseconds(1'001)), "1 s");
    EXPECT_EQ(in_words(milliseconds(1'500)), "2 s");
    EXPECT_EQ(in_words(seconds(119)), "119 s");
    EXPECT_EQ(in_words(seconds(600)), "10 min");
    EXPECT_EQ(percent_of(999, 1'000), "99 %");
    EXPECT_EQ(percent_of(1'000, 1'000), "100 %");
    EXPECT_EQ(percent_of(1, 1'000), "0 %");
    EXPECT_EQ(percent_of(0, 0), "100 %");
}

TEST(Usual, IsWhatNineMinutesInTenDoNotExceed) {
    Usual usual;
    const auto minute = [&usual](std::uint64_t count) {
        usual.add(count);
        usual.end_minute();
    };
    EXPECT_FALSE(usual.known());
    minute(500);
    EXPECT_EQ(usual.in(seconds(60)), 0) << "one minute says nothing";
    for (int i = 0; i < 20; ++i) minute(10);
    EXPECT_TRUE(usual.known());
    EXPECT_EQ(usual.in(seconds(60)), 10);
    EXPECT_EQ(usual.in(seconds(30)), 5);
    for (int i = 0; i < 108; ++i) minute(10);
    for (int i = 0; i < 11; ++i) minute(1'000);
    EXPECT_EQ(usual.in(seconds(60)), 10) << "an outage of ten minutes is not usual";
    for (int i = 0; i < 3; ++i) minute(1'000);
    EXPECT_EQ(usual.in(seconds(60)), 1'000);
    for (int i = 0; i < 120; ++i) minute(10);
    EXPECT_EQ(usual.in(seconds(60)), 10) << "two hours later it is forgotten";
}

}  // namespace
}  // namespace holdfast
