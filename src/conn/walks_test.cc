#include "conn/walks.h"

#include <linux/tcp.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

class NoClient final : public Reactor::Client {
public:
    explicit NoClient(Walks& walks) : walks_(walks) {}
    void on_ready(Token, std::uint32_t) override {}
    bool on_turn_end() override {
        walks_.step();
        return walks_.is_due();
    }

private:
    Walks& walks_;
};

class WalksTest : public testing::Test {
protected:
    void add_connections(int count) {
        for (int i = 0; i < count; ++i) ASSERT_NE(rig_.core.registry.insert(), nullptr);
    }
    void turn() {
        static_cast<void>(rig_.reactor.post([] {}));  // keeps the turn from waiting
        rig_.reactor.turn(client_);
    }
    auto count_in(int& visits) {
        return [&visits](Connection&) { ++visits; };
    }
    auto set(bool& done) {
        return [&done] { done = true; };
    }
    void empty_registry() {
        for (std::uint32_t slot = 1; slot <= rig_.core.registry.highest_slot(); ++slot) {
            if (Connection* connection = rig_.core.registry.in_slot(slot)) rig_.core.registry.erase(*connection);
        }
    }
    void TearDown() override { empty_registry(); }

    CoreRig rig_;
    Walks walks_{rig_.core};
    NoClient client_{walks_};
};

TEST_F(WalksTest, AWalkAtEaseDoesNotWaitForThePausesOfAnother) {
    add_connections(100);
    int slow_visits = 0;
    int quick_visits = 0;
    bool slow_done = false;
    bool quick_done = false;
    walks_.walk(count_in(slow_visits), set(slow_done), {10, milliseconds(2)});
    walks_.walk(count_in(quick_visits), set(quick_done));
    turn();
    turn();
    EXPECT_EQ(quick_visits, 100);
    EXPECT_TRUE(quick_done);
    EXPECT_EQ(slow_visits, 10);
    EXPECT_FALSE(slow_done);
}

TEST_F(WalksTest, WalksThatPauseKeepTheirPausesAndDivideTheirSlots) {
    add_connections(100);
    int visits[2] = {};
    bool done[2] = {};
    walks_.walk(count_in(visits[0]), set(done[0]), {10, milliseconds(2)});
    walks_.walk(count_in(visits[1]), set(done[1]), {40, milliseconds(4)});
    for (int slices = 1; slices <= 9; ++slices) {
        turn();
        EXPECT_EQ(visits[0], 5 * slices);
        EXPECT_EQ(visits[1], std::min(100, 20 * ((slices + 1) / 2)));
        EXPECT_FALSE(walks_.is_due());
        rig_.clock.advance(milliseconds(2));
    }
    EXPECT_FALSE(done[0]);
    EXPECT_TRUE(done[1]);
    turn();
    EXPECT_EQ(visits[0], 55) << "it is alone";
}

TEST_F(WalksTest, AWalkThatEndsMayBeginAnother) {
    add_connections(3);
    int visits = 0;
    bool done = false;
    walks_.walk(count_in(visits), [&] { walks_.walk(count_in(visits), set(done)); });
    turn();
    EXPECT_FALSE(done);
    EXPECT_TRUE(walks_.is_due());
    turn();
    EXPECT_TRUE(done);
    EXPECT_EQ(visits, 6);
    EXPECT_FALSE(walks_.is_due());
}

/// Each look at the time takes longer than a phase's share of a turn.
class SlowClock final : public Clock {
public:
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime{elapsed_ += milliseconds(20)}; }
    [[nodiscard]] WallTime wall() const override { return {}; }

private:
    mutable milliseconds elapsed_{0};
};

TEST(Walks, ATurnWithoutTimeMakesOneSlice) {
    SlowClock clock;
    Reactor reactor(clock);
    RecordingHandler handler;
    Admission admission(100);
    Core core(reactor, handler, admission, {.max_connections = 100, .max_unfinished = 4'096, .policies = {{}}});
    Walks walks(core);
    for (int i = 0; i < 30; ++i) ASSERT_NE(core.registry.insert(), nullptr);
    int visits[2] = {};
    bool done[2] = {};
    for (int i = 0; i < 2; ++i) {
        walks.walk([&visits, i](Connection&) { ++visits[i]; }, [&done, i] { done[i] = true; }, {10, milliseconds(0)});
    }
    walks.step();
    EXPECT_EQ(visits[0], 10);
    EXPECT_EQ(visits[1], 0);
    for (int turns = 0; turns < 5; ++turns) walks.step();
    EXPECT_TRUE(done[0]);
    EXPECT_TRUE(done[1]);
    for (std::uint32_t slot = 1; slot <= 30; ++slot) core.registry.erase(*core.registry.in_slot(slot));
}

TEST(Walks, ANewPlanLeavesAForcedProbeAlone) {
    ShardRig rig;
    const int fd = rig.connect();
    const auto keepidle = [&] { return rig.kernel.option(fd, IPPROTO_TCP, TCP_KEEPIDLE); };
    rig.kernel.set_alive(fd, false);
    rig.pass(std::chrono::seconds(5));
    bool answered = false;
    rig.shard.probe(*rig.find(fd), std::chrono::seconds(2), [&](const ProbeFindings&) { answered = true; });
    EXPECT_EQ(keepidle(), 1);
    ListenerPolicy policy = ShardRig::policy();
    policy.plan = plan_liveness(std::chrono::seconds(60)).value();
    bool in_force = false;
    rig.shard.change_listener({.number = 0, .policy = policy, .backlog = 1, .socket = {}},
                              [&](const PlanTally& tally) { in_force = tally.changed == 1 && tally.refused == 0; });
    rig.turn();
    EXPECT_TRUE(in_force);
    EXPECT_EQ(keepidle(), 1) << "the probe is not put off";
    rig.pass(std::chrono::seconds(3));
    EXPECT_TRUE(answered);
    EXPECT_EQ(keepidle(), policy.plan.idle.count());
}

TEST_F(WalksTest, VisitsNoneThatIsClosed) {
    add_connections(3);
    rig_.core.close(*rig_.core.registry.in_slot(2), CloseReason::kicked);
    int visits = 0;
    bool done = false;
    walks_.walk(count_in(visits), set(done));
    turn();
    EXPECT_EQ(visits, 2);
    rig_.core.registry.erase(*rig_.core.closed.front().connection);
}

TEST_F(WalksTest, WhenTheShardHasStoppedEveryWalkEndsAtOnce) {
    add_connections(100);
    int visits = 0;
    bool slow_done = false, late_done = false, asked = false, acknowledged = true;
    walks_.walk(count_in(visits), set(slow_done), {10, milliseconds(2)});
    walks_.probe_all([](const Connection&) { return true; }, milliseconds(100), ProbeRun::JustHeard::is_alive,
                     [&](const ProbeFindings&) { asked = true; });
    turn();
    empty_registry();
    rig_.core.stopped = true;
    walks_.end_all();
    EXPECT_TRUE(slow_done);
    EXPECT_TRUE(asked);
    walks_.walk(count_in(visits), set(late_done));
    EXPECT_TRUE(late_done);
    walks_.when_acknowledged(1, rig_.reactor.now(), [&](bool is) { acknowledged = is; });
    EXPECT_FALSE(acknowledged);
}

}  // namespace
}  // namespace holdfast
