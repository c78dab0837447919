#include "cli/load_gateway.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ConnectionRows, IdAndPeerAreReadAndBadRowsPassedOver) {
    const auto read = read_connection_rows(
        R"({"total":9,"connections":[{"conn":"a-1","peer":"10.2.0.9:51514"},{"conn":7,"peer":"[::1]:9"},
            {"conn":"a-2"},{"peer":"10.2.0.9:1"},{"conn":"a-3","peer":"nonsense"},{"conn":{},"peer":[]},null,[],1]})");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read.value().rows, 9U);
    ASSERT_EQ(read.value().connections.size(), 2U);
    EXPECT_EQ(read.value().connections[0].id, "a-1");
    EXPECT_EQ(to_string(read.value().connections[0].peer), "10.2.0.9:51514");
    EXPECT_EQ(read.value().connections[1].id, "7");
}

TEST(ConnectionRows, AnIdWithoutEndIsPassedOver) {
    const auto read =
        read_connection_rows(R"({"connections":[{"peer":"1.2.3.4:5","conn":")" + std::string(100'000, 'x') + "\"}]}");
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(read.value().connections.empty());
}

TEST(ConnectionRows, WhatIsNoListIsAnError) {
    for (const std::string& text :
         {std::string(), std::string("null"), std::string("[1]"), std::string("{}"), std::string("{\"connections\":["),
          std::string("\xff\xfe"), std::string(5'000, '[')})
        EXPECT_FALSE(read_connection_rows(text).ok()) << text.substr(0, 20);
    for (const char* text : {R"({"connections":null})", R"({"connections":{"a":1}})", R"({"connections":7})"}) {
        const auto read = read_connection_rows(text);
        EXPECT_TRUE(!read.ok() || read.value().connections.empty()) << text;
    }
}

}  // namespace
}  // namespace holdfast
