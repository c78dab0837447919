#include <atomic>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Functions of a handler, which get the context.
struct HostileProgram {
    std::function<void(ReactorContext&)> on_start = [](auto&) {};
    std::function<void(ReactorContext&, const ConnectedEvent&)> on_connected = [](auto&, auto&) {};
    std::function<void(ReactorContext&, const ItemEvent&)> on_item = [](auto&, auto&) {};
    std::function<void(ReactorContext&, const ClosedEvent&)> on_closed = [](auto&, auto&) {};
};

class HostileHandler final : public EventHandler {
public:
    explicit HostileHandler(const HostileProgram& program) : program_(program) {}
    void on_start(ReactorContext& context) override {
        context_ = &context;
        program_.on_start(context);
    }
    void on_connected(const ConnectedEvent& event) override { program_.on_connected(*context_, event); }
    void on_item(const ItemEvent& event) override { program_.on_item(*context_, event); }
    void on_closed(const ClosedEvent& event) override { program_.on_closed(*context_, event); }

private:
    const HostileProgram& program_;
    ReactorContext* context_ = nullptr;
};

ServerConfig config_at(const std::string& address, unsigned reactors = 1) {
    ServerConfig config;
    config.reactors = reactors;
    config.listeners[0].address = address;
    return config;
}

class MisuseTest : public testing::Test {
protected:
    void start() {
        auto started = Server::start(config_at("127.0.0.1:0"),
                                     [this](unsigned) { return std::make_unique<HostileHandler>(program_); });
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started).value();
    }
    /// Connects a device, sends one item, and returns the connection's id.
    ConnectionId connect() {
        device_.emplace(server_->status().listeners[0].bound);
        device_->send("first");
        EXPECT_TRUE(comes_true([&] { return server_->status().listeners[0].items == 1; }));
        return server_->list({}).rows.at(0).conn;
    }
    /// Runs `work` on the reactor's thread and waits for its end.
    void on_reactor(ConnectionId conn, const std::function<void(ReactorContext&)>& work) {
        std::promise<void> done;
        ASSERT_TRUE(server_->post(conn, [&](ReactorContext& context) {
            work(context);
            done.set_value();
        }));
        done.get_future().wait();
    }

    HostileProgram program_;
    std::unique_ptr<Server> server_;
    std::optional<TestDevice> device_;
};

#define EXPECT_MISUSE(statement, text)                \
    try {                                             \
        statement;                                    \
        ADD_FAILURE() << "no Misuse";                 \
    } catch (const Misuse& mistake) {                 \
        EXPECT_THAT(mistake.what(), HasSubstr(text)); \
    }

/// Returns an address that was free a moment ago.
Endpoint free_address() {
    const TestDevice::OccupiedAddress occupied;
    return occupied.address();
}

TEST_F(MisuseTest, AHandlerHasTheServerBeforeStartReturns) {
    const Endpoint address = free_address();
    std::promise<ServerStatus> seen;
    program_.on_connected = [&](ReactorContext& context, const ConnectedEvent&) {
        seen.set_value(context.server().status());
    };
    // The device waits in the accept queue while the handlers are made, so its event comes as early as possible.
    std::optional<TestDevice> early;
    auto started = Server::start(config_at(to_string(address)), [&](unsigned) {
        early.emplace(address);
        return std::make_unique<HostileHandler>(program_);
    });
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_EQ(early->error(), 0);
    EXPECT_EQ(seen.get_future().get().listeners.at(0).bound, address);
    EXPECT_EQ(started.value()->status().listeners[0].accepted, 1U);
}

TEST_F(MisuseTest, AHandlerHasTheServerUntilItsLastEvent) {
    std::atomic<Server*> seen{nullptr};
    program_.on_closed = [&](ReactorContext& context, const ClosedEvent&) {
        static_cast<void>(context.server().status());
        seen = &context.server();
    };
    start();
    connect();
    Server* const expected = server_.get();
    server_.reset();
    EXPECT_EQ(seen, expected);
}

TEST_F(MisuseTest, EmptyFunctionsAreRefused) {
    start();
    const ConnectionId conn = connect();
    EXPECT_MISUSE(server_->post(conn, {}), "post() got an empty function");
    on_reactor(conn, [conn](ReactorContext& context) {
        EXPECT_MISUSE(context.post(conn, {}), "post() got an empty function");
        EXPECT_MISUSE(context.run_after(1ms, {}), "run_after() got an empty function");
        EXPECT_MISUSE(context.probe(conn, 1s, {}), "probe() got an empty function");
    });
}

