#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/c.h>

#include "capi/durable_events.h"
#include "capi/event_queue.h"
#include "capi/open_questions.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

std::string_view view(const hf_text& text) { return {text.data, text.size}; }

EventBatch batch_of(std::vector<std::string> bodies) {
    EventBatch batch;
    for (const std::string& body : bodies) {
        hf_event event{};
        event.kind = HF_ITEM;
        event.body = batch.keep(body);
        batch.add(event);
    }
    return batch;
}

TEST(EventQueueTest, TextsLiveUntilTheNextCall) {
    EventQueue queue(1000);
    queue.push(batch_of({"a", "b"}));
    queue.push(batch_of({"c", "d"}));
    std::vector<hf_event> events(3);
    ASSERT_EQ(queue.fetch(events.data(), 3, {}), 3);
    queue.push(batch_of({"e"}));
    EXPECT_EQ(view(events[0].body), "a");
    EXPECT_EQ(view(events[1].body), "b");
    EXPECT_EQ(view(events[2].body), "c");
    EXPECT_EQ(queue.waiting().events, 2U);
    ASSERT_EQ(queue.fetch(events.data(), 3, {}), 2);
    EXPECT_EQ(view(events[0].body), "d");
    EXPECT_EQ(view(events[1].body), "e");
    EXPECT_EQ(queue.fetch(events.data(), 3, {}), 0);
    EXPECT_EQ(queue.waiting().bytes, 0U);
}

TEST(EventQueueTest, IsFullUntilItsEventsAreFetched) {
    EventQueue queue(1);
    EXPECT_FALSE(queue.is_full());
    queue.push(batch_of({"a"}));
    EXPECT_TRUE(queue.is_full());
    hf_event event{};
    EXPECT_EQ(queue.fetch(&event, 1, {}), 1);
    EXPECT_FALSE(queue.is_full());
}

TEST(EventQueueTest, EndsBehindItsLastEvent) {
    EventQueue queue(1000);
    queue.push(batch_of({"a"}));
    queue.finish();
    hf_event event{};
    EXPECT_EQ(queue.fetch(&event, 1, std::chrono::milliseconds(-1)), 1);
    EXPECT_EQ(queue.fetch(&event, 1, std::chrono::milliseconds(-1)), HF_ENDED);
}

class CapiTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(config_, nullptr);
        ASSERT_EQ(hf_config_set(config_, "listener.address", "127.0.0.1:0"), HF_SUCCESS);
        ASSERT_EQ(hf_config_set(config_, "reactors", "2"), HF_SUCCESS);
    }
    void TearDown() override {
        hf_server_destroy(server_);
        hf_config_destroy(config_);
    }
    void start() { ASSERT_EQ(hf_server_start(config_, &server_), HF_SUCCESS) << hf_last_error(); }
    [[nodiscard]] std::uint16_t port() const {
        char text[64] = "";
        EXPECT_EQ(hf_server_address(server_, 0, text, sizeof text), HF_SUCCESS);
        const std::string address = text;
        return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    }
    /// Fetches the next event, which must have this kind.
    hf_event next(std::uint32_t kind) {
        hf_event event{};
        EXPECT_EQ(hf_server_wait_events(server_, &event, 1, 60'000), 1);
        EXPECT_EQ(event.kind, kind);
        return event;
    }

    hf_config* config_ = hf_config_create(HF_ABI_VERSION);
    hf_server* server_ = nullptr;
};

TEST_F(CapiTest, PassesTheLifeOfADevice) {
    start();
    RawClient device(port());
    hf_event event = next(HF_CONNECTED);
    EXPECT_EQ(view(event.listener), "devices");
    EXPECT_THAT(std::string(view(event.peer)), HasSubstr("127.0.0.1:"));
    device.send("{\"hello\":{\"id\":\"d-1\"}}\n");
    event = next(HF_IDENTIFIED);
    EXPECT_EQ(view(event.id), "d-1");
    hf_conn found{};
    ASSERT_EQ(hf_server_find(server_, "d-1", &found), HF_SUCCESS);
    EXPECT_EQ(found.number, event.conn.number);
    device.send("{\"ip\":\"10.0.0.1\"}\n{}\n");
    event = next(HF_ITEM);
    EXPECT_EQ(view(event.key), "10.0.0.1");
    EXPECT_EQ(view(event.body), "{\"ip\":\"10.0.0.1\"}");
    EXPECT_EQ(event.number, 1U);
    EXPECT_EQ(view(next(HF_BAD_ITEM).reason), "no_key");
    EXPECT_EQ(hf_server_close(server_, found, 402, "unpaid"), HF_SUCCESS);
    event = next(HF_CLOSED);
    EXPECT_EQ(view(event.reason), "application");
    EXPECT_EQ(view(event.detail), "unpaid");
    EXPECT_EQ(event.code, 402U);
    EXPECT_EQ(hf_server_close(server_, found, 0, nullptr), HF_ERR_NO_CONNECTION);
    EXPECT_EQ(hf_server_find(server_, "d-1", &found), HF_ERR_NO_CONNECTION);
}

TEST_F(CapiTest, SendsProbesAndCounts) {
    start();
    RawClient device(port());
    const hf_conn conn = next(HF_CONNECTED).conn;
    ASSERT_EQ(hf_server_send(server_, conn, "{\"a\":1}", 7), HF_SUCCESS);
    EXPECT_EQ(device.read_until("\n"), "{\"a\":1}\n");
    hf_probe probe{};
    ASSERT_EQ(hf_server_probe(server_, conn, 60'000, &probe), HF_SUCCESS);
    EXPECT_EQ(probe.alive, 1U);
    hf_stats stats{};
    ASSERT_EQ(hf_server_stats(server_, &stats), HF_SUCCESS);
    EXPECT_EQ(stats.connections, 1U);
    EXPECT_EQ(stats.accepted, 1U);
    EXPECT_EQ(stats.bytes_out, 8U);
    const hf_conn none{};
    EXPECT_EQ(hf_server_send(server_, none, "{}", 2), HF_ERR_NO_CONNECTION);
    EXPECT_EQ(hf_server_probe(server_, none, 1, &probe), HF_ERR_NO_CONNECTION);
    EXPECT_THAT(hf_last_error(), HasSubstr("does not exist"));
}

TEST_F(CapiTest, AMessageThatItsLengthFieldCannotStateIsAnError) {
    ASSERT_EQ(hf_config_set(config_, "listener.framing", "length-field"), HF_SUCCESS);
    ASSERT_EQ(hf_config_set(config_, "listener.length_field_width", "1"), HF_SUCCESS);
    ASSERT_EQ(hf_config_set(config_, "listener.length_field_strip", "1"), HF_SUCCESS);
    start();
    RawClient device(port());
    const hf_conn conn = next(HF_CONNECTED).conn;
    const std::string long_json = "{\"a\":\"" + std::string(300, 'x') + "\"}";
    EXPECT_EQ(hf_server_send(server_, conn, long_json.data(), long_json.size()), HF_ERR_UNENCODABLE);
    EXPECT_THAT(hf_last_error(), HasSubstr("; shorten it"));
    ASSERT_EQ(hf_server_send(server_, conn, "{}", 2), HF_SUCCESS);
    EXPECT_EQ(device.read_until("}"), "\x02{}");
}

TEST_F(CapiTest, TheProgramDecidesWhoComesIn) {
    ASSERT_EQ(hf_config_set_authenticate(config_, 0, 1), HF_SUCCESS);
    ASSERT_EQ(hf_config_set_authenticate(config_, 1, 1), HF_ERR_INVALID_ARGUMENT);
    start();
    RawClient device(port());
    device.send("{\"hello\":{\"id\":\"door-1\",\"token\":\"secret\"}}\n");
    hf_event event = next(HF_HELLO);
    EXPECT_EQ(view(event.id), "door-1");
    EXPECT_EQ(view(event.body), "secret");
    EXPECT_EQ(event.authenticated, 0U);
    EXPECT_EQ(hf_server_accept(server_, event.conn, "two\nlines", 0), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_server_accept(server_, event.conn, nullptr, 1), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_server_accept(server_, event.conn, "north/door-1", 10'000), HF_SUCCESS);
    EXPECT_EQ(hf_server_accept(server_, event.conn, nullptr, 0), HF_ERR_NO_CONNECTION);
    event = next(HF_CONNECTED);
    EXPECT_EQ(view(event.id), "north/door-1");
    EXPECT_EQ(event.authenticated, 1U);
}

TEST_F(CapiTest, ARejectionHasTheProgramsWords) {
    ASSERT_EQ(hf_config_set_authenticate(config_, 0, 1), HF_SUCCESS);
    start();
    RawClient device(port());
    device.send("{\"hello\":{\"id\":\"door-1\",\"token\":\"secret\"}}\n");
    const hf_conn conn = next(HF_HELLO).conn;
    const std::string words = "{\"error\":\"contract\"}\n";
    EXPECT_EQ(hf_server_reject(server_, conn, 403, "unpaid", words.data(), words.size()), HF_SUCCESS);
    EXPECT_EQ(device.read_until("\n"), words);
    ::shutdown(device.socket(), SHUT_WR);
    next(HF_CONNECTED);
    const hf_event event = next(HF_CLOSED);
    EXPECT_EQ(view(event.reason), "unauthenticated");
    EXPECT_EQ(event.code, 403U);
    EXPECT_EQ(view(event.detail), "unpaid");
    EXPECT_EQ(hf_server_reject(server_, conn, 0, nullptr, nullptr, 0), HF_ERR_NO_CONNECTION);
}

TEST_F(CapiTest, AcksFollowWhatTheProgramHasMadeDurable) {
    ASSERT_EQ(hf_config_set(config_, "listener.acks", "true"), HF_SUCCESS);
    EXPECT_EQ(hf_server_start(config_, &server_), HF_ERR_INVALID_CONFIG);
    ASSERT_EQ(hf_config_set_durable(config_, 1), HF_SUCCESS);
    start();
    RawClient device(port());
    device.send("{\"hello\":{\"id\":\"d-1\",\"session\":\"s-1\"}}\n");
    EXPECT_EQ(view(next(HF_CONNECTED).id), "d-1");
    const hf_event question = next(HF_LOOK_UP);
    EXPECT_EQ(view(question.id), "d-1");
    EXPECT_EQ(view(question.session), "s-1");
    ASSERT_EQ(hf_server_answer(server_, question.number, 7), HF_SUCCESS);
    EXPECT_EQ(hf_server_answer(server_, question.number, 7), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(device.read_until("\n"), "{\"resume\":7}\n");
    device.send("{\"ip\":\"a\",\"seq\":8}\n{\"ip\":\"b\",\"seq\":9}\n{\"seq\":10}\n");
    EXPECT_EQ(next(HF_ITEM).seq, 8U);
    EXPECT_EQ(next(HF_ITEM).seq, 9U);
    EXPECT_EQ(next(HF_REFUSED).seq, 10U);
    EXPECT_EQ(view(next(HF_BAD_ITEM).reason), "no_key");
    EXPECT_EQ(device.read_until("\n"), "{\"nack\":10,\"reason\":\"no_key\"}\n");
    EXPECT_EQ(hf_server_durable(server_, 7), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_server_durable(server_, 6), HF_SUCCESS);
    EXPECT_EQ(device.read_until("\n"), "{\"ack\":10}\n");
}

TEST_F(CapiTest, AChangedConfigIsApplied) {
    start();
    ASSERT_EQ(hf_config_set(config_, "listener.1.address", "127.0.0.1:0"), HF_SUCCESS);
    ASSERT_EQ(hf_config_set(config_, "listener.1.name", "meters"), HF_SUCCESS);
    ASSERT_EQ(hf_config_set(config_, "listener.max_bad_items", "7"), HF_SUCCESS);
    ASSERT_EQ(hf_config_set(config_, "reactors", "3"), HF_SUCCESS);
    char report[1'000] = "";
    EXPECT_EQ(hf_server_apply(server_, config_, report, sizeof report), 1);
    EXPECT_THAT(report, HasSubstr("needs a restart: reactors"));
    EXPECT_THAT(report, HasSubstr("applied: max_bad_items"));
    char text[64] = "";
    EXPECT_EQ(hf_server_address(server_, 1, text, sizeof text), HF_SUCCESS);
    char cut[5] = "";
    EXPECT_EQ(hf_server_apply(server_, config_, cut, sizeof cut), 1);
    EXPECT_STREQ(cut, "need");
    ASSERT_EQ(hf_config_set(config_, "listener.detect_within", "1ms"), HF_SUCCESS);
    EXPECT_EQ(hf_server_apply(server_, config_, nullptr, 0), HF_ERR_INVALID_CONFIG);
    EXPECT_EQ(hf_server_apply(server_, nullptr, nullptr, 0), HF_ERR_INVALID_ARGUMENT);
}

TEST(OpenQuestionsTest, EachIsAnsweredOnce) {
    OpenQuestions questions;
    const std::uint64_t number = questions.add([](std::uint64_t) {});
    EXPECT_FALSE(questions.take_look_up(number + 1));
    EXPECT_TRUE(questions.take_look_up(number));
    EXPECT_FALSE(questions.take_look_up(number));
    EXPECT_FALSE(questions.take_hello({}));
}

TEST(EventQueueTest, ABatchIsDurableOnceItIsFetchedAndReported) {
    EventQueue queue(1'000);
    OpenQuestions questions;
    const auto handler = std::make_shared<DurableEvents>(queue, questions);
    std::vector<std::uint64_t> told;
    handler->on_durable_change([&](std::uint64_t calls) { told.push_back(calls); });
    for (const std::uint64_t calls : {2, 3}) {
        EventBatch batch = batch_of({"a", "b"});
        batch.ends_at(handler, calls);
        queue.push(std::move(batch));
    }
    EXPECT_FALSE(queue.note_durable(1));
    hf_event events[3] = {};
    ASSERT_EQ(queue.fetch(events, 3, {}), 3);
    EXPECT_TRUE(queue.note_durable(1));
    EXPECT_THAT(told, testing::IsEmpty()) << "half a batch";
    EXPECT_TRUE(queue.note_durable(3));
    EXPECT_THAT(told, testing::ElementsAre(2));
    ASSERT_EQ(queue.fetch(events, 3, {}), 1);
    EXPECT_TRUE(queue.note_durable(4));
    EXPECT_TRUE(queue.note_durable(4));
    EXPECT_THAT(told, testing::ElementsAre(2, 3));
}

TEST_F(CapiTest, ADrainEndsTheEvents) {
    start();
    RawClient device(port());
    next(HF_CONNECTED);
    ASSERT_EQ(hf_server_drain(server_), HF_SUCCESS);
    ASSERT_EQ(hf_server_drain(server_), HF_SUCCESS);
    ::shutdown(device.socket(), SHUT_WR);
    EXPECT_EQ(next(HF_CLOSED).kind, HF_CLOSED);
    hf_event event{};
    EXPECT_EQ(hf_server_wait_events(server_, &event, 1, -1), HF_ENDED);
}

TEST_F(CapiTest, AChildOfForkDoesNotHang) {
    start();
    std::thread consumer([this] {
        hf_event event{};
        EXPECT_EQ(hf_server_wait_events(server_, &event, 1, -1), HF_ENDED);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the queue has a waiting thread, which no child has
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);  // ends a child that hangs
        hf_event event{};
        const bool is_misuse = hf_server_wait_events(server_, &event, 1, -1) == HF_ERR_MISUSE;
        hf_server_destroy(server_);
        ::_exit(is_misuse ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(hf_server_drain(server_), HF_SUCCESS);
    consumer.join();
}

TEST_F(CapiTest, OptionsAreThoseOfTheTable) {
    EXPECT_EQ(hf_config_set(config_, "listener.1.address", "127.0.0.1:0"), HF_SUCCESS);
    EXPECT_EQ(hf_config_set(config_, "listener.1.name", "meters"), HF_SUCCESS);
    EXPECT_EQ(hf_config_set(config_, "item.max_bytes", "1KiB"), HF_SUCCESS);
    EXPECT_EQ(hf_config_set(config_, "listener.detect_within", "20s"), HF_SUCCESS);
    start();
    char text[4] = "";
    EXPECT_EQ(hf_server_address(server_, 1, text, sizeof text), HF_SUCCESS);
    EXPECT_STREQ(text, "127");
    EXPECT_EQ(hf_server_address(server_, 2, text, sizeof text), HF_ERR_INVALID_ARGUMENT);
}

TEST_F(CapiTest, MistakesAreErrorsWithARemedy) {
    for (const char* option : {"adress", "sink.type", "listener.5.address", "listener.x.address", "", ".", "item."}) {
        EXPECT_EQ(hf_config_set(config_, option, "1"), HF_ERR_INVALID_ARGUMENT) << option;
        EXPECT_THAT(hf_last_error(), HasSubstr(";")) << option;
    }
    EXPECT_EQ(hf_config_set(config_, "listener.detect_within", "1ms"), HF_SUCCESS);  // the start checks it
    EXPECT_EQ(hf_config_set(config_, "reactors", "many"), HF_ERR_INVALID_CONFIG);
    EXPECT_EQ(hf_server_start(config_, &server_), HF_ERR_INVALID_CONFIG);
    EXPECT_EQ(server_, nullptr);
    EXPECT_EQ(hf_config_create(99), nullptr);
    EXPECT_EQ(hf_config_set(nullptr, "reactors", "1"), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_config_set(config_, "reactors", nullptr), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_config_set_queue_bytes(config_, 0), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_server_start(config_, nullptr), HF_ERR_INVALID_ARGUMENT);
    hf_event event{};
    EXPECT_EQ(hf_server_wait_events(nullptr, &event, 1, 0), HF_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(hf_server_drain(nullptr), HF_ERR_INVALID_ARGUMENT);
    EXPECT_THAT(hf_last_error(), HasSubstr("pass a valid pointer"));
    hf_server_destroy(nullptr);
    hf_config_destroy(nullptr);
}

TEST_F(CapiTest, AnAddressInUseHasItsCode) {
    start();
    ASSERT_EQ(hf_config_set(config_, "listener.address", ("127.0.0.1:" + std::to_string(port())).c_str()), HF_SUCCESS);
    hf_server* second = nullptr;
    EXPECT_EQ(hf_server_start(config_, &second), HF_ERR_ADDRESS_IN_USE);
    EXPECT_EQ(second, nullptr);
}

TEST(CapiVersionTest, IsThatOfTheHeader) {
    EXPECT_EQ(hf_abi_version(), static_cast<std::uint32_t>(HF_ABI_VERSION));
    EXPECT_STREQ(hf_version(), HOLDFAST_VERSION);
}

}  // namespace
}  // namespace holdfast
