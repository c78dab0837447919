#include "daemon/supervision.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "testing/manual_clock.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A Supervision with the test's datagram socket as manager, the test's silence of the reactors, and a manual clock.
class SupervisionTest : public testing::Test {
protected:
    SupervisionTest() : manager_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        const std::string name = "@holdfast-supervision-test-" + std::to_string(::getpid());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
        auto notifier = Notifier::to(name);
        EXPECT_TRUE(notifier);
        notifier_ = std::move(notifier).value();
    }

    Supervision make(std::optional<std::chrono::microseconds> watchdog) {
        return Supervision(
            notifier_, log_,
            {.watchdog = watchdog, .silence = [this] { return silence_; }, .status = [this] { return status_; }},
            clock_);
    }
    /// Advances the clock by `time` in steps of the supervision's own wait. Returns the messages sent.
    std::vector<std::string> run(Supervision& supervision, milliseconds time) {
        std::vector<std::string> told;
        const SteadyTime end = clock_.steady() + time;
        while (clock_.steady() < end) {
            supervision.check();
            for (std::array<char, 256> bytes{};;) {
                const ssize_t size = ::recv(manager_.get(), bytes.data(), bytes.size(), 0);
                if (size < 0) break;
                told.emplace_back(bytes.data(), static_cast<std::size_t>(size));
            }
            clock_.advance(supervision.timeout());
        }
        return told;
    }
    static std::ptrdiff_t pings(const std::vector<std::string>& told) {
        return std::count(told.begin(), told.end(), "WATCHDOG=1");
    }

    UniqueFd manager_;
    Notifier notifier_;
    ManualClock clock_;
    Log log_{{.level = LogLevel::info, .format = LogFormat::text}, clock_};
    milliseconds silence_{0};
    std::string status_ = "0 connections";
};

TEST_F(SupervisionTest, PingsTwiceInEachTimeOutWhileReactorsTurn) {
    Supervision supervision = make(seconds(8));
    const auto told = run(supervision, seconds(80));
    EXPECT_GE(pings(told), 20);
    EXPECT_LE(pings(told), 21);
}

TEST_F(SupervisionTest, AShortTimeOutIsKeptToo) {
    Supervision supervision = make(milliseconds(400));
    EXPECT_GE(pings(run(supervision, seconds(4))), 19);
}

TEST_F(SupervisionTest, AReactorThatHangsStopsThePingsAndIsNamedOnce) {
    Supervision supervision = make(seconds(8));
    EXPECT_GT(pings(run(supervision, seconds(8))), 0);
    silence_ = seconds(4);
    testing::internal::CaptureStderr();
    EXPECT_EQ(pings(run(supervision, seconds(60))), 0);
    silence_ = milliseconds(3);
    EXPECT_GT(pings(run(supervision, seconds(8))), 0) << "it came back";
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(log.find("error a reactor stopped turning"), log.rfind("error a reactor stopped turning")) << log;
    EXPECT_NE(log.find(" for=4s\n"), std::string::npos) << log;
    EXPECT_NE(log.find("info all reactors resumed\n"), std::string::npos) << log;
}

TEST_F(SupervisionTest, AStoppedProcessIsNoReactorThatHangs) {
    Supervision supervision = make(seconds(60));
    testing::internal::CaptureStderr();
    run(supervision, seconds(8));
    clock_.advance(seconds(50));  // a ping was due in this time, and the reactor was stopped too
    silence_ = seconds(50);
    EXPECT_GT(pings(run(supervision, milliseconds(1))), 0) << "at once: the manager has waited";
    silence_ = milliseconds(0);
    run(supervision, seconds(8));
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    silence_ = seconds(40);
    testing::internal::CaptureStderr();
    run(supervision, seconds(8));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("a reactor stopped turning"), std::string::npos);
}

TEST_F(SupervisionTest, AShortSilenceIsOrdinary) {
    Supervision supervision = make(seconds(8));
    silence_ = milliseconds(3'999);
    EXPECT_GT(pings(run(supervision, seconds(8))), 0);
}

TEST_F(SupervisionTest, WithoutAWatchdogItSaysHowItIsAndInTheLogThatAReactorHangs) {
    Supervision supervision = make(std::nullopt);
    silence_ = Supervision::long_silence;
    testing::internal::CaptureStderr();
    const auto told = run(supervision, seconds(45));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("a reactor stopped turning"), std::string::npos);
    EXPECT_EQ(told, std::vector<std::string>{"STATUS=0 connections"}) << "unchanged, so once";
    status_ = "7 connections";
    EXPECT_EQ(run(supervision, seconds(20)), std::vector<std::string>{"STATUS=7 connections"});
}

}  // namespace
}  // namespace holdfast
