#include "net/request_target.h"

#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Words = std::vector<std::string>;

TEST(RequestTarget, SplitsAndDecodes) {
    const RequestTarget target =
        parse_request_target("/v1/closed?peer=10.2.0.0%2F16&key=a+b%2Bc&empty=&bare&&x=a=b").value();
    EXPECT_EQ(target.segments, (Words{"v1", "closed"}));
    EXPECT_EQ(target.query,
              (Pairs{{"peer", "10.2.0.0/16"}, {"key", "a b+c"}, {"empty", ""}, {"bare", ""}, {"x", "a=b"}}));
    EXPECT_TRUE(parse_request_target("/").value().segments.empty());
    EXPECT_EQ(parse_request_target("/v1/closed/").value().segments, (Words{"v1", "closed"}));
    EXPECT_EQ(parse_request_target("//a").value().segments, (Words{"", "a"}));
    EXPECT_EQ(parse_request_target("/a%2Fb+c").value().segments, (Words{"a/b+c"}));
    EXPECT_EQ(parse_request_target("/%00?%ff=%00").value().query.front().second, std::string(1, '\0'));
}

TEST(RequestTarget, RefusesWhatIsNotOne) {
    for (const char* text :
         {"", "*", "v1", "http://a/b", "/%", "/%4", "/%4g", "/%zz", "/a?%", "/a?b=%1", "/a?b=%g1", "/a?b=c&d=%"}) {
        EXPECT_FALSE(parse_request_target(text)) << text;
    }
    EXPECT_EQ(parse_request_target("/a?b=100%").error().message,
              "\"b=100%\" is not percent-encoded as RFC 3986 says: write % as %25");
}

TEST(RequestTarget, WhatIsEncodedDecodesToItself) {
    const char* const given = std::getenv("HOLDFAST_SEED");
    const auto seed =
        given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 500; ++round) {
        std::string text(random() % 40, '\0');
        for (char& c : text) c = static_cast<char>(random());
        const RequestTarget target =
            parse_request_target("/" + percent_encode(text) + "x?v=" + percent_encode(text)).value();
        ASSERT_EQ(target.segments, (Words{text + "x"}));
        ASSERT_EQ(target.query, (Pairs{{"v", text}}));
    }
}

}  // namespace
}  // namespace holdfast
