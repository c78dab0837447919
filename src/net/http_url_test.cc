#include "net/http_url.h"

#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::Optional;

TEST(HttpUrl, IsTakenApart) {
    using Row = std::tuple<const char*, bool, const char*, int, const char*>;
    for (const auto& [text, tls, host, port, target] :
         {Row{"http://127.0.0.1:9000/alarms", false, "127.0.0.1", 9000, "/alarms"},
          Row{"https://hooks.example/services/T0/B1?x=1&y=2", true, "hooks.example", 443, "/services/T0/B1?x=1&y=2"},
          Row{"http://ops", false, "ops", 80, "/"}, Row{"http://ops?a=/b:1", false, "ops", 80, "/?a=/b:1"},
          Row{"http://[::1]:81/", false, "::1", 81, "/"},
          Row{"https://[2001:db8::1]", true, "2001:db8::1", 443, "/"}}) {
        const auto url = parse_http_url(text);
        ASSERT_TRUE(url.ok()) << text << ": " << url.error().message;
        EXPECT_EQ(url.value().tls, tls) << text;
        EXPECT_EQ(url.value().host, host) << text;
        EXPECT_EQ(url.value().port, port) << text;
        EXPECT_EQ(url.value().target, target) << text;
    }
    EXPECT_EQ(parse_http_url("http://[::1]:81/secret").value().authority(), "[::1]:81");
    EXPECT_EQ(parse_http_url("https://ops/secret").value().authority(), "ops:443");
}

TEST(HttpUrl, IsShownWithoutItsSecrets) {
    EXPECT_EQ(without_secrets_of_http("https://hooks.example/services/T0/B1"), "https://hooks.example/***");
    EXPECT_EQ(without_secrets_of_http("http://127.0.0.1:9000?token=x"), "http://127.0.0.1:9000/***");
    EXPECT_EQ(without_secrets_of_http("http://[::1]:81/"), "http://[::1]:81/");
    EXPECT_EQ(without_secrets_of_http("http://u:p@ops/x"), "http://***");
    EXPECT_EQ(without_secrets_of_http(""), "");
}

TEST(HttpUrl, SaysWhatIsWrong) {
    EXPECT_EQ(check_webhook_url(""), std::nullopt);
    EXPECT_EQ(check_webhook_url("https://ops/x"), std::nullopt);
    EXPECT_EQ(check_webhook_url("ftp://x"),
              "\"***\" does not start with http:// or https://; write e.g. http://127.0.0.1:9000/alarms");
    for (const char* text : {"ops:9000", "http:/ops", "HTTP://ops", "//ops"}) {
        EXPECT_THAT(check_webhook_url(text), Optional(HasSubstr("does not start with"))) << text;
    }
    for (const char* text : {"http://", "http:///x", "http://:80/", "http://a,b/", "http://::1/x", "http://a:b:1/"}) {
        EXPECT_THAT(check_webhook_url(text),
                    Optional(testing::AnyOf(HasSubstr("names no host"), HasSubstr("has no port"))))
            << text;
    }
    for (const char* text :
         {"http://ops:/", "http://ops:0/", "http://ops:65536/", "http://ops:8o/", "http://ops:-1/"}) {
        EXPECT_THAT(check_webhook_url(text), Optional(HasSubstr("has no port from 1 to 65535"))) << text;
    }
    for (const char* text : {"http://ops/a b", "http://ops/\r\nX: y", "http://ops/#x", "http://ops/\x80"}) {
        EXPECT_THAT(check_webhook_url(text), Optional(HasSubstr("holds a character"))) << text;
    }
    for (const char* text :
         {"ftp://ops/MARK", "http://ops:0/MARK", "http://a,b/MARK", "http://ops/MARK#x", "http://u:MARK@ops/",
          "http://u:a/MARK@ops", "http://[::g]/MARK", "http://ops?x=MARK y", "MARK", "http://ops\\MARK"}) {
        EXPECT_THAT(check_webhook_url(text), Optional(Not(HasSubstr("MARK")))) << text;
    }
    EXPECT_THAT(check_webhook_url("http://a:b@ops/"), Optional(HasSubstr("name or password")));
    EXPECT_THAT(check_webhook_url("http://[::g]/"), Optional(HasSubstr("no IPv6 address")));
    EXPECT_THAT(check_webhook_url("http://ops/" + std::string(2'000, 'x')), Optional(HasSubstr("longer than 2000")));
    EXPECT_THAT(check_webhook_url("http://" + std::string(254, 'x')), Optional(HasSubstr("names no host")));
}

}  // namespace
}  // namespace holdfast
