#include "cli/doctor_gateway.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

#include "api/api_endpoint.h"
#include "doctor/socket_facts.h"
#include "text/printable.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A reconciliation takes a few 100 ms, and more with many connections.
constexpr seconds reconciliation_timeout{30};
constexpr std::size_t examples_shown = 5;
// Exceeds every meaningful value, so that sums of numbers from outside cannot overflow.
constexpr std::uint64_t max = std::uint64_t{1} << 40;

std::int64_t bounded(const AnswerView& view, std::string_view pointer) {
    return static_cast<std::int64_t>(std::min(view.count(pointer), max));
}

DemandedListener read_listener(const AnswerView& view) {
    DemandedListener listener{.name = view.text("/name"), .address = {}, .plan = {}, .plan_refused = {}};
    if (const auto address = parse_endpoint(view.text("/address"))) listener.address = address.value();
    LivenessPlan& plan = listener.plan;
    plan.detect_within = milliseconds(bounded(view, "/detect_within_ms"));
    if (const auto planned = plan_liveness(plan.detect_within)) plan = planned.value();
    plan.idle = seconds(bounded(view, "/plan/idle_s"));
    plan.interval = seconds(bounded(view, "/plan/interval_s"));
    plan.count = static_cast<int>(std::min<std::int64_t>(bounded(view, "/plan/count"), 1'000));
    plan.user_timeout = milliseconds(bounded(view, "/plan/user_timeout_ms"));
    plan.rto_max = seconds(bounded(view, "/plan/rto_max_ms") / 1'000);
    return listener;
}

/// Returns "orphan 10.2.0.9:51514".
std::string example_of(const AnswerView& view) {
    return printable(view.text("/kind")) + " " + printable(view.text("/peer"));
}

void reconcile(const AdminAccess& access, GatewayFacts& facts) {
    const auto reply = read_reply(access, call_admin(access, {.method = "POST",
                                                              .target = std::string(api_path::reconciliation),
                                                              .timeout = reconciliation_timeout}));
    const auto* const failure = std::get_if<AdminFailure>(&reply);
    if (failure == nullptr) {
        facts.reconciliation = read_reconciliation(std::get<AdminReply>(reply).view());
    } else if (constexpr int unknown_here = 404; failure->status != unknown_here) {
        facts.reconciliation.emplace().error = failure->text();
    }
}

void sample_process(const std::string& address, GatewayAnswer& gateway) {
    GatewayFacts& facts = gateway.facts;
    if (gateway.pid <= 0 || !is_process_of_age(gateway.pid, gateway.uptime_s)) return;
    facts.pid = gateway.pid;
    facts.same_network = shares_network_with(gateway.pid).value_or(true);
    facts.sockets =
        sample_sockets(gateway.pid, facts.listeners, [](milliseconds time) { std::this_thread::sleep_for(time); });
    std::uint16_t port = 0;
    const std::string digits = address.substr(address.rfind(':') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (port != 0) facts.admin_listens_on = listening_on(gateway.pid, port);
}

}  // namespace

GatewayAnswer read_status(const AnswerView& status) {
    GatewayAnswer gateway;
    gateway.max_connections = std::min(status.count("/max_connections"), max);
    gateway.reactors = std::min(status.count("/reactors"), max);
    gateway.uptime_s = status.real("/uptime_s");
    gateway.pid = static_cast<int>(std::min<std::uint64_t>(status.count("/pid"), 1U << 30));
    GatewayFacts& facts = gateway.facts;
    facts.connections = status.count("/connections");
    facts.refused = status.count("/refused/max_connections");
    facts.sink_error = status.text("/sink/error");
    for (const AnswerView& listener : status.list("/listeners")) {
        facts.listeners.push_back(read_listener(listener));
        if (listener.flag("/accept_paused")) facts.accept_paused.push_back(listener.text("/name"));
    }
    return gateway;
}

ReconciliationSeen read_reconciliation(const AnswerView& answer) {
    ReconciliationSeen seen{.registry = answer.count("/registry"),
                            .kernel = answer.count("/kernel"),
                            .ghosts = answer.count("/ghosts"),
                            .orphans = answer.count("/orphans"),
                            .stuck_close_wait = answer.count("/stuck_close_wait"),
                            .examples = {},
                            .error = answer.text("/error")};
    for (const AnswerView& example : answer.list("/examples")) {
        if (seen.examples.size() < examples_shown) seen.examples.push_back(example_of(example));
    }
    return seen;
}

std::variant<GatewayAnswer, AdminFailure> examine_gateway(const AdminAccess& access) {
    auto reply = read_reply(access, call_admin(access, {.target = std::string(api_path::status)}), status_proof);
    if (auto* const failure = std::get_if<AdminFailure>(&reply)) return std::move(*failure);
    GatewayAnswer gateway = read_status(std::get<AdminReply>(reply).view());
    gateway.facts.reached_at = access.address;
    reconcile(access, gateway.facts);
    sample_process(access.address, gateway);
    return gateway;
}

}  // namespace holdfast
