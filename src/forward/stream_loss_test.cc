#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/forwarding.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

/// Returns the numbers of the items in the stream, each once.
std::set<std::string> bodies_in(const RealServer& server) {
    std::set<std::string> found;
    for (const auto& message : StreamView(server.url()).messages()) found.insert(message.body);
    return found;
}

class ForwardingLoss : public Forwarding {
protected:
    [[nodiscard]] bool has_all() {
        return comes_true([this] { return bodies_in(server_).size() == static_cast<std::size_t>(added_); });
    }
    void expect_one_loss(const char* words) {
        EXPECT_TRUE(has_all()) << bodies_in(server_).size() << " of " << added_ << ": " << forwarder_->status().error;
        const ForwarderStatus status = forwarder_->status();
        EXPECT_EQ(status.losses, 1U);
        EXPECT_THAT(status.loss, HasSubstr(words));
        EXPECT_EQ(status.false_duplicates, 0U);
        EXPECT_EQ(status.rival, "");
    }
    void restart(ForwarderOptions options = {}) {
        forwarder_.reset();
        spool_.begin_epoch(0);
        start(std::move(options));
    }
};

TEST_F(ForwardingLoss, APurgeIsNoticedWhileItRunsAndAllIsPublishedAgain) {
    start();
    add(50);
    ASSERT_TRUE(all_published());
    const StreamView view(server_.url());
    ASSERT_EQ(js_PurgeStream(view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    expect_one_loss(
        "was emptied up to sequence 50 (a purge), although no limit required it: events 1 to 50 "
        "are published again from the spool");
    add(10);
    ASSERT_TRUE(has_all());
    EXPECT_EQ(view.size(), 60U);
}

TEST_F(ForwardingLoss, AStreamThatIsDeletedWhileTheGatewayIsDown) {
    start();
    add(50);
    ASSERT_TRUE(all_published());
    forwarder_.reset();
    ASSERT_EQ(js_DeleteStream(StreamView(server_.url()).jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    restart();
    expect_one_loss("was deleted and recreated");
    restart();
    add(1);
    ASSERT_TRUE(has_all());
    EXPECT_EQ(forwarder_->status().losses, 0U) << "it was remembered";
}

TEST_F(ForwardingLoss, WhatRetentionRemovedFromTheSpoolIsNamed) {
    start();
    add(50);
    ASSERT_TRUE(all_published());
    forwarder_.reset();
    spool_.forget_up_to(20);
    ASSERT_EQ(js_DeleteStream(StreamView(server_.url()).jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    restart();
    ASSERT_TRUE(comes_true([this] { return bodies_in(server_).size() == 30; })) << forwarder_->status().error;
    EXPECT_THAT(forwarder_->status().loss, HasSubstr("events 21 to 50 are published again from the spool; events up to "
                                                     "20 were removed from the spool"));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(forwarder_->status().losses, 1U);
}

TEST_F(ForwardingLoss, AnotherStreamThatTakesTheSubjectsIsNotBelieved) {
    start();
    add(5);
    ASSERT_TRUE(all_published());
    const StreamView view(server_.url());
    const char* subjects[] = {"holdfast.>"};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = "foreign";
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    // A check of the forwarder in between may recreate its stream.
    ASSERT_TRUE(comes_true([&] {
        static_cast<void>(js_DeleteStream(view.jetstream(), "holdfast", nullptr, nullptr));
        return js_AddStream(nullptr, view.jetstream(), &config, nullptr, nullptr) == NATS_OK;
    }));
    add(5);
    ASSERT_TRUE(comes_true([this] { return forwarder_->status().foreign_acks > 0; }));
    ASSERT_TRUE(comes_true([this] { return !forwarder_->status().error.empty(); }));
    EXPECT_EQ(forwarder_->status().published, 5U);
    EXPECT_EQ(view.size("foreign"), 0U);
    ASSERT_EQ(js_DeleteStream(view.jetstream(), "foreign", nullptr, nullptr), NATS_OK);
    expect_one_loss("was deleted and recreated");
}

TEST_F(ForwardingLoss, AForeignAnswerIsCountedAndTheRightOneIsTaken) {
    const StreamView view(server_.url());
    natsConnection* stranger = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&stranger, server_.url().c_str()), NATS_OK);
    natsSubscription* subscription = nullptr;
    ASSERT_EQ(natsConnection_Subscribe(
                  &subscription, stranger, "holdfast.>",
                  [](natsConnection* client, natsSubscription*, natsMsg* message, void*) {
                      natsConnection_PublishString(client, natsMsg_GetReply(message), "+OK");
                      natsMsg_Destroy(message);
                  },
                  nullptr),
              NATS_OK);
    natsConnection_Flush(stranger);
    start();
    add(20);
    ASSERT_TRUE(all_published());
    EXPECT_TRUE(comes_true([this] { return forwarder_->status().foreign_acks == 20; }));
    EXPECT_EQ(forwarder_->status().retries, 0U);
    EXPECT_EQ(view.size(), 20U);
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(stranger);
}

TEST_F(ForwardingLoss, ACopyOfTheProcessWithTheSameEpochCostsNothing) {
    FakeSpool other;
    for (FakeSpool* spool : {&spool_, &other}) spool->begin_epoch(0xabc);
    for (int i = 0; i < 10; ++i)
        other.add("devices", R"({"event":"item","key":"other","n":)" + std::to_string(i) + "}");
    auto link = NatsLink::open({.url = server_.url(), .fresh = true, .name = "copy"});
    ASSERT_TRUE(link);
    const auto copy = std::make_unique<Forwarder>(other, *link.value(), ForwarderOptions{});
    ASSERT_TRUE(comes_true([&] { return copy->status().published == 10; }));
    start();
    add(10);
    ASSERT_TRUE(all_published()) << forwarder_->status().error;
    EXPECT_EQ(StreamView(server_.url()).size(), 20U);
    EXPECT_GE(forwarder_->status().false_duplicates, 1U);
    EXPECT_THAT(forwarder_->status().rival, HasSubstr("never sent"));
}

TEST_F(ForwardingLoss, ARestoredSnapshotIsNoticedAtSetUp) {
    spool_.begin_epoch(1);
    add(10);
    start();
    ASSERT_TRUE(all_published());
    ASSERT_TRUE(comes_true([this] { return spool_.position("nats") == 10; }));
    const std::string memo = spool_.groups()[0].memo;
    spool_.begin_epoch(2);
    restart();
    spool_.begin_epoch(2);
    add(10);
    ASSERT_TRUE(all_published());
    forwarder_.reset();
    spool_.roll_back(10);
    ASSERT_EQ(spool_.set_position("nats", 10, memo), std::nullopt);
    spool_.begin_epoch(3);
    added_ = 10;
    start();
    ASSERT_TRUE(comes_true([this] { return !forwarder_->status().rival.empty(); }));
    EXPECT_THAT(forwarder_->status().rival, HasSubstr("holds event 20 of spool 0123456789abcdef (epoch "
                                                      "0000000000000002), and this spool ends at position 10"));
    add(10);
    ASSERT_TRUE(all_published());
    EXPECT_EQ(StreamView(server_.url()).size(), 30U);
}

TEST_F(ForwardingLoss, ALimitOfMessagesOfASubjectIsRefusedWhileItRuns) {
    start();
    add(5);
    ASSERT_TRUE(all_published());
    const StreamView view(server_.url());
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    info->Config->MaxMsgsPerSubject = 3;
    info->Config->MaxMsgs = 10'000;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    ASSERT_TRUE(comes_true([this] { return !forwarder_->status().error.empty(); }));
    EXPECT_THAT(forwarder_->status().error, HasSubstr("keeps only 3 of a subject (max_msgs_per_subject)"));
    add(5);
    info->Config->MaxMsgsPerSubject = -1;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    jsStreamInfo_Destroy(info);
    ASSERT_TRUE(all_published()) << forwarder_->status().error;
    EXPECT_THAT(forwarder_->status().warning, HasSubstr("(discard old, max_msgs 10000)"));
    EXPECT_TRUE(comes_true([this] { return recovered_ == 1; }));
}

TEST_F(ForwardingLoss, AFullStreamThatDiscardsNewIsSaid) {
    start();
    ASSERT_TRUE(comes_true([&] { return !forwarder_->status().guarantee.empty(); })) << troubles();
    const StreamView view(server_.url());
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    info->Config->MaxMsgs = 5;
    info->Config->Discard = js_DiscardNew;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    add(10);
    ASSERT_TRUE(comes_true([this] { return !forwarder_->status().error.empty(); }));
    EXPECT_THAT(forwarder_->status().error, HasSubstr("the stream is full and refuses new events (discard new)"));
    EXPECT_EQ(forwarder_->status().published, 5U);
    ASSERT_TRUE(comes_true([this] { return !forwarder_->status().warning.empty(); }));
    EXPECT_THAT(forwarder_->status().warning, HasSubstr("(discard new, max_msgs 5)"));
    info->Config->MaxMsgs = -1;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    jsStreamInfo_Destroy(info);
    ASSERT_TRUE(all_published()) << forwarder_->status().error;
    // The stream holds each event once. A refused event follows those that were in flight when the limit was lifted.
    EXPECT_EQ(bodies_in(server_).size(), 10U);
    EXPECT_EQ(view.size(), 10U);
}

TEST(ForwardingWithoutRights, EachIsNamed) {
    RealServer server({}, R"(authorization { users: [
        { user: all, password: p },
        { user: mute, password: p, permissions: { publish: { deny: "holdfast.devices.item.k3" } } },
        { user: blind, password: p, permissions: { publish: { deny: "$JS.API.STREAM.MSG.GET.>" } } },
        { user: deaf, password: p, permissions: { subscribe: { deny: "_INBOX.>" } } },
        { user: none, password: p, permissions: { publish: { deny: "$JS.API.>" } } } ] })");
    const auto error_of = [&](const std::string& user, bool warns) {
        FakeSpool spool("00000000000000" + std::to_string(user.size()) + (warns ? "1" : "0"));
        auto link = NatsLink::open({.url = "nats://" + user + ":p@" + server.url().substr(7), .fresh = true});
        EXPECT_TRUE(link);
        spool.add("devices", item(1));
        spool.add("devices", item(3));
        ForwarderOptions options;
        options.ack_timeout = std::chrono::milliseconds(500);
        auto forwarder = std::make_unique<Forwarder>(spool, *link.value(), options);
        std::string text;
        EXPECT_TRUE(comes_true([&] {
            text = warns ? forwarder->status().warning : forwarder->status().error;
            return !text.empty();
        })) << user;
        return text;
    };
    EXPECT_THAT(error_of("mute", false), HasSubstr("ermissions Violation for Publish to"));
    EXPECT_THAT(error_of("mute", false), HasSubstr("holdfast.devices.item.k3"));
    EXPECT_THAT(error_of("none", false), HasSubstr("$JS.API.STREAM.INFO.holdfast"));
    EXPECT_THAT(error_of("deaf", false), HasSubstr("_INBOX"));
}

}  // namespace
}  // namespace holdfast
