#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ApiDrainTest : public testing::Test {
protected:
    ApiAnswer ask(std::string_view method, std::string_view target, std::string_view body = {}) {
        return api_.answer({method, target, body});
    }
    DrainOrder order_of(std::string_view body) {
        EXPECT_EQ(ask("POST", "/v1/drain", body).status, 202) << body;
        return gateway_.now.drain->order;
    }
    FakeControlPlane gateway_;
    Api api_{gateway_, {}};
};

TEST_F(ApiDrainTest, WithoutABodyEverythingHasItsDefault) {
    const DrainOrder order = order_of("");
    EXPECT_EQ(order.over, 2min);
    EXPECT_TRUE(order.goodbye);
    EXPECT_TRUE(order.is_of_all());
    EXPECT_EQ(order.come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, EveryFieldIsRead) {
    const DrainOrder order =
        order_of(R"({"over":"90s","peer":"10.2.0.0/16","listener":"devices","goodbye":false,"come_back":"later"})");
    EXPECT_EQ(order.over, 90s);
    EXPECT_EQ(to_string(*order.peer), "10.2.0.0/16");
    EXPECT_EQ(order.listener, "devices");
    EXPECT_FALSE(order.goodbye);
    EXPECT_EQ(order.come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, APartIsWelcomeBackAtOnce) {
    EXPECT_EQ(order_of(R"({"peer":"10.2.0.0/16"})").come_back, ComeBack::at_once);
    EXPECT_EQ(order_of(R"({"listener":"a"})").come_back, ComeBack::at_once);
    EXPECT_EQ(order_of(R"({"over":"1s"})").come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, BeginsShowsAndCancels) {
    EXPECT_EQ(ask("GET", "/v1/drain").status, 404);
    EXPECT_EQ(ask("DELETE", "/v1/drain").status, 404);
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    const ApiAnswer begun = ask("POST", "/v1/drain", R"({"over":"90s"})");
    EXPECT_EQ(begun.status, 202);
    EXPECT_EQ(
        begun.body,
        R"({"out_of_service":true,"drain":{"state":"running","began_at":"1970-01-01T00:00:00.000Z","over":"90s","over_ms":90000,"peer":null,"listener":null,"goodbye":true,"come_back":"later","found":0,"ended":0,"gone":0,"left":0}})");
    EXPECT_EQ(ask("GET", "/v1/drain").body, begun.body);
    EXPECT_THAT(ask("GET", "/v1/status").body, HasSubstr(R"("out_of_service":true,"drain":{"state":"running")"));
    EXPECT_EQ(ask("GET", "/readyz").status, 503);
    EXPECT_THAT(ask("GET", "/readyz").body, HasSubstr("\"out_of_service\""));
    EXPECT_EQ(ask("GET", "/healthz").status, 200);
    EXPECT_THAT(ask("DELETE", "/v1/drain").body, HasSubstr(R"("out_of_service":false,"drain":{"state":"cancelled")"));
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
}

TEST_F(ApiDrainTest, RefusesWhatIsWrong) {
    EXPECT_EQ(ask("POST", "/v1/drain", "{\"over\":1}").status, 400);
    EXPECT_EQ(ask("POST", "/v1/drain?over=2m").status, 400);
    gateway_.now.draining = true;
    const ApiAnswer answer = ask("POST", "/v1/drain");
    EXPECT_EQ(answer.status, 409);
    EXPECT_THAT(answer.body, HasSubstr("stopping"));
}

TEST_F(ApiDrainTest, StatusSaysThatNothingWasDrained) {
    EXPECT_THAT(ask("GET", "/v1/status").body, HasSubstr(R"("out_of_service":false,"drain":null)"));
}

}  // namespace
}  // namespace holdfast
