#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/forwarding.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

std::string large_item(std::size_t size) {
    return R"({"event":"item","conn":"1-1","peer":"x","id":"d","n":9,"key":"k","item":")" + std::string(size, 'a') +
           R"(","at":"2026"})";
}

TEST_F(Forwarding, AnEventThatIsTooLargeBecomesADeadLetterAndDelaysNone) {
    for (const std::size_t batch : {1U, 16U}) {
        ForwarderOptions options;
        options.batch = batch;
        options.group = "of" + std::to_string(batch);
        options.stream = "stream" + std::to_string(batch);
        options.prefix = "prefix" + std::to_string(batch);
        std::atomic<std::uint64_t> small{0};
        options.largest_event = std::size_t{4} << 20;
        options.on_small_payload = [&small](std::size_t max_payload) { small = max_payload; };
        std::vector<std::string> letters;
        options.on_dead_letter = [&letters](const std::string& what) { letters.push_back(what); };
        const int before = added_;
        add(2);
        spool_.add("devices", large_item(std::size_t{2} << 20));
        ++added_;
        add(2);
        start(std::move(options));
        ASSERT_TRUE(all_published()) << troubles();
        EXPECT_EQ(troubles(), "");
        const ForwarderStatus status = forwarder_->status();
        EXPECT_EQ(status.dead_letters, batch == 1 ? 1U : 2U);  // round 2: the first one is still in the spool
        EXPECT_THAT(status.dead_letter, HasSubstr("raise max_payload there"));
        EXPECT_EQ(status.error, "");
        EXPECT_EQ(small, std::uint64_t{1} << 20);
        forwarder_.reset();
        EXPECT_EQ(letters.size(), status.dead_letters);
        std::string all;
        for (const auto& message : StreamView(server_.url()).messages(("stream" + std::to_string(batch)).c_str()))
            all += message.body + "\n";
        EXPECT_THAT(all, HasSubstr(R"({"event":"dead_letter","of":"item","conn":"1-1","peer":"x","id":"d","n":9,)"
                                   R"("listener":"devices","spool":"0123456789abcdef","position":)" +
                                   std::to_string(before + 3) + R"(,"bytes":20972)"));
        EXPECT_THAT(all, HasSubstr(item(added_)));
    }
}

TEST_F(Forwarding, AnEventTooLargeForTheStreamIsSkippedAndLaterOnesArrive) {
    start();
    add(3);
    ASSERT_TRUE(all_published()) << troubles();
    const StreamView view(server_.url());
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    info->Config->MaxMsgSize = 1'000;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    jsStreamInfo_Destroy(info);
    spool_.add("devices", large_item(5'000));
    ++added_;
    add(200);
    ASSERT_TRUE(all_published()) << troubles();
    EXPECT_EQ(forwarder_->status().dead_letters, 1U);
    EXPECT_THAT(forwarder_->status().dead_letter,
                testing::AnyOf(HasSubstr("exceeds maximum allowed"), HasSubstr("max_msg_size")));
    EXPECT_EQ(troubles(), "");
    const auto messages = view.messages();
    ASSERT_EQ(messages.size(), 204U);
    // When the stream refused an event, it had already stored the events that were sent after it.
    std::set<std::string> positions;
    std::string letter;
    for (const auto& message : messages) {
        positions.insert(message.position);
        if (message.position == "4") letter = message.body;
    }
    EXPECT_EQ(positions.size(), 204U);
    EXPECT_THAT(letter, HasSubstr("dead_letter"));
}

TEST_F(Forwarding, ABatchThatTheStreamFindsTooLargeIsMadeSmaller) {
    const StreamView view(server_.url());
    start();
    ASSERT_TRUE(comes_true([&] { return !forwarder_->status().guarantee.empty(); })) << troubles();
    forwarder_.reset();
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    info->Config->MaxMsgSize = 1'000;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    jsStreamInfo_Destroy(info);
    add(500);
    ForwarderOptions options;
    options.batch = 256;
    start(std::move(options));
    ASSERT_TRUE(all_published()) << troubles();
    EXPECT_EQ(forwarder_->status().dead_letters, 0U);
    EXPECT_EQ(troubles(), "");
}

TEST_F(Forwarding, AnEventWhoseDeadLetterIsTooLargeIsLeftOut) {
    start();
    ASSERT_TRUE(comes_true([&] { return !forwarder_->status().guarantee.empty(); })) << troubles();
    const StreamView view(server_.url());
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, view.jetstream(), "holdfast", nullptr, nullptr), NATS_OK);
    info->Config->MaxMsgSize = 300;
    ASSERT_EQ(js_UpdateStream(nullptr, view.jetstream(), info->Config, nullptr, nullptr), NATS_OK);
    jsStreamInfo_Destroy(info);
    spool_.add("devices", large_item(5'000));
    ++added_;
    add(5);
    ASSERT_TRUE(all_published()) << troubles();
    EXPECT_EQ(forwarder_->status().dead_letters, 1U);
    EXPECT_EQ(view.size(), 5U);
}

}  // namespace
}  // namespace holdfast
