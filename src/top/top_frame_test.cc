#include "top/top_frame.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string row(const std::string& conn, const std::string& key) {
    return R"({"conn":")" + conn + R"(","listener":"devices","peer":"10.2.0.9:51514","key":")" + key +
           R"(","age_s":61.4,"since_item_s":0.4,"items":12345,"bytes_in":49000,"bytes_out":0})";
}

TopAnswers example() {
    TopAnswers answers;
    answers.status = R"({"version":"0.1.0","uptime_s":7400,"connections":1234,"max_connections":100000})";
    answers.trend = R"({"window_s":600,"step_s":10,"points":[
        {"connections":1000,"fewest":990,"most":1000,"closed":{"peer_closed":1}},
        {"connections":1234,"fewest":1000,"most":1240,"closed":{"peer_closed":2,"keepalive_expired":5}}]})";
    answers.recent = R"({"window_s":10,"step_s":1,"points":[
        {"accepted":3,"refused":0,"closed":{"peer_closed":20},"items":1500,"bad_items":1},
        {"accepted":4,"refused":0,"closed":{"peer_reset":20},"items":1500,"bad_items":0}]})";
    answers.alarms = R"({"active":[{"alarm":"population_drop","listener":"devices","summary":"4,100 in 9 s",
        "cause":"A partition."}],"recent":[]})";
    answers.connections =
        R"({"total":2,"connections":[)" + row("7f2c91a0-1", "10.20.30.40") + "," + row("7f2c91a0-2", "") + "]}";
    return answers;
}

std::vector<std::string> texts(const TopAnswers& answers, TopSize size, const TopControls& controls = {},
                               bool with_keys = true) {
    std::vector<std::string> all;
    for (const TopLine& line :
         render_frame(answers, controls, size, {.admin = "127.0.0.1:7080", .with_keys = with_keys})) {
        all.push_back(line.text);
    }
    return all;
}

TEST(TopFrame, IdentifiedDevicesHaveAColumn) {
    TopAnswers answers = example();
    answers.status = R"({"version":"0.1.0","connections":2,"max_connections":9,"identified":1})";
    std::string with_id = row("7f2c91a0-1", "k");
    with_id.insert(with_id.size() - 1, R"(,"id":"van\u001b17")");
    answers.connections = R"({"total":2,"connections":[)" + with_id + "," + row("7f2c91a0-2", "") + "]}";
    const auto lines = texts(answers, {160, 14});
    EXPECT_THAT(lines[1], StartsWith("2 of at most 9 connections, 1 by id"));
    EXPECT_THAT(lines, Contains(StartsWith("CONN        PEER            ID         KEY")));
    EXPECT_THAT(lines, Contains(HasSubstr("van\\x1b17  k")));
    EXPECT_THAT(texts(example(), {160, 14}), Not(Contains(HasSubstr(" ID "))));
}

TEST(TopFrame, SuspectsAreCountedAndMarked) {
    TopAnswers answers = example();
    answers.status = R"({"version":"0.1.0","connections":2,"max_connections":9,"suspects":1})";
    std::string suspect = row("7f2c91a0-1", "k");
    suspect.insert(suspect.size() - 1, R"(,"suspect_since":"2026-11-22T08:00:04.123Z")");
    answers.connections = R"({"total":2,"connections":[)" + suspect + "," + row("7f2c91a0-2", "") + "]}";
    const auto lines = texts(answers, {160, 14});
    EXPECT_THAT(lines, Contains("! 1 suspect: probed and silent since; see holdfast list --suspect"));
    EXPECT_THAT(lines, Contains(StartsWith("CONN        PEER            KEY  SUSPECT ")));
    EXPECT_THAT(lines, Contains(StartsWith("7f2c91a0-1  10.2.0.9:51514  k    08:00:04 ")));
    EXPECT_THAT(texts(example(), {160, 14}), Not(Contains(HasSubstr("SUSPECT"))));
}

