#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/api_endpoint.h"
#include "api/control_plane.h"
#include "api/dashboard/assets.h"
#include "api/downlink_message.h"
#include "api/lives.h"
#include "api/status_parts.h"
#include "fleet/fleet_view.h"
#include "trend/event_hub.h"
#include "watch/watch_view.h"

namespace holdfast {

struct ApiOptions {
    std::size_t max_message_bytes = 64 * 1024;    ///< of a downlink body
    SinkStatusProvider sink = {};                 ///< may be empty: then answers lack the sink
    std::function<std::string()> not_ready = {};  ///< more reasons for /readyz to answer 503; empty text: none
    std::function<std::string()> hangs = {};      ///< stalled parts of the gateway: /healthz; empty text: none
    // Absent parts are answered by 404 or 409. `watch`, `hub`, `spool` and `fleet` must outlive the API.
    WatchView* watch = nullptr;
    EventHub* hub = nullptr;
    FleetView* fleet = nullptr;
    Spool* spool = nullptr;
    Reload reload = {};
    const ReloadMeter* reloads = nullptr;  ///< for status and metrics; must outlive the API
    /// Calls `is_done`, which returns within 100 ms, until it returns true, and blocks no other request. Returns false
    /// without a call if too many requests wait. If empty, a request waits on its own thread.
    std::function<bool(const std::function<bool()>& is_done)> wait_aside = {};
    AssetSource assets = {};          ///< files of / and /dashboard/; without it / is the list of the paths
    std::string first_item = {};      ///< a command that sends an item, for status; empty: no such command
    QueryElsewhere elsewhere = {};    ///< requests about devices of other gateways
    QueryLives lives_elsewhere = {};  ///< closed connections of other gateways
    /// Returns the connection that may receive messages for an id. If empty, the server's connection of the id receives
    /// them.
    std::function<std::optional<ConnectionId>(const std::string& id)> find_here = {};
    const AdminMeter* meter = nullptr;  ///< for /metrics; must outlive the API
};

/// The admin API without its transport: maps a request to an answer. Owns no thread. Several threads may call answer(),
/// which blocks as long as the gateway does. The gateway must outlive it.
class Api {
public:
    Api(ControlPlane& gateway, ApiOptions options) : gateway_(gateway), options_(std::move(options)) {}

    [[nodiscard]] ApiAnswer answer(const ApiRequest& request);

    /// Returns the subscription for a GET of /v1/events. Returns nullptr for another request, or if answer() must
    /// refuse it.
    [[nodiscard]] std::unique_ptr<EventHub::Subscription> open_feed(const ApiRequest& request);

    /// Returns every request that is answered.
    [[nodiscard]] static std::span<const ApiEndpoint> endpoints();

    /// Returns {"error":{...}} with `status`.
    [[nodiscard]] static ApiAnswer error(int status, std::string_view code, std::string_view message);
    /// Returns the error of a message for which the framing of its listener has no form.
    [[nodiscard]] static ApiAnswer unencodable();

private:
    static const ApiEndpoint table[];

    /// Returns the endpoint and the segment in place of the braces; the path's endpoint if no method matches.
    [[nodiscard]] static std::pair<const ApiEndpoint*, std::string> find(std::string_view method,
                                                                         const RequestTarget& target);
    ApiAnswer call(const ApiEndpoint& endpoint, const RequestTarget& target, std::string_view id,
                   const ApiRequest& request);
    ApiAnswer with_slow_slot(std::string_view refusal, const std::function<ApiAnswer()>& work);
    std::optional<WatchStatus> watched() const;
    ApiAnswer with_alarm(const ApiCall& call, const std::function<ApiAnswer(const AlarmDetail& detail)>& render);
    ApiAnswer note_alarm(const ApiCall& call, std::optional<std::string> note);
    ApiAnswer elsewhere(const DeviceQuestion& question);
    std::optional<ConnectionId> find_here(std::string_view device);
    Lives lives_in_fleet(ClosedQuery query);
    std::string open_device(std::string_view device, std::string& trouble);
    std::optional<FleetDevice> presence_of(std::string_view device) const;
    [[nodiscard]] std::optional<ApiAnswer> too_long(std::string_view body) const;
    std::optional<ApiAnswer> asset(const RequestTarget& target, const ApiRequest& request) const;

    ApiAnswer index(const ApiCall& call);
    ApiAnswer healthz(const ApiCall& call);
    ApiAnswer readyz(const ApiCall& call);
    ApiAnswer metrics(const ApiCall& call);
    ApiAnswer status(const ApiCall& call);
    ApiAnswer list(const ApiCall& call);
    ApiAnswer show(const ApiCall& call);
    ApiAnswer closed(const ApiCall& call);
    ApiAnswer bad_items(const ApiCall& call);
    ApiAnswer close(const ApiCall& call);
    ApiAnswer close_all(const ApiCall& call);
    ApiAnswer probe(const ApiCall& call);
    ApiAnswer probe_all(const ApiCall& call);
    ApiAnswer send(const ApiCall& call);
    ApiAnswer device(const ApiCall& call);
    ApiAnswer device_close(const ApiCall& call);
    ApiAnswer device_probe(const ApiCall& call);
    ApiAnswer device_send(const ApiCall& call);
    ApiAnswer prefixes(const ApiCall& call);
    ApiAnswer trend(const ApiCall& call);
    ApiAnswer alarms(const ApiCall& call);
    ApiAnswer alarm(const ApiCall& call);
    ApiAnswer alarm_members(const ApiCall& call);
    ApiAnswer acknowledge(const ApiCall& call);
    ApiAnswer withdraw_acknowledgement(const ApiCall& call);
    ApiAnswer events(const ApiCall& call);
    ApiAnswer reconciliation(const ApiCall& call);
    ApiAnswer reconcile(const ApiCall& call);
    ApiAnswer reload(const ApiCall& call);
    ApiAnswer drain(const ApiCall& call);
    ApiAnswer show_drain(const ApiCall& call);
    ApiAnswer cancel_drain(const ApiCall& call);
    ApiAnswer fleet(const ApiCall& call);
    ApiAnswer spool(const ApiCall& call);
    ApiAnswer spool_groups(const ApiCall& call);
    ApiAnswer move_spool_group(const ApiCall& call);
    ApiAnswer remove_spool_group(const ApiCall& call);
    bool wait_for_events(std::uint64_t after, std::chrono::milliseconds wait);

    ControlPlane& gateway_;
    ApiOptions options_;
    std::atomic<int> slow_ = 0;  // slow requests under way
};

[[nodiscard]] inline ApiAnswer json_answer(std::string body, int status = 200) {
    return {.status = status, .body = std::move(body)};
}
[[nodiscard]] inline ApiAnswer bad_query(std::string_view message) { return Api::error(400, "bad_query", message); }

}  // namespace holdfast
