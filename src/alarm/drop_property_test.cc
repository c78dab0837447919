#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alarm/explain.h"
#include "model/reason_row.h"
#include "testing/alarm_gateway.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Time = AlarmGateway::Time;

/// A gateway whose every end is recorded beside the engine, and the judge of the engine's sentences.
class Witness {
public:
    explicit Witness(std::uint64_t seed) : random_(seed) {}

    void settle(std::size_t count, int seconds_open) {
        for (std::size_t i = 0; i < count; ++i) gateway.come(next_peer());
        for (int i = 0; i < seconds_open; ++i) second();
    }
    [[nodiscard]] IpAddress next_peer() {
        const std::size_t device = devices_++;
        const std::string site = device % 5 == 4 ? "2001:db8:7::1" : "10." + std::to_string(device % 5) + ".0.1";
        return AlarmGateway::nth(site, device / 5);
    }
    void end_at(std::size_t index, CloseReason reason) {
        ends_.push_back({gateway.living[index].opened, gateway.now, reason});
        gateway.end_at(index, reason);
    }
    void end_any(CloseReason reason) { end_at(random_() % gateway.living.size(), reason); }
    [[nodiscard]] std::size_t below(std::size_t limit) { return random_() % limit; }

    /// Advances by a second with churn: an end now and then, whose device is back at once.
    void second() {
        if (churn > 0 && below(100) < churn && !gateway.living.empty()) {
            const std::size_t index = below(gateway.living.size());
            const IpAddress peer = gateway.living[index].peer;
            end_at(index, CloseReason::peer_reset);
            gateway.come(peer);
        }
        for (const Alarm& alarm : gateway.second()) judge(alarm);
        populations_[gateway.now] = gateway.living.size();
    }
    [[nodiscard]] std::size_t drops_told() const { return drops_told_; }
    [[nodiscard]] std::vector<Alarm> drops() const {
        std::vector<Alarm> found = gateway.active();
        std::erase_if(found, [](const Alarm& alarm) { return alarm.kind != AlarmKind::population_drop; });
        return found;
    }

    AlarmGateway gateway;
    std::size_t churn = 0;  // percent of the seconds

private:
    struct End {
        Time opened;
        Time at;
        CloseReason reason;
    };

    /// Compares each figure with the record of ends: tolerance 0.
    void judge(const Alarm& alarm) {
        if (alarm.kind != AlarmKind::population_drop || alarm.cleared_at) return;
        ++drops_told_;
        ASSERT_TRUE(alarm.interval);
        const Time from = Time(alarm.interval->from.time_since_epoch());
        const Time to = Time(alarm.interval->to.time_since_epoch());
        std::array<bool, close_class_count> classes{};
        std::map<CloseReason, std::size_t> told;
        for (const ReasonShare& share : alarm.reasons) {
            classes[static_cast<std::size_t>(*row_of(share.reason).close_class)] = true;
            told[share.reason] = share.count;
        }
        std::map<CloseReason, std::size_t> truth;
        std::size_t count = 0;
        for (const End& end : ends_) {
            const bool counts = classes[static_cast<std::size_t>(*row_of(end.reason).close_class)];
            if (!counts || end.at < from || end.at > to || end.opened >= from) continue;
            ++truth[end.reason];
            ++count;
        }
        EXPECT_EQ(alarm.count, count) << alarm.summary;
        EXPECT_EQ(told, truth) << alarm.summary;
        EXPECT_EQ(alarm.took, to - from);
        // The population of the present second is recorded after it.
        if (const auto before = populations_.find(from); before != populations_.end()) {
            EXPECT_EQ(alarm.population_before, before->second) << alarm.summary;
        }
        EXPECT_EQ(alarm.population_now, gateway.living.size()) << alarm.summary;
        const std::size_t missing = alarm.population_before - alarm.population_now;
        EXPECT_GE(2 * missing, count) << "no drop without a drop of the population: " << alarm.summary;
        std::size_t placed = alarm.elsewhere;
        for (const PrefixShare& share : alarm.prefixes) placed += share.dead;
        EXPECT_EQ(placed, count) << alarm.summary;
        const std::size_t main = alarm.reasons.front().count;
        EXPECT_THAT(alarm.summary, HasSubstr(with_commas(count) + " in " + in_words(alarm.took) +
                                             (main == count ? ", all " : ", " + percent_of(main, count) + " ") +
                                             std::string(to_string(alarm.reasons.front().reason))));
    }

    std::mt19937_64 random_;
    std::vector<End> ends_;
    std::map<Time, std::size_t> populations_;
    std::size_t devices_ = 0;
    std::size_t drops_told_ = 0;
};

class DropProperty : public testing::TestWithParam<std::uint64_t> {
protected:
    std::uint64_t seed_ = test_seed() + GetParam();
};

