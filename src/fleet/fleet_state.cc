#include "fleet/fleet_state.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "forward/message.h"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

GatewayRecord with_run(GatewayRecord self) {
    self.run = std::random_device()();
    return self;
}

}  // namespace

FleetState::FleetState(GatewayRecord own, milliseconds lost_after, std::size_t max_ended, DeviceNews& news)
    : self(with_run(std::move(own))),
      run(self.run),
      presence(self.name, run, max_ended),
      book(self.name, run, lost_after),
      twins(self, lost_after),
      name_(self.name),
      news_(news) {}

bool FleetState::takes_part() {
    const std::lock_guard lock(mutex);
    if (twins.part(clock_.steady()) != TwinWatch::Part::takes) return false;
    if (presence.complete() && !has_lost_former_) {
        has_lost_former_ = true;
        presence.lose(name_, clock_.wall());  // marks the records of a former run
    }
    return true;
}

/// Calls `call` with the device id of a key, under the lock. Ignores a key that holds no id.
void FleetState::with_id(const std::string& key, const std::function<void(const std::string& id)>& call) {
    const auto id = from_token(key);
    if (!id) return;
    const std::lock_guard lock(mutex);
    call(*id);
}

Bucket::Hearer FleetState::receive_presence() {
    Bucket::Hearer hearer;
    hearer.begin = [this] {
        const std::lock_guard lock(mutex);
        presence.begin_snapshot();
    };
    hearer.saw = [this](const std::string& key, const std::string& value, std::uint64_t revision) {
        saw_device(key, value, revision);
    };
    hearer.removed = [this](const std::string& key, std::uint64_t revision) {
        with_id(key, [&](const std::string& id) { presence.removed(id, revision); });
    };
    hearer.complete = [this] { presence_complete(); };
    hearer.landed = [this](const std::string& key, std::uint64_t revision) {
        with_id(key, [&](const std::string& id) { presence.landed(id, revision); });
        news_.wake();
    };
    hearer.refused = [this](const std::string& key) {
        with_id(key, [&](const std::string& id) { presence.refused(id); });
        news_.wake();
    };
    hearer.failed = [this](const std::string& key) {
        with_id(key, [&](const std::string& id) { presence.failed(id); });
    };
    return hearer;
}

Bucket::Hearer FleetState::receive_gateways() {
    Bucket::Hearer hearer;
    hearer.saw = [this](const std::string&, const std::string& value, std::uint64_t) { saw_gateway(value); };
    hearer.removed = [this](const std::string& key, std::uint64_t) {
        const std::lock_guard lock(mutex);
        book.removed(from_token(key).value_or(""));
    };
    hearer.begin = [this] {
        const std::lock_guard lock(mutex);
        twins.begin(clock_.steady());
    };
    hearer.complete = [this] {
        const std::lock_guard lock(mutex);
        twins.complete();
        news_.wake();
    };
    hearer.landed = [](const std::string&, std::uint64_t) {};
    hearer.refused = hearer.failed = [](const std::string&) {};
    return hearer;
}

void FleetState::saw_device(const std::string& key, const std::string& value, std::uint64_t revision) {
    const auto id = from_token(key);
    const auto record = read_presence(value);
    if (!id || !record) return;  // not written by a gateway
    const std::lock_guard lock(mutex);
    presence.set_time(clock_.steady(), clock_.wall());
    presence.saw(*id, *record, revision);
    if (record->online) book.mentioned(record->gateway, clock_.steady());
    news_.wake();
}

void FleetState::presence_complete() {
    const std::lock_guard lock(mutex);
    presence.end_snapshot();
    has_lost_former_ = false;  // a twin's records are not those of a former run: takes_part() marks the latter
    news_.wake();
}

void FleetState::saw_gateway(const std::string& value) {
    const auto record = read_gateway(value);
    if (!record) return;
    const std::lock_guard lock(mutex);
    book.heard(*record, clock_.steady());
    twins.heard(*record, clock_.steady());
    if (record->name != name_ && !record->stopped) {
        presence.heard_clock(record->name, record->run, record->at, clock_.wall());
    }
    if (record->stopped) {
        presence.stopped(record->name);
    } else {
        presence.beats(record->name, record->run, clock_.wall() - beat_interval);
    }
}

FleetDevice FleetState::shown(const std::string& id, const PresenceRecord& record, SteadyTime now) const {
    FleetDeviceState state = FleetDeviceState::closed;
    if (record.online) {
        const bool is_current = record.gateway == name_ || !is_cut_off(now);
        const bool heard = is_current && book.state_of(record.gateway, now) == GatewayState::online;
        state = heard ? FleetDeviceState::online : FleetDeviceState::unknown;
    }
    return {id, record, state};
}

std::optional<FleetDevice> FleetState::find(const std::string& id) const {
    const std::lock_guard lock(mutex);
    const auto found = presence.find(id);
    if (!found) return std::nullopt;
    return shown(id, found->record, clock_.steady());
}

std::optional<std::string> FleetState::holder(const std::string& id) const {
    const std::lock_guard lock(mutex);
    const auto found = presence.find(id);
    return found && found->record.online ? std::optional(found->record.gateway) : std::nullopt;
}

bool FleetState::is_authenticated_elsewhere(const std::string& id) const {
    const std::lock_guard lock(mutex);
    const auto found = presence.find(id);
    return found && found->record.online && found->record.identity == Identity::authenticated &&
           found->record.gateway != name_;
}

namespace {

bool is_selected(const FleetQuery& query, const PresenceRecord& record) {
    return (!query.gateway || record.gateway == *query.gateway) &&
           is_between(query.since, record.online ? record.since : record.closed_at, query.until);
}

}  // namespace

