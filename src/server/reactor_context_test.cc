#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/reactor_context.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// A program: its functions are called on the reactor's thread.
struct Program {
    std::function<void(ReactorContext&, const ItemEvent&)> on_item = [](auto&, auto&) {};
    std::function<void(ReactorContext&, const ClosedEvent&)> on_closed = [](auto&, auto&) {};
};

class ProgramHandler final : public EventHandler {
public:
    explicit ProgramHandler(const Program& program) : program_(program) {}
    void on_start(ReactorContext& context) override { context_ = &context; }
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override { program_.on_item(*context_, event); }
    void on_closed(const ClosedEvent& event) override { program_.on_closed(*context_, event); }

private:
    const Program& program_;
    ReactorContext* context_ = nullptr;
};

class ContextTest : public testing::Test {
protected:
    void start(unsigned reactors = 1) {
        ServerConfig config;
        config.reactors = reactors;
        config.listeners.resize(1);
        config.listeners[0].address = "127.0.0.1:0";
        auto started =
            Server::start(std::move(config), [this](unsigned) { return std::make_unique<ProgramHandler>(program_); });
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started).value();
    }
    [[nodiscard]] TestDevice connect() const { return TestDevice(server_->status().listeners[0].bound); }
    /// Returns the id of the connection whose latest item has this key.
    ConnectionId id_of(const std::string& key) {
        std::optional<ConnectionId> found;
        EXPECT_TRUE(comes_true([&] {
            for (const ConnectionRow& row : server_->list({}).rows) {
                if (row.key == key) found = row.conn;
            }
            return found.has_value();
        }));
        return found.value_or(ConnectionId{});
    }
    /// Runs `work` on the connection's reactor, and returns its result.
    template <typename T>
    T on_reactor(ConnectionId id, std::function<T(ReactorContext&)> work) {
        std::promise<T> result;
        EXPECT_TRUE(server_->post(id, [&](ReactorContext& context) { result.set_value(work(context)); }));
        return result.get_future().get();
    }
    [[nodiscard]] ClosedLife only_end() const {
        const auto lives = server_->closed({});
        EXPECT_EQ(lives.size(), 1U);
        return lives.empty() ? ClosedLife{} : lives.front();
    }

    Program program_;
    std::unique_ptr<Server> server_;  // tests whose handlers use their variables reset it
};

TEST_F(ContextTest, AnItemHasItsFieldsDuringTheCall) {
    std::promise<std::string> seen;
    program_.on_item = [&](ReactorContext&, const ItemEvent& event) {
        EXPECT_NE(event.fields, nullptr) << "a second parse";
        const auto field = event.field("position.name");
        seen.set_value(field ? std::string(std::get<std::string_view>(*field)) : "none");
    };
    start();
    TestDevice device = connect();
    device.send_raw("{\"ip\":\"a\",\"position\":{\"name\":\"here\"}}\n");
    EXPECT_EQ(seen.get_future().get(), "here");
}

TEST_F(ContextTest, AHandlerAnswersWithinItsCall) {
    program_.on_item = [](ReactorContext& context, const ItemEvent& event) {
        EXPECT_EQ(context.send(event.conn, R"({"n":)" + std::to_string(event.n) + "}"), SendOutcome::queued);
        EXPECT_EQ(context.send_bytes(event.conn, "raw\n"), SendOutcome::queued);
    };
    start();
    TestDevice device = connect();
    device.send_raw("{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n");
    EXPECT_EQ(device.line(), R"({"n":1})");
    EXPECT_EQ(device.line(), "raw");
    EXPECT_EQ(device.line(), R"({"n":2})");
}

