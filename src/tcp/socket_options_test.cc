#include "tcp/socket_options.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(SocketOptions, AnAcceptedSocketKeepsThePlan) {
    for (const auto bound : {3'000ms, 30'000ms, 3'600'000ms}) {
        const LivenessPlan plan = plan_liveness(bound).value();
        const auto kernel = prove_inheritance(plan);
        ASSERT_TRUE(kernel) << kernel.error().message;
        LivenessPlan wanted = plan;
        if (kernel.value().rto_max == 0s) wanted.rto_max = 0s;  // before Linux 6.15
        EXPECT_EQ(kernel.value(), wanted);
    }
}

TEST(SocketOptions, AChangedPlanIsReadBackWithItsExceptions) {
    const LivenessPlan plan = plan_liveness(30s).value();
    const auto socket = listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 1}, plan);
    ASSERT_TRUE(socket);
    const int fd = socket.value().get();
    const LivenessPlan other = plan_liveness(60s).value();
    const bool capped = read_back_plan(fd, plan).value().rto_max > 0s;
    EXPECT_TRUE(change_plan(fd, other, {.user_timeout = 90s, .rto_uncapped = true}));
    EXPECT_EQ(read_back_plan(fd, other).value().user_timeout, 90s);
    if (capped) EXPECT_EQ(read_back_plan(fd, other).value().rto_max, 120s);
    EXPECT_TRUE(change_plan(fd, other));
    EXPECT_EQ(read_back_plan(fd, other).value().user_timeout, other.user_timeout);
    if (capped) EXPECT_EQ(read_back_plan(fd, other).value().rto_max, other.rto_max);
    set_rto_max(fd, 0s);
    if (capped) EXPECT_EQ(read_back_plan(fd, other).value().rto_max, 120s);
    set_rto_max(fd, 7s);
    if (capped) EXPECT_EQ(read_back_plan(fd, other).value().rto_max, 7s);
}

TEST(SocketOptions, WhatTheKernelRefusesIsAnErrorThatNamesTheOption) {
    LivenessPlan plan = plan_liveness(30s).value();
    plan.idle = 40'000s;  // the kernel's own limit is 32,767
    const auto kernel = prove_inheritance(plan);
    ASSERT_FALSE(kernel);
    EXPECT_NE(kernel.error().message.find("TCP_KEEPIDLE = 40000"), std::string::npos);
}

TEST(SocketOptions, ReactorsShareAPortButAnotherProgramIsNoticed) {
    const LivenessPlan plan = plan_liveness(30s).value();
    const auto first = listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 8}, plan);
    ASSERT_TRUE(first);
    const Endpoint bound = local_endpoint(first.value().get()).value();
    EXPECT_TRUE(listen_on({.address = bound, .backlog = 8}, plan));
    const auto taken = refuse_if_taken(bound);
    ASSERT_TRUE(taken);
    EXPECT_NE(taken->message.find("cannot listen on " + to_string(bound)), std::string::npos);
    EXPECT_EQ(taken->code, ErrorCode::address_in_use);
}

TEST(TakeError, ReturnsTheErrorOfASocketOnce) {
    const auto listener = listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 1},
                                    plan_liveness(std::chrono::seconds(30)).value());
    const SocketAddress to = to_socket_address(local_endpoint(listener.value().get()).value());
    UniqueFd device(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(device.get(), to.get(), to.length), 0);
    pollfd ready{listener.value().get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
    const UniqueFd accepted(::accept4(listener.value().get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(take_error(accepted.get()), 0);
    discard_on_close(device.get());
    device.reset();
    pollfd ended{accepted.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ended, 1, 10'000), 1);
    EXPECT_EQ(take_error(accepted.get()), ECONNRESET);
    EXPECT_EQ(take_error(accepted.get()), 0);
    EXPECT_EQ(take_error(-1), 0);
}

using namespace std::chrono_literals;

LivenessPlan plan_of(std::chrono::seconds idle, std::chrono::seconds interval, std::chrono::milliseconds user_timeout) {
    LivenessPlan plan;
    plan.idle = idle;
    plan.interval = interval;
    plan.user_timeout = user_timeout;
    return plan;
}

TEST(ForcedProbe, EndsOnThePlansOwnProbes) {
    const LivenessPlan plan = plan_of(10s, 2s, 19'600ms);
    EXPECT_EQ(keepidle_after_probe(plan, 1s), 10s);
    EXPECT_EQ(keepidle_after_probe(plan, 9'999ms), 10s);
    EXPECT_EQ(keepidle_after_probe(plan, 10s), 12s) << "the probe at 10 s is out";
    EXPECT_EQ(keepidle_after_probe(plan, 11'900ms), 12s);
    EXPECT_EQ(keepidle_after_probe(plan, 12s), 14s);
    EXPECT_EQ(keepidle_after_probe(plan, 19'700ms), 20s) << "the plan's verdict, and not sooner";
}

TEST(ForcedProbe, EveryPlanKeepsItsVerdict) {
    for (const auto within : {3s, 9s, 15s, 30s, 60s, 120s, 3'600s}) {
        const LivenessPlan plan = plan_liveness(within).value();
        std::chrono::milliseconds verdict = plan.idle;
        while (verdict < plan.user_timeout) verdict += plan.interval;
        for (std::chrono::milliseconds silence = 0ms; silence < verdict; silence += 50ms) {
            std::chrono::milliseconds next = keepidle_after_probe(plan, silence);
            ASSERT_GT(next, silence) << within.count() << " s";
            while (next < plan.user_timeout) next += plan.interval;
            ASSERT_EQ(next, verdict) << "at " << within.count() << " s, ended after " << silence.count() << " ms";
        }
    }
}

TEST(ForcedProbe, NoneAtTheTimeOfTheVerdict) {
    const LivenessPlan plan = plan_of(10s, 1s, 27'500ms);
    EXPECT_TRUE(may_force_probe(plan, 1s));
    EXPECT_TRUE(may_force_probe(plan, 26'400ms));
    EXPECT_FALSE(may_force_probe(plan, 26'500ms));
    EXPECT_FALSE(may_force_probe(plan, 28s));
}

}  // namespace

}  // namespace holdfast