/// Copies only the records of the requested page.
FleetPage FleetState::devices(const FleetQuery& query) const {
    const SteadyTime now = clock_.steady();
    FleetPage page;
    std::vector<const std::string*> ids;
    const std::lock_guard lock(mutex);
    const auto matches = [&](const std::string& id, const PresenceRecord& record) {
        if (!is_selected(query, record)) return false;
        return !query.state || shown(id, record, now).state == *query.state;
    };
    const bool by_one_id = query.id && !query.id->ends_with('*');
    if (by_one_id) {
        const auto found = presence.find(*query.id);
        if (found && matches(*query.id, found->record)) ids.push_back(&*query.id);
    } else {
        presence.for_each([&](const std::string& id, const PresenceRecord& record) {
            if ((query.id && !matches_id(*query.id, id)) || !matches(id, record)) return;
            ++page.total;
            if (query.limit > 0) ids.push_back(&id);
        });
    }
    if (by_one_id) page.total = ids.size();
    const std::size_t first = std::min(query.offset, ids.size());
    const std::size_t last = first + std::min(query.limit, ids.size() - first);
    const auto at = [&](std::size_t n) { return ids.begin() + static_cast<std::ptrdiff_t>(n); };
    std::partial_sort(at(0), at(last), ids.end(), [](const auto* a, const auto* b) { return *a < *b; });
    for (std::size_t n = first; n < last; ++n) {
        page.devices.push_back(shown(*ids[n], presence.find(*ids[n])->record, now));
    }
    return page;
}

std::vector<FleetGateway> FleetState::gateways() const {
    const SteadyTime now = clock_.steady();
    std::vector<FleetGateway> shown;
    const std::lock_guard lock(mutex);
    std::map<std::string, std::uint64_t> online;
    presence.for_each([&](const std::string&, const PresenceRecord& record) {
        if (record.online) ++online[record.gateway];
    });
    for (const auto& [name, gateway] : book.all()) {
        GatewayState state = book.state_of(name, now);
        if (state == GatewayState::online && name != name_ && is_cut_off(now)) state = GatewayState::silent;
        shown.push_back({.record = gateway.record,
                         .state = state,
                         .self = name == name_,
                         .quiet = std::chrono::floor<milliseconds>(now - gateway.heard),
                         .devices = online[name]});
    }
    return shown;
}

void FleetState::note_dropped() {
    const std::lock_guard lock(mutex);
    if (presence.dropped() == std::exchange(dropped_, presence.dropped())) return;
    dropped_at_ = clock_.steady();
}

std::string FleetState::cut_off_text(SteadyTime now) const {
    if (!is_cut_off(now)) return {};
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now - heard_self()).count();
    return "NATS has returned no beat of this gateway for " + std::to_string(seconds) + " s" +
           (trouble.empty() ? "" : ": " + trouble);
}

std::string FleetState::budget_text(SteadyTime now) const {
    constexpr std::chrono::seconds lately{60};
    if (!dropped_at_ || now - *dropped_at_ > lately) return {};
    return std::to_string(dropped_) + " records of closed unauthenticated devices were removed early: more than " +
           std::to_string(presence.max_ended()) + " ended within an hour";
}

void FleetState::note_lost(const std::string& name) {
    LostGateway lost{.at = clock_.wall(), .devices = 0};
    presence.for_each([&](const std::string&, const PresenceRecord& record) {
        if (record.online && record.gateway == name) ++lost.devices;
    });
    lost_[name] = lost;
}

/// Adds the gateways that are still lost. A gateway that returns, stops or is forgotten does not count.
void FleetState::add_lost(FleetStatus& status) const {
    constexpr std::size_t max_named = 5;
    for (const auto& [name, lost] : lost_) {
        const GatewayBook::Gateway* gateway = book.find(name);
        if (gateway == nullptr || !gateway->lost) continue;
        status.devices_lost += lost.devices;
        if (++status.gateways_lost > max_named) continue;
        status.lost += (status.lost.empty() ? "" : ", ") + name + " with " + std::to_string(lost.devices) +
                       " devices at " + time_text(lost.at);
    }
    if (status.gateways_lost > max_named) {
        status.lost += " and " + std::to_string(status.gateways_lost - max_named) + " others";
    }
}

FleetStatus FleetState::status() const {
    const SteadyTime now = clock_.steady();
    const std::lock_guard lock(mutex);
    FleetStatus status{.name = name_,
                       .trouble = trouble,
                       .twin = twins.twin(clock_.steady()),
                       .complete = presence.complete(),
                       .known = presence.size(),
                       .held = presence.held(),
                       .unsettled = presence.unsettled(),
                       .closed_unauthenticated = presence.ended(),
                       .dropped_unauthenticated = presence.dropped(),
                       .lost_told = lost_told,
                       .superseded = superseded,
                       .cut_off = cut_off_text(now),
                       .budget = budget_text(now)};
    add_lost(status);
    return status;
}

std::optional<FleetDevice> find_device(const FleetView& fleet, const std::string& id) {
    constexpr std::size_t most = 10'000;  // with the beginning `id`, if it ends with a '*'
    FleetPage page = fleet.devices({.id = id, .limit = most});
    const auto found = std::find_if(page.devices.begin(), page.devices.end(),
                                    [&id](const FleetDevice& device) { return device.id == id; });
    return found == page.devices.end() ? std::nullopt : std::optional(std::move(*found));
}

std::string_view to_string(FleetDeviceState state) noexcept {
    switch (state) {
        case FleetDeviceState::online:
            return "online";
        case FleetDeviceState::unknown:
            return "unknown";
        case FleetDeviceState::closed:
            return "closed";
    }
    return "";
}

}  // namespace holdfast
