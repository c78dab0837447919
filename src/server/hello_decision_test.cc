#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/hello.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A program that decides about hellos.
struct Doorkeeper {
    std::function<void(const HelloEvent&, const HelloDecision&)> on_hello;
    std::mutex mutex;
    std::deque<std::string> events;  // guarded by mutex

    void note(const std::string& event) {
        const std::lock_guard lock(mutex);
        events.push_back(event);
    }
    [[nodiscard]] std::string all() {
        const std::lock_guard lock(mutex);
        std::string text;
        for (const std::string& event : events) text += (text.empty() ? "" : "; ") + event;
        return text;
    }
};

class DoorHandler final : public EventHandler {
public:
    explicit DoorHandler(Doorkeeper& keeper) : keeper_(keeper) {}
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        keeper_.on_hello(event, decision);
    }
    void on_connected(const ConnectedEvent& event) override {
        keeper_.note("connected " + std::string(event.device.id) + (event.authenticated ? " authenticated" : ""));
    }
    void on_item(const ItemEvent& event) override {
        keeper_.note("item " + std::string(event.key) + " of " + std::string(event.device.id));
    }
    void on_closed(const ClosedEvent& event) override {
        keeper_.note("closed " + std::string(to_string(event.reason)) + " " + std::to_string(event.code) + " " +
                     std::string(event.detail));
    }

private:
    Doorkeeper& keeper_;
};

class HelloDecisions : public testing::Test {
protected:
    HelloDecisions() {
        ServerConfig config;
        config.reactors = 1;
        config.listeners.resize(1);
        config.listeners[0].address = "127.0.0.1:0";
        config.listeners[0].authenticate_by_program = true;
        auto started =
            Server::start(std::move(config), [this](unsigned) { return std::make_unique<DoorHandler>(keeper_); });
        if (!started) throw std::runtime_error(started.error().message);
        server_ = std::move(started).value();
    }
    [[nodiscard]] TestDevice connect(const std::string& text) const {
        TestDevice device(server_->status().listeners[0].bound);
        device.send_raw(text);
        return device;
    }
    void expect(const std::string& events) {
        EXPECT_TRUE(comes_true([&] { return keeper_.all() == events; })) << keeper_.all();
    }

    Doorkeeper keeper_;
    std::unique_ptr<Server> server_;
};

constexpr const char* hello = "{\"hello\":{\"id\":\"door-1\",\"token\":\"secret\"}}\n";

TEST_F(HelloDecisions, AreMadeAtOnceOrLaterOnAnotherThread) {
    keeper_.on_hello = [this](const HelloEvent& event, const HelloDecision& decision) {
        if (event.device.id == "door-2") return decision.accept();
        EXPECT_EQ(event.device.id, "door-1");
        EXPECT_EQ(event.token, "secret");
        EXPECT_FALSE(event.device.authenticated);
        std::thread([this, decision] {
            keeper_.note("looked up");
            decision.accept("site-7/door-1");
            decision.reject();
        }).detach();
    };
    TestDevice device = connect(std::string(hello) + "{\"ip\":\"a\"}\n");
    expect("looked up; connected site-7/door-1 authenticated; item a of site-7/door-1");
    EXPECT_TRUE(server_->find("site-7/door-1"));
    const TestDevice other = connect("{\"hello\":{\"id\":\"door-2\"}}\n");
    EXPECT_TRUE(comes_true([&] { return server_->find("door-2").has_value(); }));
    server_.reset();
}

TEST_F(HelloDecisions, ARejectionHasTheProgramsReasonAndWords) {
    keeper_.on_hello = [](const HelloEvent&, const HelloDecision& decision) {
        decision.reject(
            {.reason = CloseReason::application, .code = 403, .detail = "the contract ended", .flush = true},
            "{\"error\":\"contract\"}\n");
        decision.accept();
    };
    TestDevice device = connect(std::string(hello) + "{\"ip\":\"a\"}\n");
    EXPECT_EQ(device.line(), "{\"error\":\"contract\"}");
    EXPECT_EQ(device.line(), "");
    device.close();
    EXPECT_TRUE(comes_true([&] {
        return keeper_.all().find("closed application 403 the contract ended") != std::string::npos;
    })) << keeper_.all();
    EXPECT_THAT(keeper_.all(), testing::Not(HasSubstr("item")));
    server_.reset();
}

TEST_F(HelloDecisions, ADecisionThatIsDroppedIsARejection) {
    keeper_.on_hello = [](const HelloEvent&, const HelloDecision&) {};
    const TestDevice device = connect(hello);
    EXPECT_TRUE(device.ended());
    expect("connected ; closed unauthenticated 0 the program dropped the hello without a decision");
    server_.reset();
}

TEST_F(HelloDecisions, OnlyAHelloComesIn) {
    keeper_.on_hello = [](const HelloEvent&, const HelloDecision& decision) { decision.accept(); };
    const TestDevice device = connect("{\"ip\":\"a\"}\n");
    EXPECT_TRUE(device.ended());
    EXPECT_TRUE(comes_true([&] { return keeper_.all().find("the first object is not a hello") != std::string::npos; }));
    server_.reset();
}

TEST_F(HelloDecisions, AnEndBeforeTheDecisionIsTheEnd) {
    std::optional<HelloDecision> kept;
    std::atomic<bool> asked = false;
    keeper_.on_hello = [&](const HelloEvent&, const HelloDecision& decision) {
        kept = decision;
        asked = true;
    };
    TestDevice device = connect(hello);
    EXPECT_TRUE(comes_true([&] { return asked.load(); }));
    EXPECT_THROW(kept->accept(std::string(129, 'x')), Misuse);
    EXPECT_THROW(kept->accept("a\nb"), Misuse);
    EXPECT_THROW(kept->reject({.reason = CloseReason::peer_closed}), Misuse);
    server_->stop_now();
    server_->wait();
    kept->accept();
    server_.reset();
    kept.reset();
    expect("connected ; closed shutdown 0 ");
}

}  // namespace
}  // namespace holdfast
