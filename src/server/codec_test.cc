#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/codec.h>
#include <holdfast/hello.h>

#include "pipeline/waiting_answers.h"
#include "server/downlink_payload.h"
#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using testing::HasSubstr;

/// A protocol of words that end with '.'; each states what the codec returns.
class WordCodec final : public Codec {
public:
    Frame next(std::span<const char> window, CodecStream& stream) override {
        const std::string_view bytes(window.data(), window.size());
        const std::size_t end = bytes.find('.', stream.scan);
        if (end == bytes.npos) return partial(bytes, stream);
        const std::string_view word = bytes.substr(0, end);
        const std::size_t next = end + 1;
        if (word == "ping") {
            stream.answer = "pong.";
            return {Frame::Kind::skipped, 0, end, next};
        }
        if (word == "count") {
            answer_ = std::to_string(++stream.state) + '.';
            stream.answer = answer_;
            return {Frame::Kind::skipped, 0, end, next};
        }
        if (word.starts_with("login ")) return login(word.substr(6), next, stream);
        if (word == "broken") return {Frame::Kind::malformed, 0, end, next};
        if (word == "stuck") return {Frame::Kind::item, 0, end, 0};
        if (word == "wide") return {Frame::Kind::item, 0, bytes.size() + 1, bytes.size() + 1};
        if (word.starts_with("quit")) {
            stream.answer = "bye.";
            stream.close = {.reason = word == "quit!" ? CloseReason::peer_reset : CloseReason::application,
                            .code = 7,
                            .detail = "it wants to",
                            .flush = true};
            return {Frame::Kind::end, 0, end, next};
        }
        if (word.starts_with("~")) {
            item_.assign(word.rbegin(), word.rend() - 1);
            stream.item = item_;
            stream.key = "tilde";
        }
        stream.answer = "ok.";
        return {Frame::Kind::item, 0, end, next};
    }
    bool append(std::string& out, std::string_view message) override {
        out.append(message).append(".");
        return message.find('.') == message.npos;
    }

private:
    static Frame partial(std::string_view bytes, CodecStream& stream) {
        stream.scan = bytes.size();
        return {};
    }
    static Frame login(std::string_view id, std::size_t next, CodecStream& stream) {
        const std::size_t colon = id.find(':');
        stream.id = id.substr(0, colon);
        if (colon != id.npos) stream.token = id.substr(colon + 1);
        stream.answer = "welcome.";
        return {Frame::Kind::login, 0, next - 1, next};
    }

    std::string answer_;
    std::string item_;
};

/// Events as text. `durable` counts as safe what release() says.
class Log final : public Durable {
public:
    void note(const std::string& event) {
        const std::lock_guard lock(mutex_);
        events_.push_back(event);
    }
    [[nodiscard]] std::string all() {
        const std::lock_guard lock(mutex_);
        std::string text;
        for (const std::string& event : events_) text += (text.empty() ? "" : "; ") + event;
        return text;
    }
    void on_durable_change(std::function<void(std::uint64_t)> tell) override { tell_ = std::move(tell); }
    void look_up(const DeviceName&, std::function<void(std::uint64_t)> answer) override { answer(0); }
    void release(std::uint64_t count) { tell_(count); }

private:
    std::mutex mutex_;
    std::deque<std::string> events_;  // guarded by mutex_
    std::function<void(std::uint64_t)> tell_;
};

class LogHandler final : public EventHandler {
public:
    LogHandler(Log& log, bool durable) : log_(log), durable_(durable) {}
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        log_.note("hello " + std::string(event.device.id) + " " + std::string(event.token));
        event.token == "right" ? decision.accept() : decision.reject();
    }
    void on_connected(const ConnectedEvent& event) override { log_.note("connected " + std::string(event.device.id)); }
    void on_identified(const IdentifiedEvent& event) override { log_.note("is " + std::string(event.device.id)); }
    void on_item(const ItemEvent& event) override {
        log_.note("item " + std::string(event.key) + "=" + std::string(event.item));
    }
    void on_bad_item(const BadItemEvent& event) override {
        log_.note("bad " + std::string(to_string(event.kind)) + " at " + std::to_string(event.position));
    }
    void on_closed(const ClosedEvent& event) override {
        log_.note("closed " + std::string(to_string(event.reason)) + " " + std::to_string(event.code) + " " +
                  std::string(event.detail));
    }
    Durable* durable() override { return durable_ ? &log_ : nullptr; }

private:
    Log& log_;
    bool durable_;
};

class OwnCodec : public testing::Test {
protected:
    ListenerConfig listener_ = [] {
        ListenerConfig listener;
        listener.address = "127.0.0.1:0";
        listener.codec = [] { return std::make_unique<WordCodec>(); };
        listener.payload = Payload::text;
        return listener;
    }();

