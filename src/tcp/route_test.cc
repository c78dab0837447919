#include "tcp/route.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(RouteTable, LoopbackIsReachedOverAnInterfaceThatIsUp) {
    RouteTable table;
    for (const char* address : {"127.0.0.1", "127.8.9.10"}) {
        const auto route = table.route_to(parse_ip_address(address).value());
        ASSERT_TRUE(route);
        EXPECT_EQ(route->error, 0) << address;
        const auto interface = table.interface(route->interface);
        ASSERT_TRUE(interface);
        EXPECT_EQ(interface->name, "lo");
        EXPECT_TRUE(interface->up);
        EXPECT_TRUE(interface->carrier);
    }
}

TEST(RouteTable, AnAddressThatNoRouteLeadsTo) {
    RouteTable table;
    const auto route = table.route_to(parse_ip_address("255.255.255.254").value());
    ASSERT_TRUE(route);
    if (route->interface == 0) EXPECT_NE(route->error, 0);
    // The documentation prefix may match a default route, so both answers are valid.
    const auto six = table.route_to(parse_ip_address("2001:db8::1").value());
    ASSERT_TRUE(six);
    EXPECT_TRUE(six->error != 0 || six->interface != 0);
}

TEST(RouteTable, AnInterfaceThatIsNotThere) {
    RouteTable table;
    EXPECT_FALSE(table.interface(1'000'000));
    EXPECT_TRUE(table.route_to(parse_ip_address("127.0.0.1").value())) << "an error answers its own question only";
}

}  // namespace
}  // namespace holdfast
