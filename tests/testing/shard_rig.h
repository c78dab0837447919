#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/liveness.h>

#include "conn/admission.h"
#include "conn/connection.h"
#include "conn/shard.h"
#include "reactor/reactor.h"
#include "testing/manual_clock.h"
#include "testing/simulated_kernel.h"

namespace holdfast {

// Fixtures of the tests of a shard's parts: a handler that records its calls, and a Core on an injected clock.

class RecordingHandler final : public StreamHandler {
public:
    void on_open(Connection& connection, Token number, const TurnTime&) override {
        opened.push_back(number);
        if (at_open) at_open(connection);
    }
    void on_certified(Connection& connection, Token, std::string_view id) override {
        certified.emplace_back(id);
        if (at_certified) at_certified(connection);
    }
    ReadResult on_bytes(Connection& connection, Token, std::span<const char> window, std::uint64_t,
                        const TurnTime& time) override {
        return take(connection, {window.data(), window.size()}, time);
    }
    ReadResult on_last_bytes(Connection&, Token, std::span<const char> window, const TurnTime&) override {
        items.emplace_back(window.begin(), window.end());
        return {.consumed = window.size(), .scan = 0, .end = {}, .detail = {}};
    }
    void on_end_while_held(Connection&, Token number, EndedBy by) override {
        ended_while_held.emplace_back(number, by);
    }
    bool owes_answers(const Connection&, Token) override { return owes; }
    void on_connected_pending(Connection& connection, Token, const TurnTime&) override {
        connection.connected_pending = false;
        if (at_connected_pending) at_connected_pending(connection);
    }
    void on_left_over(Connection&, Token) override {}
    void on_close(Connection&, Token number, const CloseInfo& info, const TurnTime&) override {
        closed.emplace_back(number, info);
    }
    void on_turn_end() override {}
    bool ready() override { return is_ready; }
    std::string_view why_unfinished(const Connection&) override { return {}; }
    void on_accept_paused(std::uint8_t, int error) override { accept_errors.push_back(error); }
    void on_accept_resumed(std::uint8_t) override { ++accept_resumed; }

    bool is_ready = true;
    bool owes = false;   ///< answers are due
    bool holds = false;  ///< holds the connection after each item
    std::function<void(Connection&)> at_open;
    std::function<void(Connection&)> at_connected_pending;
    std::function<void(Connection&)> at_certified;
    std::vector<Token> opened;
    std::vector<std::string> certified;  ///< ids
    std::vector<std::string> items;
    std::vector<std::pair<Token, CloseInfo>> closed;
    std::vector<std::pair<Token, EndedBy>> ended_while_held;
    std::vector<int> accept_errors;
    int accept_resumed = 0;

private:
    /// Consumes lines as a pipeline does.
    ReadResult take(Connection& connection, std::string_view window, const TurnTime& time) {
        ReadResult taken;
        for (std::size_t end = 0; (end = window.find('\n', taken.consumed)) != std::string_view::npos;) {
            items.emplace_back(window.substr(taken.consumed, end - taken.consumed));
            connection.count_item();
            connection.last_item = time.tick;
            taken.consumed = end + 1;
            taken.hold = holds;
            if (holds) break;
        }
        return taken;
    }
};

struct CoreRig {
    explicit CoreRig(ShardOptions options = {.max_connections = 1'000, .max_unfinished = 4'096, .policies = {{}}})
        : core(reactor, handler, admission, options) {}

    ManualClock clock;
    Reactor reactor{clock};
    RecordingHandler handler;
    Admission admission{1'000'000};
    Core core;
};

/// A shard on simulated sockets and an injected clock.
struct ShardRig {
    explicit ShardRig(ShardOptions options = {.max_connections = 1'000,
                                              .max_unfinished = 4'096,
                                              .policies = {policy()}})
        : shard(reactor, handler, admission, options) {
        shard.add_listener(UniqueFd(listener));
        shard.start();
    }
    ShardRig(const ShardRig&) = delete;
    ShardRig& operator=(const ShardRig&) = delete;
    ~ShardRig() {
        shard.drain({.deadline = SteadyTime{}});
        while (shard.registry().size() > 0) turn();
    }

    static ListenerPolicy policy() {
        ListenerPolicy policy;
        policy.plan = plan_liveness(std::chrono::seconds(30)).value();
        policy.item_deadline = std::chrono::seconds(30);
        policy.downlink_queue = 4'096;
        return policy;
    }
    /// Runs one turn; the clock stands still.
    void turn() {
        static_cast<void>(reactor.post([] {}));  // keeps the turn from waiting
        reactor.turn(shard);
    }
    /// Advances the clock in steps in which no turn is late.
    void pass(std::chrono::milliseconds time) {
        constexpr std::chrono::milliseconds step{100};
        for (; time > std::chrono::milliseconds(0); time -= step) {
            clock.advance(std::min(step, time));
            turn();
        }
    }
    /// Connects a peer that the listener accepts. Returns its descriptor.
    int connect(std::string_view address = "192.0.2.1:1000") {
        const int fd = kernel.connect(listener, parse_endpoint(address).value());
        turn();
        return fd;
    }
    [[nodiscard]] Connection* find(int fd) {
        for (std::uint32_t slot = 1; slot <= shard.registry().highest_slot(); ++slot) {
            Connection* connection = shard.registry().in_slot(slot);
            if (connection != nullptr && connection->fd == fd) return connection;
        }
        return nullptr;
    }
    [[nodiscard]] ListenerCounters& counters() { return *shard.listener_counters()[0]; }
    /// Returns the reasons of the `closed` events, in order.
    [[nodiscard]] std::vector<CloseReason> reasons() const {
        std::vector<CloseReason> reasons;
        for (const auto& closed : handler.closed) reasons.push_back(closed.second.reason);
        return reasons;
    }

    ManualClock clock;
    SimulatedKernel kernel{clock};
    Reactor reactor{clock};
    RecordingHandler handler;
    Admission admission{1'000'000};
    const int listener = kernel.listen();
    Shard shard;
};

}  // namespace holdfast
