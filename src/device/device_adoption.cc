#include <utility>

#include "device/device_sessions.h"

namespace holdfast {

// Keeps each device's name and session for the next process, and takes over those of the process before.

bool DeviceSessions::adopt(Connection& connection, Token number, const KeptDevice& left, bool ends) {
    const auto identity = static_cast<Identity>(left.identity);
    const bool counts = left.session_size > 0;
    const bool is_named =
        !ends && (!counts || around_.durable != nullptr) && name(connection, number, std::string(left.id()), identity);
    if (!is_named) {  // its `closed` event names it
        connection.identify(identity);
        (*counters_)[connection.listener]->identified.increment();
        devices_[number] = {.id = std::string(left.id()), .session = std::string(left.session()), .numbers = {}};
        devices_[number].standing = Device::Standing::bystander;
    }
    Device& device = devices_[number];
    device.token = left.token;
    device.session = left.session();
    device.from = left.from;
    device.given = left.reported != 0;
    return is_named;
}

void DeviceSessions::go_on(Connection& connection, Token number, bool lost) {
    Device& device = devices_[number];
    device.resyncs = lost && device.counts();
    if (device.standing == Device::Standing::bystander) return;
    connection.paused = device.is_pending() || device.counts();
    if (device.standing == Device::Standing::holder && device.counts() && !device.former_ends) request_resume(number);
}

void DeviceSessions::note_given(Token number, Device& device) {
    device.given = true;
    around_.shard->kept_devices().note_reported(Registry::slot_of(number), true);
}

bool DeviceSessions::begins_at(Token number, Device& device, Identity identity, std::uint64_t seq) {
    if (!device.numbers.begins_at(seq)) return false;
    device.from = seq;
    keep(number, device, identity);
    return true;
}

/// Keeps the device's name for the next process. Before its claim: the process may end at any instruction.
void DeviceSessions::keep(Token number, const Device& device, Identity identity) {
    KeptDevice kept{.number = number,
                    .token = device.token,
                    .from = device.from,
                    .identity = static_cast<std::uint8_t>(identity),
                    .reported = static_cast<std::uint8_t>(device.given ? 1 : 0)};
    if (kept.set(device.id, device.session)) around_.shard->kept_devices().note(Registry::slot_of(number), kept);
}

void DeviceSessions::keep_greeted(const Connection& connection, Token number, const Hello& hello, bool counts,
                                  TokenMark token) {
    const Device* const certified = find(number);
    keep(number,
         {.id = hello.id,
          .session = counts ? hello.session : std::string(),
          .numbers = {},
          .from = counts ? hello.from : 0,
          .token = token,
          .given = certified != nullptr && certified->given},
         connection.is_identified() ? connection.identity : identity_of(token != 0));
}

}  // namespace holdfast