TEST(TopFrame, ShowsTheGatewayAtAGlance) {
    const auto lines = texts(example(), {120, 14});
    ASSERT_EQ(lines.size(), 14U);
    EXPECT_EQ(lines[0], "holdfast 0.1.0, up 2h 3m, 127.0.0.1:7080");
    EXPECT_EQ(lines[1], "1,234 of at most 100,000 connections  ▁█  990 to 1,240 in 10 min");
    EXPECT_EQ(lines[2], "closed in 10 min: 5 keepalive_expired, 3 peer_closed");
    EXPECT_EQ(lines[3], "per second: 3.5 accepted, 20 closed, 0 refused, 1,500 items, 0.5 bad items");
    EXPECT_EQ(lines[4], "! population_drop on devices: 4,100 in 9 s");
    EXPECT_EQ(lines[5], "  A partition.");
    EXPECT_THAT(lines[7], StartsWith("CONN        PEER            KEY            AGE  SINCE ITEM   ITEMS"));
    EXPECT_THAT(lines[8], StartsWith("7f2c91a0-1  10.2.0.9:51514  10.20.30.40  61.4s        0.4s  12,345  47.9 KiB"));
    EXPECT_THAT(lines[9], StartsWith("7f2c91a0-2  10.2.0.9:51514  -  "));
    EXPECT_EQ(lines[13], "q quit  p pause  s sort: age  r reverse  / filter: none");
}

TEST(TopFrame, FitsEveryWindow) {
    TopAnswers answers = example();
    answers.connections = R"({"total":60,"connections":[)" + row("7f2c91a0-1", "k") + "";
    for (int i = 0; i < 59; ++i) answers.connections += "," + row("7f2c91a0-1", "schlüssel");
    answers.connections += "]}";
    for (std::size_t columns = 0; columns < 140; columns += 7) {
        for (std::size_t lines = 0; lines < 40; lines += 3) {
            const auto frame = texts(answers, {columns, lines});
            EXPECT_EQ(frame.size(), lines);
            for (const std::string& line : frame) {
                const auto characters =
                    std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
                EXPECT_LE(static_cast<std::size_t>(characters), columns) << line;
            }
        }
    }
}

TEST(TopFrame, ANarrowWindowDoesWithoutTheLeastImportantColumns) {
    const auto heading = [](std::size_t columns) {
        for (const TopLine& line : render_frame(example(), {}, {columns, 20}, {.admin = {}})) {
            if (line.style == TopStyle::heading) return line.text;
        }
        return std::string();
    };
    EXPECT_THAT(heading(120), HasSubstr("LISTENER"));
    EXPECT_THAT(heading(90), testing::AllOf(Not(HasSubstr("LISTENER")), HasSubstr("SENT")));
    EXPECT_EQ(heading(60), "CONN        PEER            KEY            AGE   ITEMS");
    EXPECT_EQ(heading(45), "PEER            KEY            AGE   ITEMS");
    EXPECT_EQ(heading(35), "PEER            KEY            AGE");
    EXPECT_EQ(heading(20), "PEER            KEY ");
}

TEST(TopFrame, BytesOfDevicesAreEscaped) {
    TopAnswers answers = example();
    answers.connections = R"({"total":1,"connections":[)" + row("7f2c91a0-1", R"(\u001b[2J\u009b0m\n)") + "]}";
    for (const std::string& line : texts(answers, {200, 20}))
        EXPECT_EQ(line.find_first_of("\x1b\n\x9b"), std::string::npos);
    EXPECT_THAT(texts(answers, {200, 20}), Contains(HasSubstr(R"(\x1b[2J\x9b0m\n)")));
}

TEST(TopFrame, SaysWhatIsWrong) {
    TopAnswers answers = example();
    answers.failure.emplace().lines = {"no gateway answers at 127.0.0.1:7080: Connection refused"};
    answers.status = R"({"reading_paused":true,"draining":true,"sink":{"error":"No space left on device"},
        "listeners":[{"name":"a","accept_paused":false},{"name":"b","accept_paused":true}]})";
    answers.alarms = R"({"active":[{"alarm":"a1"},{"alarm":"a2"},{"alarm":"a3"},{"alarm":"a4"},{"alarm":"a5"}]})";
    const auto lines = texts(answers, {120, 30});
    EXPECT_THAT(lines[0], HasSubstr("DRAINING"));
    EXPECT_EQ(lines[1], "! no gateway answers at 127.0.0.1:7080: Connection refused");
    EXPECT_THAT(lines, Contains("! the sink is full, and devices wait"));
    EXPECT_THAT(lines, Contains("! the sink cannot write: No space left on device"));
    EXPECT_THAT(lines,
                Contains(R"(! listener "b" has paused accepting: out of descriptors or memory; raise LimitNOFILE)"));
    EXPECT_THAT(lines, Contains("! a3: "));
    EXPECT_THAT(lines, Not(Contains("! a4: ")));
    EXPECT_THAT(lines, Contains("! 2 more; see holdfast alarms"));
}