/// Loses a random part of a random population, in a random time, for two random reasons, with churn beside it. The
/// sentence has every loss; without churn it has nothing besides.
TEST_P(DropProperty, TheSentenceHasTheNumbersOfTheLoss) {
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(test_seed()) + " + " + std::to_string(GetParam()));
    Witness world(seed_);
    const std::size_t population = 100 + world.below(1'400);
    world.churn = world.below(3) * 10;
    world.settle(population, world.below(2) == 0 ? 90 : 900);
    const std::size_t part = 15 + world.below(75);
    const std::size_t size = std::max<std::size_t>(60, population * part / 100);
    // Slow enough for every interval, and fast enough to be a drop in a young gateway, too.
    const std::size_t slowest = std::min<std::size_t>(600, 30 * size / std::max<std::size_t>(40, population / 8));
    const std::size_t spread = 1 + world.below(slowest);
    constexpr std::array hard{CloseReason::keepalive_expired, CloseReason::retransmit_expired, CloseReason::unreachable,
                              CloseReason::read_idle};
    const CloseReason first = hard[world.below(4)];
    const CloseReason second = hard[world.below(4)];
    SCOPED_TRACE(std::to_string(size) + " of " + std::to_string(population) + " in " + std::to_string(spread) + " s");
    const Time began = world.gateway.now;
    std::size_t lost = 0;
    for (std::size_t i = 1; i <= spread; ++i) {
        for (; lost < size * i / spread; ++lost) world.end_any(lost % 3 == 0 ? second : first);
        world.second();
    }
    const Time over = world.gateway.now - seconds(1);
    for (int i = 0; i < 75; ++i) world.second();
    const std::vector<Alarm> active = world.drops();
    ASSERT_THAT(active, SizeIs(1));
    const Alarm& alarm = active[0];
    // The set is of connections that were open at the first end: with churn, some lost ones are younger.
    EXPECT_GE(alarm.count + (world.churn == 0 ? size / 20 : size / 3), size) << alarm.summary;
    if (world.churn == 0) {  // else ends of the churn may begin or prolong the interval: judge() has its figures
        EXPECT_LE(alarm.count, size) << alarm.summary;
        EXPECT_LE(std::chrono::abs(Time(alarm.interval->from.time_since_epoch()) - began), seconds(5 + spread / 20));
        EXPECT_LE(std::chrono::abs(Time(alarm.interval->to.time_since_epoch()) - over), seconds(5 + spread / 20));
        EXPECT_EQ(alarm.population_before, population);
    }
    EXPECT_EQ(alarm.population_now, population - size);
    EXPECT_LE(world.drops_told(), 9U) << "reports back off";
    for (int i = 0; i < 900; ++i) world.second();
    EXPECT_THAT(world.drops(), IsEmpty()) << "the new level is normal";
}

INSTANTIATE_TEST_SUITE_P(Seeds, DropProperty, testing::Range<std::uint64_t>(0, 24));

TEST(DropWithoutMissing, ResetConnectionsThatAreBackAtOnceAreNone) {
    Witness world(test_seed());
    world.settle(400, 600);
    for (int second = 0; second < 1'200; ++second) {
        for (int i = 0; i < 22; ++i) {
            const std::size_t index = world.below(world.gateway.living.size());
            const IpAddress peer = world.gateway.living[index].peer;
            world.end_at(index, CloseReason::peer_reset);
            world.gateway.come(peer);
        }
        world.second();
    }
    EXPECT_EQ(world.drops_told(), 0U);
}

TEST(DropWithoutMissing, ThoseThatComeBackLaterEndTheAlarm) {
    Witness world(test_seed());
    world.settle(400, 600);
    std::deque<std::pair<int, IpAddress>> away;
    for (int second = 0; second < 1'200; ++second) {
        for (; !away.empty() && away.front().first <= second; away.pop_front()) world.gateway.come(away.front().second);
        for (int i = 0; i < 22; ++i) {
            const std::size_t index = world.below(world.gateway.living.size());
            away.emplace_back(second + 3, world.gateway.living[index].peer);
            world.end_at(index, CloseReason::peer_reset);
        }
        world.second();
    }
    EXPECT_THAT(world.drops(), IsEmpty());
    EXPECT_LE(world.drops_told(), 4U);
}

TEST(DropWithoutMissing, AScannerOfAnEmptyListenerIsNone) {
    Witness world(test_seed());
    world.settle(0, 600);
    for (int second = 0; second < 300; ++second) {
        const std::size_t probes = 1 + world.below(3);
        for (std::size_t i = 0; i < probes; ++i) world.gateway.come(parse_ip_address("192.0.2.9").value());
        world.second();
        while (!world.gateway.living.empty()) {
            world.end_at(0, world.below(3) == 0 ? CloseReason::peer_closed : CloseReason::tls_failed);
        }
    }
    EXPECT_THAT(world.gateway.told, IsEmpty());
}

TEST(SlowDrop, IsToldAsOneWithItsWholeTime) {
    for (const int young : {90, 1'200}) {
        Witness world(test_seed());
        world.settle(400, young);
        for (int i = 0; i < 340; ++i) {
            world.end_any(CloseReason::keepalive_expired);
            world.second();
        }
        for (int i = 0; i < 75; ++i) world.second();
        ASSERT_THAT(world.drops(), SizeIs(1));
        EXPECT_THAT(world.drops()[0].summary, HasSubstr("340 in 6 min, all keepalive_expired, "));
        EXPECT_EQ(world.drops()[0].population_before, 400U);
        EXPECT_EQ(world.drops()[0].population_now, 60U);
        EXPECT_LE(world.drops_told(), 9U);
    }
}

}  // namespace
}  // namespace holdfast
