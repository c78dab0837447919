#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(LeftOver, AHalfClosedConnectionKeepsNoUnfinishedBytes) {
    ServerConfig config;
    config.reactors = 1;
    config.listeners[0].address = "127.0.0.1:0";
    config.listeners[0].half_close = 1h;
    TestGateway gateway(config);
    TestDevice device(gateway.bound("devices"));
    gateway.send_and_see(device, "10.0.0.1");
    const std::string unfinished = "{\"ip\":\"" + std::string(30'000, 'x');
    device.send_raw(unfinished);
    const auto held = [&] { return gateway.server().status().buffer_bytes; };
    EXPECT_TRUE(comes_true([&] { return held() >= unfinished.size(); }));
    device.end_sending();
    EXPECT_TRUE(comes_true([&] { return held() == 0; }));
    EXPECT_EQ(gateway.status("devices").connections, 1U);
    EXPECT_EQ(gateway.server().close_all(Prefix{}), 1U);
    EXPECT_TRUE(comes_true([&] { return gateway.server().closed({}).size() == 1; }));
    EXPECT_THAT(gateway.server().closed({}).front().detail,
                HasSubstr("an unfinished item of 30007 bytes was left over"));
    EXPECT_EQ(gateway.status("devices").unfinished_items, 1U);
    EXPECT_EQ(gateway.status("devices").left_over_bytes, unfinished.size());
}

}  // namespace
}  // namespace holdfast
