#include "load/target_guard.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Endpoint target(const char* text) { return parse_endpoint(text).value(); }

TEST(TargetGuard, OwnGround) {
    for (const char* text : {"127.0.0.1:1", "127.255.255.255:1", "10.0.0.1:7000", "172.16.0.1:1", "172.31.255.255:1",
                             "192.168.1.1:1", "169.254.1.1:1", "[::1]:1", "[fd00::1]:1", "[fe80::1]:1"}) {
        EXPECT_TRUE(check_target(target(text), false).ok()) << text;
    }
}

TEST(TargetGuard, Strangers) {
    for (const char* text :
         {"8.8.8.8:1", "126.255.255.255:1", "128.0.0.1:1", "11.0.0.1:1", "9.255.255.255:1", "172.15.255.255:1",
          "172.32.0.1:1", "192.167.255.255:1", "192.169.0.0:1", "[2001:db8::1]:1", "[::2]:1", "[fec0::1]:1"}) {
        EXPECT_FALSE(check_target(target(text), false).ok()) << text;
        EXPECT_TRUE(check_target(target(text), true).ok()) << text;
    }
}

TEST(TargetGuard, APortIsNeeded) { EXPECT_FALSE(check_target(target("127.0.0.1:0"), true).ok()); }

}  // namespace
}  // namespace holdfast
