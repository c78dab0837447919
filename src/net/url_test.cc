#include "net/url.h"

#include <random>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/seed.h"

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
        EXPECT_THAT(check_webhook_url(text), Optional(HasSubstr("contains a character"))) << text;
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

TEST(NatsUrl, ListsAreTakenApart) {
    const auto urls = parse_nats_urls("nats://10.0.0.5:4222, tls://gateway:se:cret@nats.example,[::1]:4333,tok@h/");
    ASSERT_TRUE(urls) << urls.error().message;
    ASSERT_EQ(urls.value().size(), 4U);
    EXPECT_EQ(urls.value()[0].whole(), "nats://10.0.0.5:4222");
    EXPECT_EQ(urls.value()[1].whole(), "tls://gateway:se:cret@nats.example:4222");
    EXPECT_EQ(urls.value()[1].shown(), "tls://nats.example:4222");
    EXPECT_EQ(urls.value()[2].whole(), "nats://[::1]:4333");
    EXPECT_EQ(urls.value()[3].whole(), "nats://tok@h:4222");
    EXPECT_EQ(urls.value()[3].shown(), "nats://h:4222");
}

TEST(NatsUrl, WhatIsNoneSaysWhyAndKeepsTheSecret) {
    struct Case {
        const char* text;
        const char* error;
    };
    for (const Case& one :
         {Case{"", "\"\" names no host"}, Case{"http://a", "does not start with nats:// or tls://"},
          Case{"nats://u:hunter2@a:0", "\"nats://***@a:0\" has no port from 1 to 65535"},
          Case{"nats://u:hunter2@a:x", "has no port"}, Case{"a,,b", "names no host"},
          Case{"nats://[::x]:1", "has no IPv6 address"}, Case{"nats://u:hunter2@a b", "names no host"},
          Case{"nats://u:hunter2@", "names no host"}, Case{"nats://a:1/x", "has no port"},
          Case{"nats://u:hunter2\n@a", "contains a control character"}}) {
        const auto urls = parse_nats_urls(one.text);
        ASSERT_FALSE(urls) << one.text;
        EXPECT_NE(urls.error().message.find(one.error), std::string::npos) << urls.error().message;
        EXPECT_EQ(urls.error().message.find("hunter2"), std::string::npos) << urls.error().message;
        EXPECT_NE(urls.error().message.find("; write e.g. nats://"), std::string::npos) << urls.error().message;
    }
    std::string many = "a";
    for (int i = 0; i < 100; ++i) many += ",a";
    EXPECT_FALSE(parse_nats_urls(many));
}

TEST(NatsUrl, SecretsAreNotShownWhateverTheTextIs) {
    EXPECT_EQ(without_secrets("nats://a:1,nats://b:2"), "nats://a:1,nats://b:2");
    EXPECT_EQ(without_secrets("nats://a:1?token=hunter2,nats://b:2"), "nats://a:1?***");
    EXPECT_EQ(without_secrets("nats://u:hunter2@a:1,nats://u:hunter2@b:2"), "nats://***@a:1,nats://***@b:2");
    for (const char* text : {"u:hunter2@a", "nats://u:hun,hunter2@a", "x://u:a://hunter2@b", "nats://u:hunter2@@a",
                             "nats://a,nats://u:hunter2@b", "@hunter2@"}) {
        EXPECT_EQ(without_secrets(text).find("hunter2"), std::string::npos) << without_secrets(text);
        EXPECT_EQ(without_secrets(text).find("hun"), std::string::npos) << without_secrets(text);
    }
}

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
              "\"b=100%\" is not percent-encoded (RFC 3986); write % as %25");
}

TEST(RequestTarget, WhatIsEncodedDecodesToItself) {
    std::mt19937_64 random(test_seed());
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
