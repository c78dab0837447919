#include <utility>

#include "base/check.h"
#include "codec/hello.h"
#include "server/devices.h"
#include "tcp/peer_state.h"

namespace holdfast {

// Which connection speaks for a device. The directory decides; what follows from it is here.

/// Says whose the connection is.
void Devices::name(Connection& connection, Token number, std::string id, bool proved) {
    const auto made = claim(connection, number, id, proved);
    connection.named = true;
    (*counters_)[connection.listener]->identified.increment();
    Device& device = devices_[number];
    device = {.id = std::move(id), .session = {}, .numbers = {}, .proved = proved};
    settle(connection, number, device, made);
}

/// The holder of the id is authenticated and this connection is not: it ends, and never was the device's.
void Devices::refuse(Connection& connection, Token number) {
    connection.named = false;
    (*counters_)[connection.listener]->identified.decrement();
    devices_.erase(number);
    around_.shard->close(connection, CloseReason::unauthenticated, another_has_proved);
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
    if (!lives) around_.directory->note_ended(device->id, holder);
    if (!lives || device->standing == Device::Standing::unproved) return claim_again(number);
    stand_by(*connection, number, *device);
    around_.shard->close_after_reading(*connection, CloseReason::superseded, later_one_has_the_id);
}

/// A connection that has ended takes the id from no other, so that it has nothing to wait for: its plain items are
/// admitted. Numbered ones were not acknowledged, and the device sends them again.
void Devices::end_wait(Connection& connection, Token number, EndedBy by) {
    Device* device = find(number);
    if (device == nullptr || !device->is_pending()) return;
    by == EndedBy::gateway ? stand_by(connection, number, *device) : claim_again(number);
}

/// Another connection speaks for the device.
void Devices::stand_by(Connection& connection, Token number, Device& device) {
    device.standing = Device::Standing::bystander;
    (*counters_)[connection.listener]->stale_claims.increment();
    on_settled_(connection, number);
    around_.shard->release(connection);
}

void Devices::claim_again(Token number) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr || !device->is_pending()) return;
    const auto made = claim(*connection, number, device->id, device->proved);
    const bool is_last = device->standing == Device::Standing::unproved || peer_has_shut(connection->fd);
    if (made.verdict == ClaimVerdict::denied && is_last) return refuse(*connection, number);
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
