#include "api/downlink_message.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Message, KeepsTheObjectAndDropsTheWhiteSpaceBetweenItsTokens) {
    EXPECT_EQ(read_message("{}").json, "{}");
    EXPECT_EQ(read_message(" {\n  \"cmd\": \"a  b\",\r\n\t\"n\": [1.50, 1e3]\n}\n").json,
              R"({"cmd":"a  b","n":[1.50,1e3]})");
    EXPECT_EQ(read_message(R"({"u":"\u00e9 \n"})").json, R"({"u":"\u00e9 \n"})");
}

TEST(Message, RefusesWhatIsNotJson) {
    for (const char* body : {"", " ", "{", "{]", "{\"a\":1}}", "{} {}", "{\"a\":01}", "{\"a\":\"\xff\"}",
                             "{\"a\":\"\x01\"}", "nul", "{'a':1}"}) {
        const DownlinkMessage message = read_message(body);
        EXPECT_EQ(message.code, "not_json") << body;
        EXPECT_TRUE(message.json.empty());
    }
}

TEST(Message, RefusesWhatIsNotAnObject) {
    for (const char* body : {"1", "\"a\"", "[]", "[{}]", "null", "true"})
        EXPECT_EQ(read_message(body).code, "not_object") << body;
}

TEST(Message, DepthIsBounded) {
    std::string deep;
    for (int i = 0; i < 30'000; ++i) deep += "{\"a\":";
    EXPECT_EQ(read_message(deep + "1" + std::string(30'000, '}')).code, "not_json");
}

}  // namespace
}  // namespace holdfast
