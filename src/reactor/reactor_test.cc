#include "reactor/reactor.h"

#include <sys/socket.h>

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "reactor/mailbox.h"
#include "reactor/turn_meter.h"
#include "testing/manual_clock.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(TimerQueue, RunsWhatIsDueInOrderAndOnce) {
    TimerQueue timers;
    const SteadyTime start{};
    std::vector<int> ran;
    timers.schedule(start + 20ms, [&] { ran.push_back(2); });
    timers.schedule(start + 10ms, [&] { ran.push_back(1); });
    timers.schedule(start + 30ms, [&] { ran.push_back(3); });
    EXPECT_EQ(timers.next(), start + 10ms);
    timers.advance_to(start + 9ms);
    EXPECT_TRUE(ran.empty());
    timers.advance_to(start + 20ms);
    EXPECT_EQ(ran, (std::vector{1, 2}));
    timers.advance_to(start + 40ms);
    timers.advance_to(start + 50ms);
    EXPECT_EQ(ran, (std::vector{1, 2, 3}));
    EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(TimerQueue, ACancelledTimerIsFreedAndDoesNotWake) {
    TimerQueue timers;
    const SteadyTime start{};
    const auto kept = std::make_shared<int>(0);
    const auto first = timers.schedule(start + 10ms, [kept] { ++*kept; });
    timers.schedule(start + 10ms, [kept] { *kept += 10; });
    timers.cancel(first);
    EXPECT_EQ(kept.use_count(), 2);
    timers.advance_to(start + 10ms);
    EXPECT_EQ(*kept, 10);
    EXPECT_FALSE(timers.next());
    timers.cancel(first);  // has no effect
}

TEST(TimerQueue, ATimerThatSchedulesItselfForNowDoesNotSpin) {
    TimerQueue timers;
    const SteadyTime start{};
    int runs = 0;
    std::function<void()> again = [&] {
        ++runs;
        timers.schedule(start, again);
    };
    timers.schedule(start, again);
    timers.advance_to(start);
    EXPECT_EQ(runs, 1);
    timers.advance_to(start);
    EXPECT_EQ(runs, 2);
}

using namespace std::chrono_literals;

class Recorder final : public Reactor::Client {
public:
    void on_ready(Token token, std::uint32_t) override { tokens.push_back(token); }
    bool on_turn_end() override {
        ++turns;
        return work_left;
    }
    void on_absence(SteadyTime, std::chrono::nanoseconds length) override { absences.push_back(length); }
    [[nodiscard]] std::size_t descriptors() const override { return watched; }

    std::vector<Token> tokens;
    std::vector<std::chrono::nanoseconds> absences;
    std::size_t watched = 0;
    int turns = 0;
    bool work_left = false;
};

TEST(Reactor, ReadinessCarriesTheToken) {
    const SystemClock clock;
    Reactor reactor(clock);
    Recorder client;
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const UniqueFd ours(pair[0]);
    const UniqueFd theirs(pair[1]);
    ASSERT_EQ(reactor.poller().add(ours.get(), EPOLLIN | EPOLLET, 42), 0);
    ASSERT_EQ(::send(theirs.get(), "x", 1, 0), 1);
    reactor.turn(client);
    EXPECT_EQ(client.tokens, std::vector<Token>{42});
}

TEST(Reactor, TimersRunWhenTheClockSaysSo) {
    ManualClock clock;
    Reactor reactor(clock);
    Recorder client;
    client.work_left = true;  // so that no turn waits
    bool ran = false;
    reactor.run_at(clock.steady() + 10s, [&] { ran = true; });
    ASSERT_TRUE(reactor.post([] {}));
    reactor.turn(client);
    EXPECT_FALSE(ran);
    clock.advance(10s);
    reactor.turn(client);
    EXPECT_TRUE(ran);
}

TEST(Reactor, AWaitEndsWithTheEarliestTimer) {  // and does not end at all otherwise
    const SystemClock clock;
    Reactor reactor(clock);
    Recorder client;
    std::vector<int> ran;
    reactor.run_at(clock.steady() + 1h, [&] { ran.push_back(3); });
    reactor.run_at(clock.steady() + 10ms, [&] { ran.push_back(1); });
    while (ran.empty()) reactor.turn(client);
    reactor.run_at(clock.steady() + 1ms, [&] { ran.push_back(2); });  // before the one that it was set for
    while (ran.size() < 2) reactor.turn(client);
    EXPECT_EQ(ran, (std::vector{1, 2}));
}

TEST(Reactor, ATimerThatWasMissedIsWaitedForAgain) {
    ManualClock clock;  // stands still while the kernel's goes on
    Reactor reactor(clock);
    Recorder client;
    bool ran = false;
    reactor.run_at(clock.steady() + 1ms, [&] { ran = true; });
    reactor.turn(client);
    reactor.turn(client);
    EXPECT_FALSE(ran);
    clock.advance(1ms);
    reactor.turn(client);
    EXPECT_TRUE(ran);
}

TEST(Reactor, ATimerInThePastIsDueAtOnce) {
    ManualClock clock;
    Reactor reactor(clock);
    Recorder client;
    bool ran = false;
    reactor.run_at(clock.steady() - 1s, [&] { ran = true; });
    reactor.turn(client);
    EXPECT_TRUE(ran);
}

