#include "admin/query.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

std::string complaint_about_list(std::string_view query) {
    const RequestTarget target = parse_request_target("/?" + std::string(query)).value();
    QueryReader reader(target);
    (void)read_connection_query(reader);
    return reader.finish().value_or("");
}

ConnectionQuery list_query(std::string_view query) {
    const RequestTarget target = parse_request_target("/?" + std::string(query)).value();
    QueryReader reader(target);
    const ConnectionQuery read = read_connection_query(reader);
    EXPECT_EQ(reader.finish(), std::nullopt);
    return read;
}

TEST(Query, ReadsAllOfAConnectionQuery) {
    const ConnectionQuery read = list_query("peer=10.2.0.0/16&key=k&listener=l&sort=items&limit=5&offset=10");
    EXPECT_EQ(read.peer, parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(read.key, "k");
    EXPECT_EQ(read.listener, "l");
    EXPECT_EQ(read.sort, ConnectionSort::items);
    EXPECT_FALSE(read.reverse);
    EXPECT_EQ(read.limit, 5U);
    EXPECT_EQ(read.offset, 10U);
    const ConnectionQuery plain = list_query("");
    EXPECT_EQ(plain.limit, 100U);
    EXPECT_EQ(plain.sort, ConnectionSort::age);
    EXPECT_FALSE(plain.peer || plain.key || plain.listener);
}

TEST(Query, OrderIsThatOfTheValues) {
    EXPECT_FALSE(list_query("sort=items&order=desc").reverse);
    EXPECT_TRUE(list_query("sort=items&order=asc").reverse);
    EXPECT_FALSE(list_query("sort=peer&order=asc").reverse);
    EXPECT_TRUE(list_query("sort=peer&order=desc").reverse);
    EXPECT_TRUE(list_query("sort=key&order=desc").reverse);
}

TEST(Query, NamesTheValueAtFaultAndWhatIsAllowed) {
    EXPECT_EQ(complaint_about_list("limit=-1"), "limit=\"-1\" is not a whole number from 0 to 10000");
    EXPECT_EQ(complaint_about_list("limit=10001"), "limit=\"10001\" is not a whole number from 0 to 10000");
    EXPECT_EQ(complaint_about_list("sort=colour"),
              "sort=\"colour\" is not a sort; allowed are age, idle, items, bytes_in, bytes_out, peer, key");
    EXPECT_EQ(complaint_about_list("order=up"), "order=\"up\" is not an order; allowed are asc, desc");
    EXPECT_EQ(complaint_about_list("colour=red"),
              "there is no query parameter \"colour\" here; allowed are peer, key, id, listener, suspect, sort, order, "
              "limit, offset");
    EXPECT_EQ(complaint_about_list("key=a&key=b"), "key=\"b\" is given twice: give it once");
    EXPECT_TRUE(complaint_about_list("peer=10.2.0.1/16").starts_with("peer=\"10.2.0.1/16\" is not a prefix ("));
}

TEST(Query, RefusesNumbersThatAreNot) {
    for (const char* number : {"", "1x", "%2B1", "0x10", "1e3", "99999999999999999999999", "-0", "1.0", "%201"}) {
        EXPECT_NE(complaint_about_list("offset=" + std::string(number)), "") << number;
    }
    EXPECT_EQ(list_query("offset=18446744073709551615").offset, 18446744073709551615U);
    EXPECT_EQ(list_query("limit=0").limit, 0U);
}

TEST(Query, ReadsAClosedQuery) {
    const RequestTarget target = parse_request_target("/?reason=peer_reset&peer=::1&limit=2&offset=3").value();
    QueryReader reader(target);
    const ClosedQuery read = read_closed_query(reader);
    EXPECT_EQ(reader.finish(), std::nullopt);
    EXPECT_EQ(read.reason, CloseReason::peer_reset);
    EXPECT_EQ(read.peer, parse_prefix("::1").value());
    EXPECT_EQ(read.limit, 2U);
    EXPECT_EQ(read.offset, 3U);

    const RequestTarget wrong = parse_request_target("/?reason=timeout").value();
    QueryReader complaining(wrong);
    (void)read_closed_query(complaining);
    const std::string message = complaining.finish().value_or("");
    EXPECT_TRUE(message.starts_with("reason=\"timeout\" is not a reason; allowed are peer_closed, peer_reset,"))
        << message;
}

TEST(Query, TimeoutsHaveBounds) {
    const auto read = [](std::string_view value) {
        const RequestTarget target = parse_request_target("/?timeout=" + std::string(value)).value();
        QueryReader reader(target);
        const auto timeout = reader.timeout("timeout");
        return reader.finish() ? 0ms : timeout;
    };
    EXPECT_EQ(read("500ms"), 500ms);
    EXPECT_EQ(read("30s"), 30s);
    for (const char* wrong : {"31s", "0s", "3", "-1s", "", "1h"}) EXPECT_EQ(read(wrong), 0ms) << wrong;
}

TEST(Query, FlagsAreTrueOrFalse) {
    const RequestTarget target = parse_request_target("/?a=true&b=false&c=1").value();
    QueryReader reader(target);
    EXPECT_TRUE(reader.flag("a"));
    EXPECT_FALSE(reader.flag("b"));
    EXPECT_FALSE(reader.flag("d"));
    (void)reader.flag("c");
    EXPECT_EQ(reader.finish(), "c=\"1\" is neither true nor false");
}

TEST(Query, AParameterWhereNoneIsTakenIsAnError) {
    const RequestTarget target = parse_request_target("/?x=1").value();
    EXPECT_EQ(QueryReader(target).finish(), "no query parameter is taken here, and there is \"x\"");
}

}  // namespace
}  // namespace holdfast