TEST_F(ContextTest, AHandlerClosesWithItsOwnReasonAndNoLaterItemComes) {
    std::vector<std::string> keys;
    program_.on_item = [&](ReactorContext& context, const ItemEvent& event) {
        keys.emplace_back(event.key);
        std::string detail = "item " + std::to_string(event.n) + " is \x1b[31m unpaid";
        detail.resize(detail.size());
        EXPECT_TRUE(context.close(event.conn, {.reason = CloseReason::application, .code = 402, .detail = detail}));
        EXPECT_FALSE(context.close(event.conn)) << "it is closing";
        EXPECT_EQ(context.send(event.conn, "{}"), SendOutcome::no_such_connection);
    };
    start();
    TestDevice device = connect();
    device.send_raw("{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n{\"ip\":");
    EXPECT_TRUE(device.ended());
    EXPECT_TRUE(comes_true([&] { return server_->closed({}).size() == 1; }));
    EXPECT_THAT(keys, ElementsAre("a"));
    EXPECT_EQ(only_end().reason, CloseReason::application);
    EXPECT_EQ(only_end().code, 402U);
    EXPECT_EQ(only_end().detail, "item 1 is \\x1b[31m unpaid; 17 bytes were left unread");
    EXPECT_EQ(only_end().items, 1U);
    server_.reset();
}

TEST_F(ContextTest, ACloseWithFlushSendsTheQueueFirst) {
    const std::string large(std::size_t{1} << 20, 'x');
    program_.on_item = [&](ReactorContext& context, const ItemEvent& event) {
        for (int i = 0; i < 8; ++i) EXPECT_EQ(context.send_bytes(event.conn, large), SendOutcome::queued);
        EXPECT_TRUE(context.close(event.conn, {.reason = CloseReason::application, .detail = "done", .flush = true}));
        EXPECT_FALSE(context.close(event.conn, {.flush = true})) << "it is ending";
        EXPECT_EQ(context.send(event.conn, "{}"), SendOutcome::no_such_connection);
    };
    ServerConfig config;
    config.reactors = 1;
    config.listeners.resize(1);
    config.listeners[0].address = "127.0.0.1:0";
    config.limits.downlink_queue = std::size_t{16} << 20;
    auto started = Server::start(config, [this](unsigned) { return std::make_unique<ProgramHandler>(program_); });
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(started).value();
    TestDevice device = connect();
    device.send("a");
    std::size_t received = 0;
    while (const std::size_t bytes = device.receive().size()) received += bytes;
    EXPECT_EQ(received, 8 * large.size());
    device.close();
    EXPECT_TRUE(comes_true([&] { return server_->closed({}).size() == 1; }));
    EXPECT_EQ(only_end().reason, CloseReason::application);
    EXPECT_EQ(only_end().detail, "done");
    server_.reset();
}

TEST_F(ContextTest, ACloseAtOnceEndsAFlushThatTheDeviceDoesNotRead) {
    const std::string large(std::size_t{1} << 20, 'x');
    program_.on_item = [&](ReactorContext& context, const ItemEvent& event) {
        SendOutcome outcome = SendOutcome::queued;
        for (int i = 0; i < 64 && outcome == SendOutcome::queued; ++i) outcome = context.send_bytes(event.conn, large);
        EXPECT_TRUE(context.close(event.conn, {.reason = CloseReason::application, .detail = "done", .flush = true}));
        EXPECT_TRUE(context.close(event.conn, {.detail = "at once"}));
        EXPECT_FALSE(context.close(event.conn));
    };
    start();
    TestDevice device = connect();
    device.send("a");
    EXPECT_TRUE(comes_true([&] { return server_->closed({}).size() == 1; }));
    EXPECT_EQ(only_end().reason, CloseReason::application) << "the first reason wins";
    EXPECT_EQ(only_end().detail, "done");
    server_.reset();
}

TEST_F(ContextTest, AHeldConnectionIsNotReadUntilItIsReleased) {
    std::mutex mutex;
    std::vector<std::string> keys;
    program_.on_item = [&](ReactorContext& context, const ItemEvent& event) {
        const std::lock_guard lock(mutex);
        keys.emplace_back(event.key);
        EXPECT_TRUE(context.hold(event.conn));
    };
    const auto seen = [&] {
        const std::lock_guard lock(mutex);
        return keys;
    };
    start();
    TestDevice device = connect();
    device.send_raw("{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n");
    const ConnectionId id = id_of("a");
    device.send_raw("{\"ip\":\"c\"}");
    EXPECT_THAT(seen(), ElementsAre("a"));
    EXPECT_TRUE(on_reactor<bool>(
        id, [&](ReactorContext& context) { return context.release(id) && context.hold(id) && context.release(id); }));
    EXPECT_TRUE(comes_true([&] { return seen().size() == 2; }));
    device.send_raw("\n{\"ip\":\"d\"}\n{\"ip\":\"e\"}\n{\"ip\":\"f\"}\n");
    EXPECT_THAT(seen(), ElementsAre("a", "b"));
    device.end_sending();
    EXPECT_TRUE(on_reactor<bool>(id, [&](ReactorContext& context) { return context.release(id); }));
    EXPECT_TRUE(comes_true([&] { return seen().size() == 3; }));
    server_->drain();  // delivers what is held
    server_->wait();
    EXPECT_THAT(seen(), ElementsAre("a", "b", "c", "d", "e", "f"));
    server_.reset();
}

