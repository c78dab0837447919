#include "daemon/log.h"

#include <chrono>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/manual_clock.h"

namespace holdfast {
namespace {

std::string logged(const LogConfig& config, std::string_view what, Log::Fields fields) {
    testing::internal::CaptureStderr();
    Log(config).info(what, fields);
    return testing::internal::GetCapturedStderr();
}

TEST(Log, TextIsOneLineWhateverAFieldHolds) {
    const std::string line = logged({}, "listening", {{"listener", "devices"}, {"why", "two\nlines \"x\""}});
    EXPECT_TRUE(line.ends_with(R"( info listening listener=devices why="two\nlines \"x\"")"
                               "\n"))
        << line;
    EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, JsonIsOneObjectALine) {
    const std::string line =
        logged({.level = LogLevel::info, .format = LogFormat::json}, "listening", {{"listener", "devices"}});
    EXPECT_TRUE(line.starts_with(R"({"at":")")) << line;
    EXPECT_TRUE(line.ends_with(R"(,"level":"info","message":"listening","listener":"devices"})"
                               "\n"))
        << line;
}

TEST(Log, BelowItsLevelIsSilent) {
    EXPECT_EQ(logged({.level = LogLevel::warn, .format = LogFormat::text}, "x", {}), "");
}

TEST(Log, BytesOfADeviceCannotReachTheTerminalOrEndTheLine) {
    const std::string evil =
        "a\x1b[2J\nb\r\xc2\x9b"
        "31m\xff\x7f";
    for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
        const std::string line = logged({.level = LogLevel::info, .format = format}, evil, {{"key", evil}});
        EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
        EXPECT_EQ(line.find_first_of("\x1b\r\x7f"), std::string::npos) << line;
        EXPECT_EQ(line.find("\xc2\x9b"), std::string::npos) << line;
    }
}

TEST(Log, ChangesWhileItRuns) {
    Log log({.level = LogLevel::warn, .format = LogFormat::text});
    testing::internal::CaptureStderr();
    log.info("one");
    log.change({.level = LogLevel::debug, .format = LogFormat::json});
    log.debug("two");
    const std::string lines = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(lines.starts_with("{") && lines.ends_with(",\"level\":\"debug\",\"message\":\"two\"}\n")) << lines;
}

class LogFlood : public testing::Test {
protected:
    std::string written(const std::function<void(Log&)>& use, const LogConfig& config = {}) {
        testing::internal::CaptureStderr();
        {
            Log log(config, clock_);
            use(log);
        }
        return testing::internal::GetCapturedStderr();
    }
    static std::ptrdiff_t lines_with(const std::string& text, const std::string& part) {
        std::ptrdiff_t count = 0;
        for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
        return count;
    }
    ManualClock clock_;
};

TEST_F(LogFlood, FiveLinesASecondAndThenANumber) {
    const std::string text = written([this](Log& log) {
        for (int tenth = 0; tenth < 100; ++tenth) {
            for (int i = 0; i < 10; ++i) log.warn("accepting paused", {{"n", std::to_string(i)}});
            log.tick();
            clock_.advance(std::chrono::milliseconds(100));
        }
        clock_.advance(std::chrono::seconds(1));
        log.tick();
        log.info("calm");
    });
    EXPECT_EQ(lines_with(text, " warn accepting paused n="), 50) << text;
    EXPECT_EQ(lines_with(text, " more like this"), 1) << text;
    EXPECT_THAT(text, testing::HasSubstr(" warn 950 more like this in the last 11 s like=\"accepting paused\"\n"));
    EXPECT_TRUE(text.ends_with(" info calm\n")) << text;
}

TEST_F(LogFlood, OneCauseDoesNotHideAnother) {
    const std::string text = written([](Log& log) {
        for (int i = 0; i < 100; ++i) log.warn("accepting paused", {{"listener", "a"}});
        log.warn("accepting paused", {{"listener", "b"}});
        log.error("the sink is lost");
    });
    EXPECT_EQ(lines_with(text, " warn accepting paused listener=a"), 5) << text;
    EXPECT_EQ(lines_with(text, " warn accepting paused listener=b"), 1) << text;
    EXPECT_EQ(lines_with(text, " error the sink is lost"), 1) << text;
}

TEST_F(LogFlood, TheEndReportsHeldLinesAndJsonStaysJson) {
    const std::string text = written(
        [](Log& log) {
            for (int i = 0; i < 8; ++i) log.info("x");
        },
        {.level = LogLevel::info, .format = LogFormat::json});
    EXPECT_TRUE(
        text.ends_with(",\"level\":\"info\",\"message\":\"3 more like this in the last 1 s\",\"like\":\"x\"}\n"))
        << text;
}

TEST(LogLimiter, CausesThatVaryDoNotFillMemoryAndAreStillCounted) {
    ManualClock clock;
    LogLimiter limiter;
    unsigned passed = 0;
    for (int i = 0; i < 10'000; ++i)
        passed += limiter.pass("cause " + std::to_string(i), LogLevel::warn, clock.steady());
    EXPECT_EQ(passed, LogLimiter::max_causes + LogLimiter::lines_per_second);
    const auto held = limiter.take_due(clock.steady(), true);
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0].count, 10'000 - passed);
    // Causes without new lines are forgotten.
    clock.advance(std::chrono::seconds(2));
    EXPECT_TRUE(limiter.pass("new", LogLevel::warn, clock.steady()));
    for (unsigned i = 0; i < LogLimiter::lines_per_second; ++i) {
        EXPECT_EQ(limiter.pass("new", LogLevel::warn, clock.steady()), i + 1 < LogLimiter::lines_per_second);
    }
}

TEST(LogLimiter, ReportsAfterTenSecondsAndOnlyOnce) {
    ManualClock clock;
    LogLimiter limiter;
    for (int i = 0; i < 6; ++i) static_cast<void>(limiter.pass("x", LogLevel::info, clock.steady()));
    clock.advance(LogLimiter::report_every - std::chrono::milliseconds(1));
    EXPECT_TRUE(limiter.take_due(clock.steady()).empty());
    clock.advance(std::chrono::milliseconds(1));
    const auto due = limiter.take_due(clock.steady());
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].count, 1U);
    EXPECT_EQ(due[0].over, LogLimiter::report_every);
    EXPECT_TRUE(limiter.take_due(clock.steady(), true).empty());
}

}  // namespace
}  // namespace holdfast
