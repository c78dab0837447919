#include "text/json_writer.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string json_text(std::string_view text) {
    std::string out;
    append_json_text(out, text);
    return out;
}

TEST(JsonWriter, NestsAndSeparates) {
    JsonWriter json;
    json.begin_object().field("a", 1).key("b").begin_array().value(1).value("x").begin_object().end_object();
    json.begin_array().value(true).value(false).end_array().null().end_array();
    json.key("c").begin_object().field("d", 2).field("e", 3).end_object().field("f", "").end_object();
    EXPECT_EQ(json.take(), R"({"a":1,"b":[1,"x",{},[true,false],null],"c":{"d":2,"e":3},"f":""})");
}

TEST(JsonWriter, ATopLevelValueMayBeAnything) {
    EXPECT_EQ(JsonWriter().value("x").take(), "\"x\"");
    EXPECT_EQ(JsonWriter().begin_array().end_array().take(), "[]");
}

TEST(JsonWriter, Numbers) {
    JsonWriter json;
    json.begin_array().value(std::numeric_limits<std::uint64_t>::max()).value(std::numeric_limits<std::int64_t>::min());
    json.value(61.4).value(0.0).value(0.1).value(1e300).value(std::numeric_limits<double>::infinity());
    json.value(std::numeric_limits<double>::quiet_NaN()).end_array();
    EXPECT_EQ(json.take(), "[18446744073709551615,-9223372036854775808,61.4,0,0.1,1e+300,null,null]");
}

TEST(JsonWriter, EscapesWhatMustBeAndNothingElse) {
    EXPECT_EQ(json_text("a\"b\\c/d"), R"("a\"b\\c/d")");
    EXPECT_EQ(json_text(std::string_view("\0\x01\b\t\n\f\r\x1f\x7f", 9)),
              "\"\\u0000\\u0001\\u0008\\t\\n\\u000c\\r\\u001f\\u007f\"");
    EXPECT_EQ(json_text("gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80"), "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80\"");
}

TEST(JsonWriter, WhatIsNotUtf8BecomesTheReplacementCharacter) {
    EXPECT_EQ(json_text("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
    EXPECT_EQ(json_text("\xC3"), "\"\xEF\xBF\xBD\"");
    EXPECT_EQ(json_text("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

using JsonWriterDeathTest = testing::Test;

TEST(JsonWriterDeathTest, ACallOutOfPlaceEndsTheProcess) {
    EXPECT_DEATH(JsonWriter().begin_object().value(1), "defect");
    EXPECT_DEATH(JsonWriter().begin_array().key("a"), "defect");
    EXPECT_DEATH(JsonWriter().begin_array().end_object(), "defect");
    EXPECT_DEATH(JsonWriter().begin_object().key("a").end_object(), "defect");
    EXPECT_DEATH(JsonWriter().value(1).value(2), "defect");
    EXPECT_DEATH((void)JsonWriter().begin_object().take(), "defect");
}

TEST(JsonText, ControlCharactersBeyondAsciiAreEscapedToo) {
    std::string out;
    append_json_text(out, "\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0");
    EXPECT_EQ(out, "\"\\u007f\\u0080\\u009b\\u009f\xc2\xa0\"");
}

}  // namespace
}  // namespace holdfast