    void start(bool durable = false) {
        ServerConfig config;
        config.reactors = 1;
        config.item.max_bytes = 1'000;
        config.listeners = {listener_};
        auto started =
            Server::start(std::move(config), [&](unsigned) { return std::make_unique<LogHandler>(log_, durable); });
        if (!started) throw std::runtime_error(started.error().message);
        server_ = std::move(started).value();
    }
    [[nodiscard]] TestDevice connect(const std::string& text) const {
        TestDevice device(server_->status().listeners[0].bound);
        device.send_raw(text);
        return device;
    }
    void expect(const std::string& events) {
        EXPECT_TRUE(comes_true([&] { return log_.all() == events; })) << log_.all();
    }
    void expect_part(const std::string& part) {
        EXPECT_TRUE(comes_true([&] { return log_.all().find(part) != std::string::npos; })) << log_.all();
    }

    Log log_;
    std::unique_ptr<Server> server_;
};

TEST_F(OwnCodec, CutsItemsAndAnswers) {
    start();
    TestDevice device = connect("first.ping.se");
    EXPECT_EQ(device.text(8), "ok.pong.");
    device.send_raw("cond.~abc.count.count.");
    EXPECT_EQ(device.text(10), "ok.ok.1.2.");
    expect("connected ; item 127.0.0.1=first; item 127.0.0.1=second; item tilde=cba");
}

TEST_F(OwnCodec, ALoginNamesTheDeviceAndIsAnsweredAfterwards) {
    start();
    TestDevice device = connect("login door-1.hello.login door-1.login door-2.");
    EXPECT_EQ(device.text(19), "welcome.ok.welcome.");
    expect("connected ; is door-1; item door-1=hello; bad bad_hello at 32");
    EXPECT_TRUE(server_->find("door-1"));
    EXPECT_EQ(server_->send(*server_->find("door-1"), "open"), SendOutcome::queued);
    EXPECT_EQ(device.text(5), "open.");
}

TEST_F(OwnCodec, AMessageThatItRefusesIsNotSent) {
    start();
    TestDevice device = connect("login door-1.");
    EXPECT_EQ(device.text(8), "welcome.");
    ASSERT_TRUE(comes_true([&] { return server_->find("door-1").has_value(); }));
    const ConnectionId conn = *server_->find("door-1");
    EXPECT_EQ(server_->send(conn, "two.words"), SendOutcome::unencodable);
    EXPECT_EQ(server_->deliver(conn, "two.words", 1s), Delivery::unencodable);
    SendOutcome in_turn = SendOutcome::queued;
    EXPECT_TRUE(server_->post(conn, [&](ReactorContext& context) { in_turn = context.send(conn, "two.words"); }));
    EXPECT_EQ(server_->send(conn, "word"), SendOutcome::queued);  // behind the posted work
    EXPECT_EQ(in_turn, SendOutcome::unencodable);
    EXPECT_EQ(device.text(5), "word.");
    const ListenerStatus counted = server_->status().listeners[0];
    EXPECT_EQ(counted.unencodable, 3U);
    EXPECT_EQ(counted.connections, 1U);
}

TEST_F(OwnCodec, BreaksOfTheProtocolAreBadItems) {
    listener_.max_bad_items = 3;
    start();
    TestDevice device = connect("broken.fine.broken.\xff.broken.");
    EXPECT_EQ(device.text(100), "ok.ok.");
    expect_part(
        "bad malformed at 0; item 127.0.0.1=fine; bad malformed at 12; bad bad_utf8 at 19; bad malformed at 21; "
        "closed too_many_bad_items");
}