TEST_F(ContextTest, TheProgramsWordStaysWithItsConnection) {
    std::set<void*> at_close;
    program_.on_closed = [&](ReactorContext& context, const ClosedEvent& event) {
        at_close.insert(context.data(event.conn));
        EXPECT_FALSE(context.set_data(event.conn, nullptr)) << "it has ended";
    };
    start();
    TestDevice device = connect();
    device.send("a");
    const ConnectionId id = id_of("a");
    int word = 0;
    EXPECT_EQ(on_reactor<void*>(id, [&](ReactorContext& context) { return context.data(id); }), nullptr);
    EXPECT_TRUE(on_reactor<bool>(id, [&](ReactorContext& context) { return context.set_data(id, &word); }));
    EXPECT_EQ(on_reactor<void*>(id, [&](ReactorContext& context) { return context.data(id); }), &word);
    EXPECT_TRUE(server_->close(id));
    EXPECT_TRUE(comes_true([&] { return server_->closed({}).size() == 1; }));
    TestDevice next = connect();
    next.send("b");
    const ConnectionId second = id_of("b");
    EXPECT_EQ(on_reactor<void*>(second, [&](ReactorContext& context) { return context.data(second); }), nullptr);
    server_.reset();
    EXPECT_EQ(at_close, (std::set<void*>{&word, nullptr}));
}

TEST_F(ContextTest, TimersRunOnceAndCanBeCancelled) {
    start();
    TestDevice device = connect();
    device.send("a");
    const ConnectionId id = id_of("a");
    std::promise<std::string> order;
    std::string ran;
    server_->post(id, [&](ReactorContext& context) {
        const TimerId late = context.run_after(1h, [&] { ran += "late"; });
        context.run_after(30ms, [&] { order.set_value(ran + "b"); });
        context.run_after(0ms, [&] { ran += "a"; });
        EXPECT_TRUE(context.cancel(late));
        EXPECT_FALSE(context.cancel(late));
    });
    EXPECT_EQ(order.get_future().get(), "ab");
}

TEST_F(ContextTest, AProbeCallsBack) {
    start();
    TestDevice device = connect();
    device.send("a");
    const ConnectionId id = id_of("a");
    std::promise<ProbeAnswer> answer;
    EXPECT_TRUE(on_reactor<bool>(id, [&](ReactorContext& context) {
        return context.probe(id, 3s, [&](const ProbeAnswer& got) { answer.set_value(got); });
    }));
    const ProbeAnswer got = answer.get_future().get();
    EXPECT_TRUE(got.alive);
    EXPECT_EQ(got.conn, id);
}

TEST_F(ContextTest, AHandlerClosesAnotherConnectionWhileOneEnds) {
    std::vector<ConnectionId> open;
    program_.on_item = [&](ReactorContext&, const ItemEvent& event) { open.push_back(event.conn); };
    program_.on_closed = [&](ReactorContext& context, const ClosedEvent&) {
        for (const ConnectionId id : open) static_cast<void>(context.close(id, {.detail = "with the others"}));
    };
    start();
    std::vector<TestDevice> devices;
    for (int i = 0; i < 20; ++i) {
        devices.push_back(connect());
        devices.back().send("key " + std::to_string(i));
        static_cast<void>(id_of("key " + std::to_string(i)));
    }
    devices.front().close();
    EXPECT_TRUE(comes_true([&] { return server_->closed({}).size() == 20; }));
    EXPECT_EQ(server_->closed_page({.reason = CloseReason::kicked}).total, 19U);
    server_.reset();
}

