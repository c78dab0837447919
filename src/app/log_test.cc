#include "app/log.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace holdfast