/// Sockets that are readable, edge-triggered; more than one epoll_wait(2) returns.
class ReadySockets {
public:
    ReadySockets(Reactor& reactor, Token count) {
        for (Token token = 0; token < count; ++token) {
            int pair[2];
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            ours_.emplace_back(pair[0]);
            theirs_.emplace_back(pair[1]);
            EXPECT_EQ(reactor.poller().add(pair[0], EPOLLIN | EPOLLET, token), 0);
        }
    }
    void send_to_all() {
        for (const UniqueFd& socket : theirs_) EXPECT_EQ(::send(socket.get(), "x", 1, 0), 1);
    }

private:
    std::vector<UniqueFd> ours_;
    std::vector<UniqueFd> theirs_;
};

TEST(Reactor, AfterAnAbsenceAllThatIsReadyIsDispatchedBeforeATimerRuns) {
    constexpr Token count = 1'300;
    ManualClock clock;
    Reactor reactor(clock);
    Recorder client;
    client.work_left = true;  // so that no turn waits
    client.watched = count;
    ReadySockets sockets(reactor, count);
    std::size_t seen_by_timer = 0;
    reactor.run_at(clock.steady() + 1s, [&] { seen_by_timer = client.tokens.size(); });
    ASSERT_TRUE(reactor.post([] {}));
    reactor.turn(client);
    sockets.send_to_all();
    clock.advance(10s);
    while (seen_by_timer == 0) reactor.turn(client);
    EXPECT_EQ(seen_by_timer, count);
    EXPECT_EQ(client.absences, (std::vector<std::chrono::nanoseconds>{10s - AbsenceDetector::tolerance}));
    EXPECT_EQ(reactor.attended(), reactor.now() - 10s + AbsenceDetector::tolerance);
    EXPECT_TRUE(reactor.caught_up());
}

TEST(Reactor, CatchingUpIsBoundedWhereMoreIsAlwaysReady) {
    ManualClock clock;
    Reactor reactor(clock);
    Recorder client;
    client.work_left = true;
    client.watched = 600;
    ReadySockets sockets(reactor, 600);
    bool ran = false;
    reactor.run_at(clock.steady() + 1s, [&] { ran = true; });
    ASSERT_TRUE(reactor.post([] {}));
    reactor.turn(client);
    clock.advance(10s);
    for (int turn = 0; turn < 10 && !ran; ++turn) {
        sockets.send_to_all();
        reactor.turn(client);
    }
    EXPECT_TRUE(ran);
}

TEST(Reactor, OrdinaryWaitsAreNoAbsence) {
    ManualClock clock;
    Reactor reactor(clock);
    Recorder client;
    client.work_left = true;
    ASSERT_TRUE(reactor.post([] {}));
    for (int turn = 0; turn < 100; ++turn) {
        clock.advance(AbsenceDetector::tolerance);
        reactor.turn(client);
    }
    EXPECT_TRUE(client.absences.empty());
    client.work_left = false;
    reactor.run_at(clock.steady() + 1h, [] {});
    reactor.turn(client);  // the last one with work left
    ASSERT_TRUE(reactor.post([] {}));
    clock.advance(30min);  // the mailbox precedes the timer
    reactor.turn(client);
    EXPECT_TRUE(client.absences.empty());
}

TEST(Mailbox, RunsAllThatWasTakenHoweverMuchWaitsAtTheEnd) {
    Mailbox mailbox;
    int ran = 0;
    const auto post = [&](int pieces) {
        for (int i = 0; i < pieces; ++i) ASSERT_TRUE(mailbox.post([&ran] { ++ran; }));
    };
    post(10);
    EXPECT_TRUE(mailbox.run(5));
    post(3'000);
    mailbox.close_and_drain();
    EXPECT_EQ(ran, 3'010);
    EXPECT_FALSE(mailbox.post([] {}));
}

TEST(Reactor, WorkFromOtherThreadsRunsInOrderAndNoneIsLostAtTheEnd) {
    const SystemClock clock;
    Reactor reactor(clock);
    Recorder client;
    std::vector<int> ran;
    int accepted = 0;
    std::thread poster([&] {
        while (reactor.post([&ran, n = accepted, &reactor] {
            ran.push_back(n);
            if (n == 10'000) reactor.stop();
        })) {
            ++accepted;
        }
    });
    reactor.run(client);
    poster.join();
    ASSERT_EQ(ran.size(), static_cast<std::size_t>(accepted));
    for (int i = 0; i < accepted; ++i) ASSERT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(Reactor, MailIsBoundedPerTurnAndTheRestFollows) {
    const SystemClock clock;
    Reactor reactor(clock);
    Recorder client;
    int ran = 0;
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(reactor.post([&] { ++ran; }));
    reactor.turn(client);
    EXPECT_EQ(ran, 256);
    reactor.turn(client);
    EXPECT_EQ(ran, 300);
}

using namespace std::chrono_literals;

TEST(TurnMeter, KeepsTheLongestByEachClock) {
    TurnMeter meter;
    meter.count(3ms, 1ms);
    meter.count(2ms, 2ms);
    EXPECT_EQ(meter.longest(), 3ms);
    EXPECT_EQ(meter.longest_cpu(), 2ms);
    EXPECT_EQ(meter.long_turns(), 0U);
}

TEST(TurnMeter, CountsLongTurnsByWallTime) {
    TurnMeter meter;
    meter.count(100ms, 1ms);
    meter.count(99ms, 99ms);
    meter.count(2s, 0ms);
    EXPECT_EQ(meter.long_turns(), 2U);
}

}  // namespace

}  // namespace holdfast
