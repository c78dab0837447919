#include "codec/event_line.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(LifeLine, ReadsEventAndConnectionOfEachKind) {
    const auto of = [](std::string_view line) { return std::pair(life_line(line).event, life_line(line).conn); };
    using std::pair;
    using std::string_view;
    EXPECT_EQ(of(R"({"event":"connected","conn":"7f-1","listener":"a"})"),
              pair(LifeEvent::connected, string_view("7f-1")));
    EXPECT_EQ(of(R"({"event":"identified","conn":"7f-2"})"), pair(LifeEvent::identified, string_view("7f-2")));
    EXPECT_EQ(of(R"({"event":"item","conn":"7f-3","n":1})"), pair(LifeEvent::item, string_view("7f-3")));
    EXPECT_EQ(of(R"({"event":"closed","conn":"7f-4"})"), pair(LifeEvent::closed, string_view("7f-4")));
    for (const string_view line : {"", "{}", R"({"event":"connected"})", R"({"event":"connected","conn":"7f)",
                                   R"({"event":"connectedx","conn":"7f"})", R"({"n":1,"event":"closed"})"}) {
        EXPECT_EQ(life_line(line).event, LifeEvent::none) << line;
    }
}

TEST(LifeLine, FindsFieldsThatStringsOnlyLookLike) {
    constexpr std::string_view line =
        R"({"event":"item","conn":"1-1","id":"a\",\"n\":7,\"x","seq":5,"n":12,"key":"k","item":{"n":9},"at":"T"})";
    EXPECT_EQ(raw_field(line, "id"), R"("a\",\"n\":7,\"x")");
    EXPECT_EQ(raw_field(line, "n"), "12");
    EXPECT_EQ(raw_field(line, "seq"), "5");
    EXPECT_EQ(raw_field(line, "session"), "");
    EXPECT_EQ(raw_field(R"({"a":1,"id":"open)", "id"), "");
    EXPECT_EQ(raw_field(R"({"a":1,"id":)", "id"), "");
}

TEST(LifeLine, TheTimeIsTheLastField) {
    EXPECT_EQ(time_of_line(R"({"event":"item","item":{"x":1,"at":"no"},"at":"2026-11-22T08:00:00.123Z"})"),
              "2026-11-22T08:00:00.123Z");
    for (const std::string_view line : {"", R"({"event":"item"})", R"("at":"})", R"(,"at":"})"}) {
        EXPECT_EQ(time_of_line(line), "") << line;
    }
}

}  // namespace
}  // namespace holdfast
