#include <chrono>
#include <utility>

#include "base/check.h"
#include "codec/hello.h"
#include "server/devices.h"
#include "tcp/peer_state.h"

namespace holdfast {

// Which connection speaks for a device. The directory decides; what follows from it is here.

/// Says whose the connection is. Returns false if the holder of the id is authenticated and this connection is not, and
/// has ended: it has nothing to wait for.
bool Devices::name(Connection& connection, Token number, std::string id, bool proved) {
    const auto made = claim(connection, number, id, proved);
    if (made.verdict == ClaimVerdict::denied && peer_has_shut(connection.fd)) return false;
    connection.named = true;
    (*counters_)[connection.listener]->identified.increment();
    Device& device = devices_[number];
    device = {.id = std::move(id), .session = {}, .numbers = {}, .proved = proved};
    settle(connection, number, device, made);
    return true;
}

/// The holder of the id is authenticated and this connection is not: it ends, and never was the device's.
void Devices::refuse(Connection& connection, Token number) {
    connection.named = false;
    (*counters_)[connection.listener]->identified.decrement();
    devices_.erase(number);
    around_.shard->refuse(connection, CloseReason::unauthenticated, another_has_proved);
}

DeviceDirectory::Claim Devices::claim(const Connection& connection, Token number, std::string_view id, bool proved) {
    HOLDFAST_CHECK(around_.directory != nullptr);
    return around_.directory->claim(id,
                                    {.number = number,
                                     .authenticated = proved,
                                     .ended = peer_has_shut(connection.fd),
                                     .accepted = around_.shard->accept_time_of(connection),
                                     .peer = connection.peer},
                                    around_.shard->time().steady);
}

void Devices::settle(const Connection& connection, Token number, Device& device, const DeviceDirectory::Claim& claim) {
    ListenerCounters& counters = *(*counters_)[connection.listener];
    switch (claim.verdict) {
        case ClaimVerdict::granted:
            device.standing = Device::Standing::holder;
            if (claim.other) supersede(number, device, *claim.other);
            return;
        case ClaimVerdict::denied:
            return contest(number, device, *claim.other, Device::Standing::unproved);
        case ClaimVerdict::ended:
            device.standing = Device::Standing::bystander;
            counters.stale_claims.increment();
            return;
        case ClaimVerdict::older:
            return contest(number, device, *claim.other, Device::Standing::contested);
        case ClaimVerdict::delayed:
            if (std::exchange(device.standing, Device::Standing::delayed) != Device::Standing::delayed) {
                counters.delayed_claims.increment();
            }
            return around_.shard->run_at(claim.again, [this, number] { claim_again(number); });
    }
}

void Devices::supersede(Token number, Device& device, Token former) {
    device.former_ends = true;
    around_.supersede(former,
                      [this, number, post = around_.post] { post([this, number] { former_has_ended(number); }); });
}

/// The holder has the id, unless its peer has shut it down. It was established later: a device may close the newer of
/// two connections and go on with the older one. Or it is authenticated: it may have ended in this very turn.
void Devices::contest(Token number, Device& device, Token holder, Device::Standing standing) {
    device.standing = standing;
    around_.confirm(holder, [this, number, holder, post = around_.post](bool lives) {
        post([this, number, holder, lives] { holder_was_looked_at(number, holder, lives); });
    });
}

void Devices::holder_was_looked_at(Token number, Token holder, bool lives) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr || !device->is_pending()) return;
    if (!lives) {
        around_.directory->note_ended(device->id, holder);
        return claim_again(number);
    }
    if (device->standing == Device::Standing::unproved) return refuse(*connection, number);
    stand_by(*connection, number, *device);
    around_.shard->close_after_reading(*connection, CloseReason::superseded, later_one_has_the_id);
}

/// A connection that has ended takes the id from no other, so that it has nothing to wait for: its plain items are
/// admitted. Numbered ones were not acknowledged, and the device sends them again. Nothing is admitted of one without
/// proof that claims the id of an authenticated one.
void Devices::end_wait(Connection& connection, Token number, EndedBy by) {
    Device* device = find(number);
    if (device == nullptr || !device->is_pending()) return;
    if (by == EndedBy::peer) return claim_again(number);
    device->standing == Device::Standing::unproved ? refuse(connection, number) : stand_by(connection, number, *device);
}

/// Another connection speaks for the device.
void Devices::stand_by(Connection& connection, Token number, Device& device) {
    device.standing = Device::Standing::bystander;
    (*counters_)[connection.listener]->stale_claims.increment();
    on_settled_(connection, number);
    around_.shard->release(connection);
}

/// The holder is authenticated and this connection is not. It waits while the holder ends: what that one has sent may
/// still have to be read.
void Devices::claim_after(Connection& connection, Token number, Device& device, Token holder) {
    constexpr std::chrono::milliseconds pause{10};
    if (peer_has_shut(connection.fd)) return refuse(connection, number);
    device.standing = Device::Standing::unproved;
    around_.shard->run_at(around_.shard->time().steady + pause, [this, number, holder] {
        Device* waiting = find(number);
        if (waiting != nullptr && waiting->is_pending()) contest(number, *waiting, holder, waiting->standing);
    });
}

void Devices::claim_again(Token number) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr || !device->is_pending()) return;
    const auto made = claim(*connection, number, device->id, device->proved);
    if (made.verdict == ClaimVerdict::denied) return claim_after(*connection, number, *device, *made.other);
    settle(*connection, number, *device, made);
    switch (device->standing) {
        case Device::Standing::holder:
            on_settled_(*connection, number);
            if (!device->counts()) return around_.shard->release(*connection);
            if (!device->former_ends) ask_former_numbers(number);
            return;
        case Device::Standing::bystander:
            on_settled_(*connection, number);
            return around_.shard->release(*connection);
        case Device::Standing::delayed:
        case Device::Standing::contested:
        case Device::Standing::unproved:
            return;
    }
}

}  // namespace holdfast