TEST_F(MisuseTest, AbsurdTimesAreTakenAsTheNearestSensibleOnes) {
    start();
    const ConnectionId conn = connect();
    constexpr auto longest = std::chrono::milliseconds::max();
    constexpr auto shortest = std::chrono::milliseconds::min();
    on_reactor(conn, [=](ReactorContext& context) {
        EXPECT_TRUE(context.cancel(context.run_after(longest, [] {})));
        static_cast<void>(context.run_after(longest, [] {}));
    });
    std::promise<void> ran;
    on_reactor(conn, [&](ReactorContext& context) {
        static_cast<void>(context.run_after(shortest, [&ran] { ran.set_value(); }));
    });
    ran.get_future().wait();
    EXPECT_TRUE(server_->probe(conn, longest)->alive);
    EXPECT_TRUE(server_->probe(conn, shortest)->alive);
    EXPECT_EQ(server_->probe_all(std::nullopt, longest).alive, 1U);
    EXPECT_EQ(server_->deliver(conn, "{}", longest), Delivery::acked);
    EXPECT_NE(server_->deliver(conn, "{}", shortest), Delivery::absent);
}

TEST_F(MisuseTest, UnknownConnectionsAreAnswersNotErrors) {
    start();
    const ConnectionId conn = connect();
    constexpr auto all = std::numeric_limits<std::uint64_t>::max();
    for (const ConnectionId wrong : {ConnectionId{}, ConnectionId{conn.run, 0}, ConnectionId{conn.run, all},
                                     ConnectionId{0, conn.number}, ConnectionId{conn.run, conn.number + 1}}) {
        EXPECT_EQ(server_->send(wrong, "{}"), SendOutcome::no_such_connection);
        EXPECT_EQ(server_->deliver(wrong, "{}", 1s), Delivery::absent);
        EXPECT_FALSE(server_->close(wrong));
        EXPECT_FALSE(server_->show(wrong));
        EXPECT_FALSE(server_->probe(wrong, 1s));
        server_->send_many({{wrong}}, "x");
        on_reactor(conn, [wrong](ReactorContext& context) {
            EXPECT_EQ(context.send_bytes(wrong, "x"), SendOutcome::no_such_connection);
            EXPECT_FALSE(context.close(wrong));
            EXPECT_FALSE(context.hold(wrong));
            EXPECT_FALSE(context.release(wrong));
            EXPECT_FALSE(context.set_data(wrong, &context));
            EXPECT_EQ(context.data(wrong), nullptr);
            EXPECT_FALSE(context.probe(wrong, 1s, [](const ProbeAnswer&) {}));
        });
    }
}

TEST_F(MisuseTest, EmptyAndHugeMessages) {
    start();
    const ConnectionId conn = connect();
    const std::string huge(std::size_t{16} << 20, 'x');
    EXPECT_EQ(server_->send(conn, ""), SendOutcome::queued);
    on_reactor(conn, [&](ReactorContext& context) {
        EXPECT_EQ(context.send_bytes(conn, ""), SendOutcome::queued);
        // A message that the kernel has begun to take is queued whole, and the next one is refused.
        EXPECT_EQ(context.send_bytes(conn, huge), SendOutcome::queued);
        EXPECT_EQ(context.send_bytes(conn, huge), SendOutcome::queue_full);
        EXPECT_EQ(context.find(huge), std::nullopt);
        EXPECT_TRUE(context.close(conn, {.detail = huge, .flush = true}));
        EXPECT_EQ(context.send_bytes(conn, "more"), SendOutcome::no_such_connection);
    });
    EXPECT_TRUE(server_
                    ->list({.offset = std::numeric_limits<std::size_t>::max(),
                            .limit = std::numeric_limits<std::size_t>::max()})
                    .rows.empty());
    static_cast<void>(server_->list({.sort = static_cast<ConnectionSort>(99)}));
    static_cast<void>(server_->closed({.offset = 5, .limit = std::numeric_limits<std::size_t>::max()}));
}

