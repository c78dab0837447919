#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "cli/verbs.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

class ClientDrain : public testing::Test {
protected:
    void SetUp() override {
        auto started = AdminServer::start("127.0.0.1:0", gateway_, {});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
    }
    int run(std::vector<std::string> words) {
        words.insert(words.begin(), {"holdfast", "drain"});
        words.insert(words.end(), {"--admin", to_string(server_->address())});
        std::vector<const char*> line;
        for (const std::string& word : words) line.push_back(word.c_str());
        Verb root{.name = "holdfast", .help = "", .parts = {make_drain_verb()}};
        const Command command = read_command_line(root, static_cast<int>(line.size()), line.data());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int code = command.verb->run();
        out_ = testing::internal::GetCapturedStdout();
        err_ = testing::internal::GetCapturedStderr();
        return code;
    }

    FakeControlPlane gateway_;
    std::unique_ptr<AdminServer> server_;
    std::string out_;
    std::string err_;
};

TEST_F(ClientDrain, HandsItsFlagsOn) {
    EXPECT_EQ(run({"--over", "90s", "--peer", "10.2.0.0/16", "--listener", "devices", "--no-goodbye"}), 0);
    const DrainOrder& order = gateway_.now.drain->order;
    EXPECT_EQ(order.over, 90s);
    EXPECT_EQ(order.peer, parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(order.listener, "devices");
    EXPECT_FALSE(order.goodbye);
    EXPECT_EQ(order.come_back, ComeBack::at_once);
    EXPECT_THAT(out_, HasSubstr("10.2.0.0/16, listener devices over 90s"));
}

TEST_F(ClientDrain, OfAllTakesTheGatewayOutOfService) {
    EXPECT_EQ(run({}), 0);
    EXPECT_EQ(gateway_.now.drain->order.over, 2min);
    EXPECT_EQ(gateway_.now.drain->order.come_back, ComeBack::later);
    EXPECT_THAT(out_, HasSubstr("out of service"));
    gateway_.now.drain->found = 12'345;
    gateway_.now.drain->ended = 345;
    EXPECT_EQ(run({"--status"}), 0);
    EXPECT_THAT(out_, StartsWith("running: all over 2m; 345 of 12,345 ended, 0 had gone, 12,000 left\n"));
    EXPECT_EQ(run({"--cancel"}), 0);
    EXPECT_THAT(out_, StartsWith("cancelled: "));
    EXPECT_FALSE(gateway_.now.out_of_service);
}

TEST_F(ClientDrain, WhatIsWrongIsSaid) {
    EXPECT_EQ(run({"--status"}), 1);
    EXPECT_THAT(err_, HasSubstr("nothing was drained"));
    EXPECT_EQ(run({"--over", "soon"}), 2);
    EXPECT_THAT(err_, HasSubstr("over=\"soon\" is not a time"));
    EXPECT_EQ(run({"--cancel", "--status"}), 2);
    gateway_.now.draining = true;
    EXPECT_EQ(run({}), 1);
    EXPECT_THAT(err_, HasSubstr("stopping"));
}

}  // namespace
}  // namespace holdfast