TEST_F(ContextTest, BytesGoToManyConnectionsOfAllReactors) {
    start(2);
    std::vector<TestDevice> devices;
    std::vector<ConnectionId> ids{{1, 2}};
    for (int i = 0; i < 12; ++i) {
        devices.push_back(connect());
        devices.back().send("key " + std::to_string(i));
        ids.push_back(id_of("key " + std::to_string(i)));
    }
    server_->send_many(ids, "news\n");
    for (TestDevice& device : devices) EXPECT_EQ(device.line(), "news");
}

TEST_F(ContextTest, MistakesOfTheProgramAreErrorsAtOnce) {
    std::promise<std::string> error;
    ReactorContext* context_of_reactor = nullptr;
    start();
    TestDevice device = connect();
    device.send("a");
    const ConnectionId id = id_of("a");
    server_->post(id, [&](ReactorContext& context) {
        context_of_reactor = &context;
        std::string errors;
        const std::vector<std::function<void()>> calls{
            [&] { static_cast<void>(server_->list({})); },
            [&] { static_cast<void>(server_->show(id)); },
            [&] { static_cast<void>(server_->probe(id, 1s)); },
            [&] { static_cast<void>(server_->send(id, "{}")); },
            [&] { static_cast<void>(server_->deliver(id, "{}", 1s)); },
            [&] { server_->close(id); },
            [&] { static_cast<void>(server_->close_all(Prefix{})); },
            [&] { static_cast<void>(server_->probe_all(std::nullopt, 1s)); },
            [&] { static_cast<void>(server_->census()); },
            [&] { static_cast<void>(server_->observe()); },
            [&] { static_cast<void>(server_->sample_peers(1)); },
            [&] { static_cast<void>(server_->reconcile()); },
            [&] { static_cast<void>(server_->apply({})); },
            [&] { static_cast<void>(server_->drain_over({})); },
            [&] { static_cast<void>(server_->cancel_drain()); },
            [&] { server_->wait(); },
        };
        for (std::size_t i = 0; i < calls.size(); ++i) {
            try {
                calls[i]();
                errors += std::to_string(i) + " was no error; ";
            } catch (const Misuse& misuse) {
                if (std::string_view(misuse.what()).find("ReactorContext") == std::string_view::npos) errors += "?";
            }
        }
        error.set_value(errors);
    });
    EXPECT_EQ(error.get_future().get(), "");
    EXPECT_THROW(static_cast<void>(context_of_reactor->send(id, "{}")), Misuse);
    EXPECT_THROW(context_of_reactor->close(id), Misuse);
    EXPECT_THROW(context_of_reactor->run_after(1s, [] {}), Misuse);
    EXPECT_THROW(server_->close(id, CloseReason::peer_reset), Misuse);
    EXPECT_FALSE(server_->post({id.run + 1, id.number}, [](ReactorContext&) {}));
    EXPECT_TRUE(server_->show(id)) << "the connection lives";
}

TEST(ServerStart, AFactoryThatFailsIsAnError) {
    ServerConfig config;
    config.listeners.resize(1);
    config.listeners[0].address = "127.0.0.1:0";
    const std::vector<std::pair<Server::HandlerFactory, std::string>> factories{
        {nullptr, "the factory is empty"},
        {[](unsigned) { return nullptr; }, "the factory returned nullptr"},
        {[](unsigned) -> std::unique_ptr<EventHandler> { throw std::runtime_error("no database"); }, "no database"},
        {[](unsigned) -> std::unique_ptr<EventHandler> { throw 7; }, "no std::exception"},
    };
    for (const auto& [factory, why] : factories) {
        const auto started = Server::start(config, factory);
        ASSERT_FALSE(started);
        EXPECT_THAT(started.error().message, HasSubstr(why));
    }
}

TEST_F(ContextTest, SeveralThreadsWait) {
    start(2);
    std::vector<std::future<void>> waiting;
    for (int i = 0; i < 8; ++i) waiting.push_back(std::async(std::launch::async, [this] { server_->wait(); }));
    server_->stop_now();
    for (const auto& each : waiting) EXPECT_EQ(each.wait_for(test_timeout), std::future_status::ready);
}

}  // namespace
}  // namespace holdfast