TEST_F(MisuseTest, NumbersThatAreNoEnumeratorsAreRefusedOrUnknown) {
    start();
    const ConnectionId conn = connect();
    EXPECT_MISUSE(server_->close(conn, static_cast<CloseReason>(250)), "unknown");
    on_reactor(conn, [conn](ReactorContext& context) {
        EXPECT_MISUSE(context.close(conn, {.reason = static_cast<CloseReason>(250)}), "unknown");
    });
    EXPECT_EQ(to_string(static_cast<CloseReason>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<ReasonKind>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<BadItem>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<RefusedBy>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<Delivery>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<Framing>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<ConnectionSort>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<DrainStatus::State>(250)), "unknown");
    server_->remember_closed({});
    ClosedLife life;
    life.reason = static_cast<CloseReason>(250);
    server_->remember_closed(life);
    EXPECT_EQ(server_->closed({}).size(), 2U);
}

TEST_F(MisuseTest, CallsOnAConnectionThatEnds) {
    std::promise<void> done;
    program_.on_closed = [&](ReactorContext& context, const ClosedEvent& event) {
        EXPECT_EQ(context.send_bytes(event.conn, "x"), SendOutcome::no_such_connection);
        EXPECT_FALSE(context.close(event.conn));
        EXPECT_FALSE(context.hold(event.conn));
        EXPECT_FALSE(context.probe(event.conn, 1s, [](const ProbeAnswer&) {}));
        EXPECT_MISUSE(static_cast<void>(context.server().list({})), "on a reactor's thread");
        EXPECT_MISUSE(static_cast<void>(context.server().apply({})), "on a reactor's thread");
        EXPECT_MISUSE(context.server().wait(), "on a reactor's thread");
        done.set_value();
    };
    start();
    connect();
    device_->close();
    done.get_future().wait();
}

TEST_F(MisuseTest, CallsAfterTheEnd) {
    start();
    const ConnectionId conn = connect();
    // A call that waits for a device while the server ends gets an answer.
    auto waiting = std::async(std::launch::async, [&] { return server_->deliver(conn, "{}", 1h); });
    server_->stop_now();
    server_->stop_now();
    server_->drain();
    server_->wait();
    server_->wait();
    static_cast<void>(waiting.get());
    EXPECT_EQ(server_->send(conn, "{}"), SendOutcome::no_such_connection);
    EXPECT_EQ(server_->deliver(conn, "{}", 1s), Delivery::absent);
    EXPECT_FALSE(server_->close(conn));
    EXPECT_FALSE(server_->post(conn, [](ReactorContext&) {}));
    server_->send_many({{conn}}, "x");
    EXPECT_TRUE(server_->list({}).rows.empty());
    EXPECT_FALSE(server_->probe(conn, 1s));
    EXPECT_EQ(server_->probe_all(std::nullopt, 1s).asked, 0U);
    EXPECT_EQ(server_->close_all({}), 0U);
    EXPECT_FALSE(server_->cancel_drain());
    EXPECT_TRUE(server_->census().empty());
    static_cast<void>(server_->reconcile());
    static_cast<void>(server_->observe());
    static_cast<void>(server_->silence());
    EXPECT_EQ(server_->closed({}).size(), 1U);
}

TEST_F(MisuseTest, TwoServersInAProcessAreStrangersToEachOther) {
    start();
    const ConnectionId conn = connect();
    auto other = Server::start(config_at("127.0.0.1:0"),
                               [this](unsigned) { return std::make_unique<HostileHandler>(program_); });
    ASSERT_TRUE(other);
    EXPECT_FALSE(other.value()->close(conn));
    EXPECT_FALSE(other.value()->show(conn));
    on_reactor(conn, [&](ReactorContext& context) {
        EXPECT_TRUE(other.value()->list({}).rows.empty());  // of another server's reactors, so it may wait
        EXPECT_FALSE(other.value()->post(conn, [](ReactorContext&) {}));
        EXPECT_MISUSE(static_cast<void>(context.server().list({})), "on a reactor's thread");
    });
    const std::string address = to_string(server_->status().listeners[0].bound);
    const auto second =
        Server::start(config_at(address), [this](unsigned) { return std::make_unique<HostileHandler>(program_); });
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
}

TEST_F(MisuseTest, ADecisionThatWasMovedFrom) {
    HelloDecision decision(nullptr);
    EXPECT_MISUSE(decision.accept(), "after it had been moved");
    EXPECT_MISUSE(decision.reject(), "after it had been moved");
}

using MisuseDeathTest = MisuseTest;

TEST_F(MisuseDeathTest, AServerDestroyedOnAReactorsThreadSaysSo) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            program_.on_item = [this](ReactorContext&, const ItemEvent&) { server_.reset(); };
            start();
            connect();
            std::this_thread::sleep_for(test_timeout);
        },
        "on a reactor's thread");
}

}  // namespace
}  // namespace holdfast