TEST_F(OwnCodec, LimitsHoldForIt) {
    start();
    TestDevice device = connect(std::string(1'065, 'x'));
    EXPECT_TRUE(device.ended());
    expect_part("bad too_large at 0; closed item_too_large");
    TestDevice other = connect(std::string(1'001, 'x') + ".");
    EXPECT_TRUE(other.ended());
    TestDevice third = connect(std::string(1'000, 'x') + ".unfinished");
    EXPECT_EQ(third.text(3), "ok.");
    third.close();
    expect_part("peer_closed 0 an unfinished item of 10 bytes was left over");
}

TEST_F(OwnCodec, AFrameThatCannotBeEndsItsConnectionOnly) {
    start();
    TestDevice living = connect("");
    for (const char* word : {"stuck.", "wide."}) {
        TestDevice device = connect(word);
        EXPECT_TRUE(device.ended());
    }
    expect_part("closed application 0 the program's codec returned a frame that does not fit its window");
    living.send_raw("alive.");
    EXPECT_EQ(living.text(3), "ok.");
}

TEST_F(OwnCodec, EndsAConnectionWithItsReasonAndLastBytes) {
    start();
    for (const char* word : {"quit.more.", "quit!.more."}) {
        TestDevice device = connect(word);
        EXPECT_EQ(device.text(4), "bye.");
        device.close();
        EXPECT_TRUE(comes_true([&] { return server_->status().listeners[0].connections == 0; }));
    }
    expect(
        "connected ; closed application 7 it wants to; 5 bytes were left unread; connected ; closed application 7 it "
        "wants to; 5 bytes were left unread");
}

TEST_F(OwnCodec, AnAnswerToAnItemWaitsUntilTheItemIsDurable) {
    start(true);
    TestDevice device = connect("first.ping.");
    expect("connected ; item 127.0.0.1=first");
    EXPECT_FALSE(device.has_answer());
    log_.release(1);
    EXPECT_FALSE(device.has_answer());
    log_.release(2);
    EXPECT_EQ(device.text(8), "ok.pong.");
}

TEST_F(OwnCodec, AnAnswerReachesADeviceThatHasSentFin) {
    start(true);
    TestDevice device = connect("first.");
    device.end_sending();
    expect("connected ; item 127.0.0.1=first");
    log_.release(2);
    EXPECT_EQ(device.text(3), "ok.");
    EXPECT_TRUE(device.ended());
}

TEST_F(OwnCodec, AnEndFollowsTheAnswersThatWait) {
    start(true);
    TestDevice device = connect("first.quit.more.");
    expect("connected ; item 127.0.0.1=first");
    EXPECT_FALSE(device.has_answer());
    device.send_raw("sec");
    device.send_raw("ond.");
    log_.release(2);
    EXPECT_EQ(device.text(100), "ok.bye.");
    device.close();
    expect_part("item 127.0.0.1=first; closed application 7 it wants to");
}

TEST_F(OwnCodec, TooManyWaitingAnswersStopTheReadingOfTheirDeviceOnly) {
    start(true);
    TestDevice device = connect("first.");
    expect("connected ; item 127.0.0.1=first");
    std::string pings;
    for (std::size_t i = 0; i < WaitingAnswers::max_bytes / 5 + 200; ++i) pings += "ping.";
    device.send_raw(pings + "second.");
    TestDevice other = connect("count.");
    EXPECT_EQ(other.text(2), "1.");
    EXPECT_EQ(log_.all().find("second"), std::string::npos);
    log_.release(2);
    expect_part("item 127.0.0.1=second");
    log_.release(4);
    EXPECT_EQ(device.text(6 + pings.size()).size(), 6 + pings.size());
}

TEST_F(OwnCodec, AProgramDecidesAboutALogin) {
    listener_.authenticate_by_program = true;
    start();
    TestDevice device = connect("ping.login door-1:right.hello.");
    EXPECT_EQ(device.text(16), "pong.welcome.ok.");
    expect("hello door-1 right; connected door-1; item door-1=hello");
    TestDevice wrong = connect("login door-1:wrong.hello.");
    EXPECT_TRUE(wrong.ended());
    TestDevice none = connect("hello.");
    EXPECT_TRUE(none.ended());
    expect_part("closed unauthenticated 0 the first message is not a login");
    TestDevice loud = connect(std::string(100, 'x') + std::string(925, 'y'));
    EXPECT_TRUE(loud.ended());
    expect_part("more than 1 KiB arrived before a login");
}

TEST_F(OwnCodec, JsonInAnEnvelopeKeepsItsRules) {
    listener_.payload = Payload::json;
    start();
    TestDevice device = connect(R"({"hello":{"id":"door-1"}}.{"ip":"a"}.{"ip":1}.~}"b":"pi"{.)");
    expect("connected ; is door-1; item a={\"ip\":\"a\"}; bad no_key at 37; item tilde={\"ip\":\"b\"}");
}

TEST(CodecFactory, ThatFailsIsAnError) {
    ListenerConfig listener;
    listener.address = "127.0.0.1:0";
    ServerConfig config;
    const auto error_of = [&](std::function<std::unique_ptr<Codec>()> codec) {
        listener.codec = std::move(codec);
        config.listeners = {listener};
        Log log;
        const auto server = Server::start(config, [&](unsigned) { return std::make_unique<LogHandler>(log, false); });
        return server ? std::string() : server.error().message;
    };
    EXPECT_THAT(error_of([] { return nullptr; }), HasSubstr("the codec of listener \"devices\" for reactor 0"));
    EXPECT_THAT(error_of([]() -> std::unique_ptr<Codec> { throw std::runtime_error("no table"); }),
                HasSubstr("no table"));
    EXPECT_THAT(error_of([]() -> std::unique_ptr<Codec> { throw 1; }), HasSubstr("no std::exception"));
}

TEST(DownlinkPayload, IsTheFieldOfThatName) {
    EXPECT_EQ(downlink_payload(Payload::json, R"({"text":"a"})").value(), R"({"text":"a"})");
    EXPECT_EQ(downlink_payload(Payload::text, R"({"text":"a\n"})").value(), "a\n");
    EXPECT_EQ(downlink_payload(Payload::base64, R"({"base64":"AP8="})").value(), "\0\xff"sv);
    for (const char* object : {"{}", R"({"base64":"A"})", R"({"base64":"AP8"})", R"({"base64":"AP8-"})",
                               R"({"base64":"===="})", R"({"base64":1})", R"({"text":"AP8="})"}) {
        const auto message = downlink_payload(Payload::base64, object);
        ASSERT_FALSE(message) << object;
        EXPECT_THAT(message.error().message, HasSubstr("send {\"base64\":\"...\"}"));
    }
}

}  // namespace
}  // namespace holdfast
