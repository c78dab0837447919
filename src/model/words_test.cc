#include <gtest/gtest.h>

#include <holdfast/events.h>

namespace holdfast {
namespace {

TEST(ConnectionId, TextRoundTrips) {
    for (const ConnectionId id : {ConnectionId{0x7f2c, 1}, ConnectionId{0xffffffff, 0xffffffffffffffff}}) {
        EXPECT_EQ(parse_connection_id(to_string(id)), id);
    }
    EXPECT_EQ(to_string(ConnectionId{0x7f2c, 1}), "7f2c-1");
}

TEST(ConnectionId, RefusesWhatIsNotOne) {
    for (const char* text : {"", "-", "7f2c", "7f2c-", "-1", "7f2c-1x", "7f2c--1", "7f2c-1-1", "100000000-1",
                             "1-10000000000000000", " 7f2c-1"}) {
        EXPECT_EQ(parse_connection_id(text), std::nullopt) << text;
    }
}

}  // namespace

}  // namespace holdfast
