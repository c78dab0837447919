#include "net/nats_url.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

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
          Case{"nats://u:hunter2\n@a", "holds a control character"}}) {
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

}  // namespace
}  // namespace holdfast
