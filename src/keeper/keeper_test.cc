#include "keeper/keeper.h"

#include <stdlib.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "keeper/notify_relay.h"

namespace holdfast {
namespace {

TEST(KeeperOrder, IsTheSameBehindItsText) {
    for (const std::string user : {"", "-", "holdfast", "of two words", "of\ntwo lines"}) {
        const KeeperOrder order{.user = user,
                                .binds_low_ports = !user.empty(),
                                .log = {.level = LogLevel::warn, .format = LogFormat::json},
                                .max_crashes = 7};
        EXPECT_EQ(parse_order(to_text(order)), order) << to_text(order);
    }
}

TEST(KeeperOrder, RejectsOtherTexts) {
    for (const char* text : {"", "-", "1 1 1", "1 9 0 3", "1 0 2 3", "x 0 0 3"}) {
        EXPECT_FALSE(parse_order(text)) << text;
    }
}

TEST(KeeperOrder, IsForOneProcessAndOnlyOnce) {
    ::setenv("HOLDFAST_KEEPER", (std::to_string(::getpid()) + " 0 1 0 3").c_str(), 1);
    const auto order = take_order();
    ASSERT_TRUE(order);
    EXPECT_EQ(order->max_crashes, 3U);
    EXPECT_FALSE(take_order());
    ::setenv("HOLDFAST_KEEPER", (std::to_string(::getppid()) + " 0 1 0 3").c_str(), 1);
    EXPECT_FALSE(take_order()) << "inherited from another process";
}

TEST(NotifyRelay, AWorkerThatWaitsForSpaceIsReadyAndHasNotServed) {
    auto relay = NotifyRelay::open({});
    ASSERT_TRUE(relay);
    const auto worker = Notifier::over(relay.value().of_worker());
    ASSERT_TRUE(worker);
    ASSERT_TRUE(worker.value().waiting("waiting for space: READY=1"));
    relay.value().receive(SteadyTime{});
    EXPECT_TRUE(relay.value().is_ready());
    EXPECT_FALSE(relay.value().has_served());
    ASSERT_TRUE(worker.value().ready("1 connection on 1 listener"));
    relay.value().receive(SteadyTime{});
    EXPECT_TRUE(relay.value().has_served());
    relay.value().begin();
    EXPECT_FALSE(relay.value().has_served()) << "of the worker before";
}

}  // namespace
}  // namespace holdfast
