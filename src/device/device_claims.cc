#include <chrono>
#include <utility>

#include "base/check.h"
#include "codec/item.h"
#include "device/device_sessions.h"
#include "tcp/peer_state.h"

namespace holdfast {

// Applies the directory's decisions about which connection holds a device's id.

/// Identifies the connection. Returns false if the claim is denied and the connection has ended: such a claim need not
/// wait.
bool DeviceSessions::name(Connection& connection, Token number, std::string id, Identity identity) {
    const auto made = claim(connection, number, id, identity);
    if (made.verdict == ClaimVerdict::denied && peer_has_shut(connection.fd)) return false;
    connection.identify(identity);
    (*counters_)[connection.listener]->identified.increment();
    Device& device = devices_[number];
    device = {.id = std::move(id), .session = {}, .numbers = {}};
    settle(connection, number, device, made);
    return true;
}

/// Closes the connection as unidentified, since the holder of its id is authenticated and it is not.
void DeviceSessions::refuse(Connection& connection, Token number) {
    connection.unidentify();
    (*counters_)[connection.listener]->identified.decrement();
    devices_.erase(number);
    around_.shard->refuse(connection, CloseReason::unauthenticated, another_has_proved);
}

DeviceIndex::Claim DeviceSessions::claim(const Connection& connection, Token number, std::string_view id,
                                         Identity identity) {
    HOLDFAST_CHECK(around_.directory != nullptr);
    return around_.directory->claim(id,
                                    {.number = number,
                                     .identity = identity,
                                     .ended = peer_has_shut(connection.fd),
                                     .accepted = around_.shard->accept_time_of(connection),
                                     .peer = connection.peer},
                                    around_.shard->time().steady);
}

void DeviceSessions::settle(const Connection& connection, Token number, Device& device,
                            const DeviceIndex::Claim& claim) {
    ListenerCounters& counters = *(*counters_)[connection.listener];
    switch (claim.verdict) {
        case ClaimVerdict::granted:
            device.standing = Device::Standing::holder;
            if (claim.other) supersede(number, device, *claim.other);
            return;
        case ClaimVerdict::denied:
            return contest(number, device, *claim.other, Device::Standing::weaker);
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
            return static_cast<void>(
                around_.shard->reactor().run_at(claim.again, [this, number] { claim_again(number); }));
    }
}

void DeviceSessions::supersede(Token number, Device& device, Token former) {
    device.former_ends = true;
    around_.supersede(former,
                      [this, number, post = around_.post] { post([this, number] { on_former_ended(number); }); });
}

/// Checks whether the holder's peer has shut it down. If the holder was established later, a device may have closed the
/// newer of two connections and continue with the older one. If the holder is authenticated, it may have ended in this
/// turn.
void DeviceSessions::contest(Token number, Device& device, Token holder, Device::Standing standing) {
    device.standing = standing;
    around_.confirm(holder, [this, number, holder, post = around_.post](bool lives) {
        post([this, number, holder, lives] { on_holder_checked(number, holder, lives); });
    });
}

void DeviceSessions::on_holder_checked(Token number, Token holder, bool lives) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr || !device->is_pending()) return;
    if (!lives) {
        around_.directory->note_ended(device->id, holder);
        return claim_again(number);
    }
    if (device->standing == Device::Standing::weaker) return refuse(*connection, number);
    stand_by(*connection, number, *device);
    around_.shard->close_after_reading(*connection, CloseReason::superseded, later_one_has_the_id);
}

/// Ends the wait of a claim. A connection that has ended supersedes no other, so its claim need not wait: its plain
/// items are admitted. Numbered items were not acknowledged, and the device sends them again. An unauthenticated
/// connection that claims the id of an authenticated one is refused with all its items.
void DeviceSessions::end_wait(Connection& connection, Token number, EndedBy by) {
    Device* device = find(number);
    if (device == nullptr || !device->is_pending()) return;
    if (by == EndedBy::peer) return claim_again(number);
    device->standing == Device::Standing::weaker ? refuse(connection, number) : stand_by(connection, number, *device);
}

/// Makes the connection a bystander: another one holds the id.
void DeviceSessions::stand_by(Connection& connection, Token number, Device& device) {
    device.standing = Device::Standing::bystander;
    (*counters_)[connection.listener]->stale_claims.increment();
    on_settled_(connection, number);
    around_.shard->release(connection);
}

/// Keeps a denied claim waiting, and checks the holder again until it is finalized or lives. The holder's peer has sent
/// FIN, but the holder's last bytes may be unread.
void DeviceSessions::claim_after(Connection& connection, Token number, Device& device, Token holder) {
    constexpr std::chrono::milliseconds pause{10};
    if (peer_has_shut(connection.fd)) return refuse(connection, number);
    device.standing = Device::Standing::weaker;
    around_.shard->reactor().run_at(around_.shard->time().steady + pause, [this, number, holder] {
        Device* waiting = find(number);
        if (waiting != nullptr && waiting->is_pending()) contest(number, *waiting, holder, waiting->standing);
    });
}

void DeviceSessions::claim_again(Token number) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr || !device->is_pending()) return;
    const auto made = claim(*connection, number, device->id, connection->identity);
    if (made.verdict == ClaimVerdict::denied) return claim_after(*connection, number, *device, *made.other);
    settle(*connection, number, *device, made);
    switch (device->standing) {
        case Device::Standing::holder:
            on_settled_(*connection, number);
            if (!device->counts()) return around_.shard->release(*connection);
            if (!device->former_ends) request_resume(number);
            return;
        case Device::Standing::bystander:
            on_settled_(*connection, number);
            return around_.shard->release(*connection);
        case Device::Standing::delayed:
        case Device::Standing::contested:
        case Device::Standing::weaker:
            return;
    }
}

}  // namespace holdfast
