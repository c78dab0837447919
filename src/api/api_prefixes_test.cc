#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "base/clock.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ApiPrefixes, ConnectionsAndClosesOfTheWindowAreCounted) {
    FakeControlPlane gateway;
    gateway.lives.resize(2);
    for (ClosedLife& life : gateway.lives) life.peer = parse_endpoint("10.3.0.1:1").value();
    gateway.lives[0].at = SystemClock().wall();
    gateway.lives[0].reason = CloseReason::peer_reset;
    gateway.lives[1].at = SystemClock().wall() - std::chrono::hours(1);
    Api api(gateway, {});
    const auto answer = api.answer({"GET", "/v1/prefixes?peer=10.0.0.0/8"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, StartsWith(R"({"peer":"10.0.0.0/8","closed_since":")"));
    EXPECT_THAT(
        answer.body,
        HasSubstr(
            R"("total":2,"connections":1,"suspects":0,"closed":1,"reasons":{"peer_reset":1},"prefixes":[{"prefix":"10.3.0.0/16","connections":0,"suspects":0,"closed":1,"reasons":{"peer_reset":1}},{"prefix":"10.2.0.0/16","connections":1,"suspects":0,"closed":0,"reasons":{}}]})"));
    EXPECT_THAT(api.answer({"GET", "/v1/prefixes?window=2h&limit=1"}).body,
                HasSubstr(R"("total":2,"connections":1,"suspects":0,"closed":2,)"));
    EXPECT_EQ(api.answer({"GET", "/v1/prefixes?peer=10.0.0.0/99"}).status, 400);
}

}  // namespace
}  // namespace holdfast
