#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "api/control_plane.h"
#include "model/identity.h"

namespace holdfast {

/// A gateway for tests: answers from its members and records the calls. Any thread after the setup.
class FakeControlPlane final : public ControlPlane {
public:
    static constexpr ConnectionId known{0x7f2c91a0, 1};

    FakeControlPlane() {
        now.listeners.emplace_back().name = "devices";
        now.listeners.front().plan = plan_liveness(std::chrono::seconds(30)).value();
        row.conn = known;
        row.listener = "devices";
        row.peer = parse_endpoint("10.2.0.9:51514").value();
        row.key = "10.20.30.40";
    }

    ServerStatus status() override { return now; }
    ConnectionPage list(const ConnectionQuery& query) override {
        const std::lock_guard lock(mutex);
        last_list = query;
        return {1, {row}};
    }
    std::optional<ConnectionDetail> show(ConnectionId id) override {
        if (id != known) return std::nullopt;
        ConnectionDetail detail;
        detail.row = row;
        detail.plan = now.listeners.front().plan;
        return detail;
    }
    ClosedPage closed(const ClosedQuery& query) override {
        const std::lock_guard lock(mutex);
        last_closed = query;
        ClosedPage page;
        for (const ClosedLife& life : lives) {
            if (!query.id || matches_id(*query.id, life.id)) page.lives.push_back(life);
        }
        page.total = page.lives.size();
        return page;
    }
    std::vector<CensusEntry> census() override { return {{.peer = row.peer.address}}; }
    BadItemPage bad_items(const BadItemQuery& query) override {
        const std::lock_guard lock(mutex);
        last_bad_items = query;
        return bad;
    }
    std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout) override {
        const std::lock_guard lock(mutex);
        last_timeout = timeout;
        if (id != known) return std::nullopt;
        return ProbeAnswer{id, alive, std::chrono::milliseconds(3), std::chrono::milliseconds(4),
                           std::chrono::microseconds(310)};
    }
    ProbeSummary probe_all(const std::optional<Prefix>& peer, std::chrono::milliseconds timeout) override {
        if (before_probe_all) before_probe_all();
        const std::lock_guard lock(mutex);
        last_peer = peer;
        last_timeout = timeout;
        return {3, 2, {known}, std::chrono::milliseconds(2000)};
    }
    bool close(ConnectionId id) override { return id == known; }
    std::size_t close_all(const Prefix& peer) override {
        const std::lock_guard lock(mutex);
        last_peer = peer;
        return 7;
    }
    SendOutcome send(ConnectionId id, std::string_view json_object) override {
        const std::lock_guard lock(mutex);
        if (id != known) return SendOutcome::no_such_connection;
        if (full) return SendOutcome::queue_full;
        if (unencodable) return SendOutcome::unencodable;
        sent.emplace_back(json_object);
        return SendOutcome::queued;
    }
    Result<DrainStatus> drain(const DrainOrder& order) override {
        const std::lock_guard lock(mutex);
        if (now.draining) return Error{"cannot drain: the gateway is stopping, and all connections end"};
        now.drain = DrainStatus{.order = order, .began_at = {}};
        now.out_of_service = order.is_of_all();
        return *now.drain;
    }
    std::optional<DrainStatus> cancel_drain() override {
        const std::lock_guard lock(mutex);
        if (now.drain) now.drain->state = DrainStatus::State::cancelled;
        now.out_of_service = false;
        return now.drain;
    }
    std::optional<ConnectionId> find(std::string_view device) override {
        return !row.id.empty() && device == row.id ? std::optional(known) : std::nullopt;
    }
    Delivery deliver(ConnectionId id, std::string_view json_object, std::chrono::milliseconds timeout) override {
        const std::lock_guard lock(mutex);
        last_timeout = timeout;
        if (id != known) return Delivery::absent;
        if (full) return Delivery::queue_full;
        if (unencodable) return Delivery::unencodable;
        sent.emplace_back(json_object);
        return alive ? Delivery::acked : Delivery::sent;
    }

    ServerStatus now;
    ConnectionRow row;
    std::vector<ClosedLife> lives;
    bool alive = true;
    bool full = false;
    bool unencodable = false;
    std::function<void()> before_probe_all;

    std::mutex mutex;  // guards the members below
    ConnectionQuery last_list;
    ClosedQuery last_closed;
    BadItemQuery last_bad_items;
    BadItemPage bad;
    std::optional<Prefix> last_peer;
    std::chrono::milliseconds last_timeout{};
    std::vector<std::string> sent;
};

}  // namespace holdfast
