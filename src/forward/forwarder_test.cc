#include "forward/forwarder.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forward/ack_inbox.h"
#include "testing/fake_spool.h"
#include "testing/forwarding.h"
#include "testing/nats_server.h"
#include "testing/stream_view.h"
#include "testing/test_spool.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST_F(Forwarding, PublishesInOrderAndRemembersWhereItIs) {
    add(500);
    start();
    ASSERT_TRUE(all_published()) << troubles();
    add(500);
    ASSERT_TRUE(all_published()) << troubles();
    EXPECT_TRUE(comes_true([&] { return spool_.position("nats") == 1'000; }));
    expect_whole_stream();
    const ForwarderStatus status = forwarder_->status();
    EXPECT_EQ(status.lag_events, 0U);
    EXPECT_EQ(status.lag.count(), 0);
    EXPECT_EQ(status.retries, 0U);
    EXPECT_EQ(status.error, "");
    EXPECT_TRUE(status.connected);
    EXPECT_EQ(status.server, server_.url());
    EXPECT_THAT(status.guarantee, HasSubstr("the files of one server (nats-server 2."));
    EXPECT_EQ(troubles(), "");
}

TEST_F(Forwarding, TheStreamHasTheDocumentedSettings) {
    start();
    const StreamView view(server_.url());
    ASSERT_TRUE(comes_true([&] { return !forwarder_->status().guarantee.empty(); })) << troubles();
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    EXPECT_EQ(info->Config->Storage, js_FileStorage);
    EXPECT_EQ(info->Config->Retention, js_LimitsPolicy);
    EXPECT_EQ(info->Config->Discard, js_DiscardOld);
    EXPECT_EQ(info->Config->Replicas, 1);
    EXPECT_EQ(info->Config->Duplicates, 120'000'000'000);
    EXPECT_EQ(info->Config->MaxAge, 7 * 24 * 3'600'000'000'000);
    EXPECT_EQ(info->Config->SubjectsLen, 5);
    jsStreamInfo_Destroy(info);
}

TEST_F(Forwarding, ACrashOfTheServerLosesAndDoublesNothing) {
    start();
    for (int round = 0; round < 3; ++round) {
        add(400);
        ASSERT_TRUE(comes_true([&] { return forwarder_->status().published > static_cast<Position>(added_) - 390; }));
        server_.kill();
        add(400);
        server_.start();
        ASSERT_TRUE(all_published()) << forwarder_->status().error;
    }
    expect_whole_stream();
    EXPECT_GE(forwarder_->status().reconnects, 3U);
}

TEST_F(Forwarding, AnOutageIsLagAndTroubleAndThenNothing) {
    start();
    add(10);
    ASSERT_TRUE(all_published()) << troubles();
    server_.kill();
    add(300);
    ASSERT_TRUE(comes_true([&] { return !forwarder_->status().error.empty(); }));
    const ForwarderStatus away = forwarder_->status();
    EXPECT_EQ(away.lag_events, 300U);
    EXPECT_GT(away.lag.count(), 0);
    EXPECT_FALSE(away.connected);
    EXPECT_THAT(away.error, HasSubstr("no connection to NATS at "));
    server_.start();
    ASSERT_TRUE(all_published());
    EXPECT_TRUE(comes_true([&] { return recovered_ == 1; }));
    EXPECT_EQ(forwarder_->status().error, "");
    EXPECT_EQ(forwarder_->status().lag.count(), 0);
    expect_whole_stream();
}

TEST_F(Forwarding, AServerThatStandsStillIsSurvived) {
    start();
    add(100);
    ASSERT_TRUE(all_published());
    server_.pause();
    add(500);
    EXPECT_TRUE(comes_true([&] { return !forwarder_->status().error.empty(); }));
    server_.resume();
    ASSERT_TRUE(all_published()) << forwarder_->status().error;
    expect_whole_stream();
}

TEST_F(Forwarding, ContinuesAfterTheSavedPosition) {
    add(100);
    ASSERT_EQ(spool_.set_position("nats", 60), std::nullopt);
    start();
    ASSERT_TRUE(all_published());
    const auto messages = StreamView(server_.url()).messages();
    ASSERT_EQ(messages.size(), 40U);
    EXPECT_EQ(messages[0].position, "61");
}

TEST_F(Forwarding, WhatIsSentAgainAfterARestartIsKnown) {
    add(100);
    start();
    ASSERT_TRUE(all_published());
    forwarder_.reset();
    spool_.begin_epoch(0);
    ASSERT_EQ(spool_.set_position("nats", 30), std::nullopt);  // as after a crash before the save
    start();
    ASSERT_TRUE(all_published());
    EXPECT_EQ(forwarder_->status().duplicates, 70U);
    expect_whole_stream();
}

TEST_F(Forwarding, DamagedEventsAreSkippedAndReported) {
    add(100);
    spool_.lose(11, 20);
    spool_.lose(91, 100);
    start();
    ASSERT_TRUE(all_published());
    EXPECT_EQ(StreamView(server_.url()).size(), 80U);
    EXPECT_EQ(skipped_, 20U);
    EXPECT_TRUE(comes_true([&] { return spool_.position("nats") == 100; }));
}

TEST_F(Forwarding, BatchesHoldEveryEventOnceInOrder) {
    ForwarderOptions options;
    options.batch = 64;
    start(options);
    add(1'000);
    ASSERT_TRUE(comes_true([&] { return forwarder_->status().published > 0; }));
    server_.kill();
    server_.start();
    add(1'000);
    ASSERT_TRUE(all_published());
    std::string lines;
    for (const auto& message : StreamView(server_.url()).messages()) {
        EXPECT_EQ(message.subject, "holdfast.batch.0123456789abcdef");
        EXPECT_LE(std::stoi(message.events), 64);
        lines += message.body;
    }
    std::string expected;
    for (int i = 1; i <= added_; ++i) expected += item(i) + '\n';
    EXPECT_EQ(lines, expected);
}

TEST_F(Forwarding, AWindowOfOneWorks) {
    ForwarderOptions options;
    options.window = 1;
    start(options);
    add(50);
    ASSERT_TRUE(all_published());
    expect_whole_stream();
}

/// Replaces JetStream for messages that the server's mapping sends here. Acknowledges messages with the id `stored` as
/// stored, and all others as duplicates with sequence 0.
class FormerLeader {
public:
    FormerLeader(const std::string& url, std::string stored) : stored_(std::move(stored)) {
        natsConnection_ConnectTo(&client_, url.c_str());
        natsConnection_Subscribe(&subscription_, client_, "former.leader", on_message, this);
        natsConnection_Flush(client_);
    }
    ~FormerLeader() {
        natsSubscription_Destroy(subscription_);
        natsConnection_Destroy(client_);  // waits for the callback
    }
    FormerLeader(const FormerLeader&) = delete;
    FormerLeader& operator=(const FormerLeader&) = delete;

    [[nodiscard]] std::vector<std::string> ids() {
        const std::lock_guard lock(mutex_);
        return ids_;
    }

private:
    static void on_message(natsConnection* client, natsSubscription*, natsMsg* message, void* self) {
        FormerLeader& leader = *static_cast<FormerLeader*>(self);
        const char* id = nullptr;
        natsMsgHeader_Get(message, "Nats-Msg-Id", &id);
        const std::lock_guard lock(leader.mutex_);
        leader.ids_.emplace_back(id);
        const bool staged = leader.ids_.back() != leader.stored_;
        natsConnection_PublishString(
            client, natsMsg_GetReply(message),
            staged ? R"({"stream":"holdfast", "seq":0,"duplicate": true})" : R"({"stream":"holdfast", "seq":1000})");
        natsMsg_Destroy(message);
    }

    natsConnection* client_ = nullptr;
    natsSubscription* subscription_ = nullptr;
    const std::string stored_;
    std::mutex mutex_;
    std::vector<std::string> ids_;  // guarded by mutex_
};

TEST(ForwardingThroughALeadersDeath, AnIdWithoutItsMessageDoesNotCountAsStored) {
    RealServer server({}, R"(mappings = { "holdfast.devices.item.k3": "former.leader" })");
    const std::string id = "0123456789abcdef-3";
    FormerLeader leader(server.url(), id + "~2");
    FakeSpool spool;
    auto link = NatsLink::open({.url = server.url(), .fresh = true});
    ASSERT_TRUE(link) << link.error().message;
    for (int n = 1; n <= 5; ++n) spool.add("devices", item(n));
    ForwarderOptions options;
    options.ack_timeout = milliseconds(200);
    const auto forwarder = std::make_unique<Forwarder>(spool, *link.value(), options);
    ASSERT_TRUE(comes_true([&] { return forwarder->status().published == 5; })) << forwarder->status().error;
    auto ids = leader.ids();
    EXPECT_GE(std::count(ids.begin(), ids.end(), id), 2);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());  // an acknowledgement may take longer than 200 ms
    EXPECT_THAT(ids, testing::ElementsAre(id, id + "~1", id + "~2"));
    EXPECT_GE(forwarder->status().retries, 3U);
    const auto messages = StreamView(server.url()).messages();
    EXPECT_EQ(messages.size(), 4U) << "1, 2, 4 and 5, once";
}

TEST(PublishAck, ADuplicateOfNothingIsNone) {
    const auto kind = [](std::string_view body) { return read_publish_ack(body, "s").kind; };
    EXPECT_EQ(kind(R"({"stream":"s","seq":7})"), PublishAck::Kind::stored);
    EXPECT_EQ(kind(R"({"stream":"s","seq":7,"duplicate":true})"), PublishAck::Kind::duplicate);
    EXPECT_EQ(kind(R"({"stream":"s","seq":0,"duplicate":true})"), PublishAck::Kind::staged);
    EXPECT_EQ(kind(R"({"error":{"code":409,"err_code":10158,"description":"in process"},"stream":"s","seq":0})"),
              PublishAck::Kind::staged);
    EXPECT_EQ(kind(R"({"error":{"code":400,"err_code":10054,"description":"message size"}})"), PublishAck::Kind::unfit);
    EXPECT_EQ(kind(R"({"error":{"code":503,"err_code":10077,"description":"full"}})"), PublishAck::Kind::refused);
}

TEST_F(Forwarding, AStreamThatIsWrongIsSaidAndTriedAgain) {
    const StreamView view(server_.url());
    const char* subjects[] = {"holdfast.>"};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = "holdfast";
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_MemoryStorage;
    ASSERT_EQ(js_AddStream(nullptr, view.jetstream(), &config, nullptr, nullptr), NATS_OK);
    add(5);
    start();
    ASSERT_TRUE(comes_true([&] { return !troubles().empty(); }));
    EXPECT_THAT(forwarder_->status().error, HasSubstr("is kept in memory"));
    EXPECT_EQ(forwarder_->status().lag_events, 5U);
    ASSERT_EQ(js_DeleteStream(view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    ASSERT_TRUE(all_published()) << forwarder_->status().error;
    EXPECT_TRUE(comes_true([&] { return recovered_ == 1; }));
}

TEST_F(Forwarding, ADeletedStreamIsCreatedAgain) {
    start();
    add(5);
    ASSERT_TRUE(all_published());
    const StreamView view(server_.url());
    ASSERT_EQ(js_DeleteStream(view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    add(5);
    ASSERT_TRUE(comes_true([&] { return view.size() == 10; })) << forwarder_->status().error;
    EXPECT_EQ(forwarder_->status().losses, 1U);
}

TEST_F(Forwarding, StopPublishesWhatThereIs) {
    start();
    add(2'000);
    forwarder_->stop(std::chrono::seconds(20));
    EXPECT_EQ(spool_.position("nats"), 2'000U);
    expect_whole_stream();
}

TEST_F(Forwarding, StopWithoutAServerDoesNotWait) {
    server_.kill();
    start();
    add(10);
    const auto before = std::chrono::steady_clock::now();
    forwarder_->stop(std::chrono::seconds(30));
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
    EXPECT_EQ(forwarder_->status().lag_events, 10U);
}

TEST(ForwardingFromDisk, EveryEventAcrossRestartsOfEverything) {
    const TemporaryDirectory directory;
    RealServer server;
    std::uint64_t added = 0;
    for (int round = 0; round < 3; ++round) {
        SpoolOptions options;
        options.directory = directory.in("spool");
        options.required_groups = {"nats"};
        const auto spool = open_spool(options);
        auto link = NatsLink::open({.url = server.url(), .fresh = true});
        ASSERT_TRUE(link) << link.error().message;
        const auto forwarder = std::make_unique<Forwarder>(*spool, *link.value(), ForwarderOptions{});
        for (int i = 0; i < 300; ++i) {
            SpoolBatch batch;
            for (int j = 0; j < 10; ++j) batch.lines += item(static_cast<int>(++added)) + '\n';
            batch.events = 10;
            batch.listeners = {{"devices", 10}};
            spool->append(std::move(batch));
            if (i == 100) server.kill();
            if (i == 200) server.start();
        }
        if (round == 1) continue;  // the next forwarder continues
        ASSERT_TRUE(comes_true([&] { return forwarder->status().published == added; })) << forwarder->status().error;
        EXPECT_EQ(forwarder->status().lag_events, 0U);
    }
    const auto messages = StreamView(server.url()).messages();
    ASSERT_EQ(messages.size(), added);
    for (std::uint64_t i = 0; i < added; ++i) {
        ASSERT_EQ(messages[i].position, std::to_string(i + 1));
        ASSERT_EQ(messages[i].body, item(static_cast<int>(i + 1)));
    }
}

}  // namespace
}  // namespace holdfast