TEST(TopFrame, SaysWhatWasChosen) {
    TopControls controls;
    controls.sort = ConnectionSort::items;
    controls.reverse = true;
    controls.paused = true;
    controls.filter = "10.2.0.0/16";
    EXPECT_EQ(texts(example(), {120, 20}, controls).back(),
              "q quit  p resume  s sort: items reversed  r reverse  / filter: 10.2.0.0/16 (2)");
    EXPECT_THAT(texts(example(), {120, 20}, controls).front(), HasSubstr("PAUSED"));
    controls.typing = true;
    controls.typed = "10.3";
    EXPECT_THAT(texts(example(), {120, 20}, controls).back(), testing::EndsWith("Esc cancels): 10.3"));
    EXPECT_THAT(texts(example(), {120, 20}, controls, false), Not(Contains(HasSubstr("10.3"))));
}

TEST(TopFrame, DamagedAnswersAreShownAsNothing) {
    for (const char* junk :
         {"", "{", "[]", "null", "7", R"({"points":[1,{"closed":[]}],"active":[3],"connections":[[]]})"}) {
        const TopAnswers answers{junk, junk, junk, junk, junk, {}, {}};
        EXPECT_EQ(texts(answers, {80, 24}).size(), 24U) << junk;
    }
}

TEST(TopFrame, WithoutAnAnswerTheFiguresAreOfAnEarlierTime) {
    TopAnswers answers = example();
    answers.at = "08:00:09";
    answers.failure.emplace().lines = {"no gateway answers at 127.0.0.1:7080: Connection refused"};
    const auto lines = render_frame(answers, {}, {120, 14}, {.admin = "127.0.0.1:7080"});
    EXPECT_EQ(lines[1].style, TopStyle::alarm);
    EXPECT_EQ(lines[2].text, "! not known since 08:00:09 UTC: all below is of that time");
    EXPECT_EQ(lines[2].style, TopStyle::alarm);
    EXPECT_THAT(lines[3].text, StartsWith("1,234 of at most"));
    EXPECT_EQ(lines[3].style, TopStyle::stale);
    EXPECT_THAT(lines[6].text, StartsWith("! population_drop"));
    EXPECT_EQ(lines[6].style, TopStyle::stale);
    TopAnswers none;
    none.failure = answers.failure;
    EXPECT_THAT(texts(none, {120, 14}), Not(Contains(HasSubstr("connections")))) << "no figure is known";
    answers.failure.reset();
    EXPECT_EQ(render_frame(answers, {}, {120, 14}, {.admin = {}})[4].style, TopStyle::alarm);
}

TEST(TopFrame, BarsAreScaledToThePrintedRange) {
    TopAnswers answers = example();
    answers.trend = R"({"window_s":600,"step_s":10,"points":[
        {"connections":600,"fewest":0,"most":600},{"connections":600,"fewest":600,"most":1000}]})";
    EXPECT_THAT(texts(answers, {120, 14})[1], HasSubstr("  ▅▅  0 to 1,000 in 10 min"));
}

TEST(SparkLine, SpansTheRange) {
    EXPECT_EQ(spark_line({0, 1, 2, 3, 4, 5, 6, 7}, {0, 7}, 8, true), "▁▂▃▄▅▆▇█");
    EXPECT_EQ(spark_line({10'000, 9'500, 10'000}, {9'500, 10'000}, 60, true), "█▁█");
    EXPECT_EQ(spark_line({10'000, 9'500, 10'000}, {0, 10'000}, 60, true), "███");
    EXPECT_EQ(spark_line({5, 5, 5}, {5, 5}, 60, true), "▅▅▅");
    EXPECT_EQ(spark_line({0, 0}, {0, 0}, 60, true), "▁▁");
    EXPECT_EQ(spark_line({0, 7}, {0, 7}, 9, false), "_#");
    EXPECT_EQ(spark_line({0, 9}, {1, 8}, 9, false), "_#") << "values beyond the range are cut";
    EXPECT_EQ(spark_line({}, {0, 0}, 9, true), "");
    EXPECT_EQ(spark_line({1, 2}, {1, 2}, 0, true), "");
}

TEST(SparkLine, FewerBarsStandForAllValuesAndKeepTheLowest) {
    EXPECT_EQ(spark_line({0, 100, 200, 300}, {0, 300}, 2, true), "▁▆");
    EXPECT_EQ(spark_line({9, 9, 9, 0, 9, 9, 9, 9, 9}, {0, 9}, 3, true), "█▁█");
}

}  // namespace
}  // namespace holdfast
