#include "load/gateway_word.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Kind = GatewayWord::Kind;

TEST(GatewayWord, WhatTheGatewaySaysIsRead) {
    EXPECT_EQ(gateway_word(downlink_item(7)), (GatewayWord{Kind::downlink, 7}));
    EXPECT_EQ(gateway_word(R"({"resume":0})"), (GatewayWord{Kind::resume, 0}));
    EXPECT_EQ(gateway_word(R"({"ack":9007199254740991})"), (GatewayWord{Kind::ack, 9'007'199'254'740'991ULL}));
    EXPECT_EQ(gateway_word(R"({"nack":4,"reason":"no_key"})"), (GatewayWord{Kind::nack, 4}));
    EXPECT_EQ(gateway_word(R"({"nack":4,"reason":"gap","expected":2})"), (GatewayWord{Kind::gap, 4}));
}

TEST(GatewayWord, AnythingElseIsNone) {
    for (const char* text :
         {"", "{}", R"({"load_downlink":})", R"({"load_downlink":-1})", R"({"load_downlink":1.5})",
          R"({"load_downlink":1,"x":2})", R"({"load_downlink":99999999999999999999})", R"({"load_downlink":7)",
          R"({"ack":7)", R"({"ack":7,"more":1})", R"({"ack": 7})", R"({"nack":7})", R"({"cmd":"reboot"})"})
        EXPECT_FALSE(gateway_word(text).has_value()) << text;
}

}  // namespace
}  // namespace holdfast
