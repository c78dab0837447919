#include "text/units.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>

#include <gtest/gtest.h>

#include "testing/seed.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr const char* duration_help = R"(write a number and its unit, e.g. "500ms", "30s", "5m" or "1h")";
constexpr const char* size_help = R"(write a whole number of bytes or of a unit, e.g. "512B", "64KiB" or "1MiB")";

TEST(ParseDuration, ReadsEveryUnit) {
    const std::pair<const char*, std::int64_t> cases[] = {
        {"30s", 30'000}, {"500ms", 500},   {"5m", 300'000},   {"1h", 3'600'000}, {"1.5s", 1'500},
        {"0s", 0},       {"0.5m", 30'000}, {"1.250s", 1'250}, {"0.001s", 1},     {"1000000h", 3'600'000'000'000},
    };
    for (const auto& [text, expected] : cases) {
        const auto parsed = parse_duration(text);
        ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().message;
        EXPECT_EQ(parsed.value(), milliseconds(expected)) << text;
    }
}

TEST(ParseDuration, SaysWhatIsWrong) {
    for (const char* text :
         {"", "s", "-1s", "+1s", " 1s", "1s ", "1 s", "1.s", ".5s", "1m30s", "1e3s", "1S", "1d", "ten"}) {
        const auto parsed = parse_duration(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_EQ(parsed.error().message, '"' + std::string(text) + "\" is not a duration; " + duration_help);
    }
    EXPECT_EQ(parse_duration("30").error().message, std::string("\"30\" has no unit; ") + duration_help);
    EXPECT_EQ(parse_duration("1.5").error().message, std::string("\"1.5\" has no unit; ") + duration_help);
    for (const char* text : {"1.5ms", "0.0001s", "0.00000000000001h"}) {
        EXPECT_EQ(parse_duration(text).error().message,
                  '"' + std::string(text) + "\" is not a whole number of milliseconds; write fewer decimals");
    }
}

TEST(ParseDuration, RefusesWhatWouldOverflow) {
    for (const char* text : {"1000001h", "1000000.5h", "9223372036854775807h", "18446744073709551616ms",
                             "99999999999999999999999999999s"}) {
        EXPECT_EQ(parse_duration(text).error().message,
                  '"' + std::string(text) + "\" is too long; write at most 1000000h");
    }
}

TEST(ParseSize, ReadsEveryUnit) {
    const std::pair<const char*, std::size_t> cases[] = {
        {"65536", 65'536},
        {"512B", 512},
        {"64KiB", 65'536},
        {"1MiB", 1'048'576},
        {"2GiB", 2'147'483'648},
        {"64KB", 64'000},
        {"1MB", 1'000'000},
        {"1GB", 1'000'000'000},
        {"64kib", 65'536},
        {"0", 0},
        {"18446744073709551615", 18'446'744'073'709'551'615U},
    };
    for (const auto& [text, expected] : cases) {
        const auto parsed = parse_size(text);
        ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().message;
        EXPECT_EQ(parsed.value(), expected) << text;
    }
}

TEST(ParseSize, SaysWhatIsWrong) {
    for (const char* text : {"", "KiB", "-1", "1.5MiB", "64 KiB", "64K", "64KiBs", "0x10"}) {
        const auto parsed = parse_size(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_EQ(parsed.error().message, '"' + std::string(text) + "\" is not a size; " + size_help);
    }
    for (const char* text : {"18446744073709551616", "18014398509481984KiB", "99999999999GiB"}) {
        EXPECT_EQ(parse_size(text).error().message,
                  '"' + std::string(text) + "\" is too large for a size; write fewer bytes");
    }
}

TEST(FormatDuration, TakesTheShortestExactForm) {
    const std::pair<std::int64_t, const char*> cases[] = {
        {0, "0s"},          {1, "1ms"},        {999, "999ms"},
        {1'000, "1s"},      {1'500, "1.5s"},   {1'250, "1.25s"},
        {1'001, "1.001s"},  {30'000, "30s"},   {60'000, "1m"},
        {90'000, "90s"},    {300'000, "5m"},   {3'600'000, "1h"},
        {5'400'000, "90m"}, {-1'500, "-1.5s"}, {INT64_MIN, "-9223372036854775.808s"},
    };
    for (const auto& [ms, expected] : cases) EXPECT_EQ(format_duration(milliseconds(ms)), expected);
}

TEST(FormatSize, TakesTheLargestUnitThatDivides) {
    const std::pair<std::size_t, const char*> cases[] = {
        {0, "0B"}, {1, "1B"}, {1'000, "1000B"}, {65'536, "64KiB"}, {1'048'576, "1MiB"}, {3'221'225'472, "3GiB"},
    };
    for (const auto& [bytes, expected] : cases) EXPECT_EQ(format_size(bytes), expected);
}

TEST(Units, WhatIsPrintedReadsBackTheSame) {
    std::mt19937_64 random(test_seed());
    for (int i = 0; i < 2'000; ++i) {
        const int shift = static_cast<int>(random() % 40);
        const milliseconds duration(static_cast<std::int64_t>((random() >> 24) >> shift));
        EXPECT_EQ(parse_duration(format_duration(std::min(duration, milliseconds(3'600'000'000'000)))).value(),
                  std::min(duration, milliseconds(3'600'000'000'000)));
        const std::size_t bytes = random() >> shift;
        EXPECT_EQ(parse_size(format_size(bytes)).value(), bytes);
    }
}

TEST(Human, Counts) {
    EXPECT_EQ(human_count(0), "0");
    EXPECT_EQ(human_count(999), "999");
    EXPECT_EQ(human_count(1000), "1,000");
    EXPECT_EQ(human_count(123'456), "123,456");
    EXPECT_EQ(human_count(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(Human, Bytes) {
    EXPECT_EQ(count_of(0, "byte"), "0 bytes");
    EXPECT_EQ(count_of(1, "byte"), "1 byte");
    EXPECT_EQ(count_of(12'345, "byte"), "12345 bytes");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.0 KiB");
    EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
    EXPECT_EQ(human_bytes(1536 * 1024), "1.5 MiB");
    EXPECT_EQ(human_bytes(std::numeric_limits<std::uint64_t>::max()), "16.0 EiB");
}

TEST(Human, Seconds) {
    EXPECT_EQ(human_seconds(0.4), "0.4s");
    EXPECT_EQ(human_seconds(61.4), "61.4s");
    EXPECT_EQ(human_seconds(312), "5m 12s");
    EXPECT_EQ(human_seconds(7380), "2h 3m");
    EXPECT_EQ(human_seconds(86400 * 12 + 3600 * 4 + 59), "12d 4h");
    EXPECT_EQ(human_seconds(-1), "?");
    EXPECT_EQ(human_seconds(std::numeric_limits<double>::quiet_NaN()), "?");
}

TEST(Time, IsATimestampSecondsOrADurationAgo) {
    using namespace std::chrono_literals;
    using std::chrono::sys_days;
    const std::chrono::sys_time<std::chrono::milliseconds> now = sys_days{2026y / 11 / 22} + 8h + 123ms;
    EXPECT_EQ(parse_time("2026-11-22T08:00:00.123Z", {}).value(), now);
    EXPECT_EQ(parse_time("2026-11-22 09:30:00.123999+01:30", {}).value(), now);
    EXPECT_EQ(parse_time("2026-11-22T07:00:00.123-01:00", {}).value(), now);
    EXPECT_EQ(parse_time("1795334400", {}).value(), now - 123ms);
    EXPECT_EQ(parse_time("10m", now).value(), now - 10min);
    for (const char* wrong :
         {"", "yesterday", "2026-11-22", "2026-02-30T08:00:00Z", "2026-11-22T24:00:00Z", "-5", "2026-11-22T08:00:00",
          "2026-11-22T08:00:00Z ", "2026-11-22T08:00:00.Z", "99999999999999", "2026-11-22T08:00:00+1:00"}) {
        const auto parsed = parse_time(wrong, now);
        ASSERT_FALSE(parsed) << wrong;
        EXPECT_NE(parsed.error().message.find("is not a time; write e.g."), std::string::npos) << wrong;
    }
}

}  // namespace

}  // namespace holdfast
