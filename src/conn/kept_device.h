#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "model/identity.h"
#include "reactor/poller.h"
#include "text/printable.h"

namespace holdfast {

/// Name and session of a connection's device, in memory that may outlive the process. The process may end at any
/// instruction, so a check covers all members but `reported`. A value.
struct KeptDevice {
    std::uint64_t check = 0;   ///< right_check(), or the entry is not used
    std::uint64_t number = 0;  ///< of the connection
    std::uint64_t token = 0;   ///< mark of the token that authenticated the device; 0: none
    std::uint64_t from = 0;    ///< first number of the session on this connection, as far as the device stated it
    std::uint8_t identity = 0;
    std::uint8_t reported = 0;  ///< an event has named the connection's device
    std::uint8_t id_size = 0;
    std::uint8_t session_size = 0;  ///< 0: its items have no numbers
    std::array<char, max_device_id> id_bytes{};
    std::array<char, max_session> session_bytes{};

    /// Sets the texts. Returns false if they are no device's.
    [[nodiscard]] bool set(std::string_view id, std::string_view session) noexcept {
        if (!is_device_word(id, max_device_id)) return false;
        if (!session.empty() && !is_device_word(session, max_session)) return false;
        id_size = static_cast<std::uint8_t>(id.copy(id_bytes.data(), max_device_id));
        session_size = static_cast<std::uint8_t>(session.copy(session_bytes.data(), max_session));
        return true;
    }
    [[nodiscard]] std::string_view id() const noexcept { return {id_bytes.data(), id_size}; }
    [[nodiscard]] std::string_view session() const noexcept { return {session_bytes.data(), session_size}; }

    /// Returns true if the entry is whole, and of this connection.
    [[nodiscard]] bool is_of(Token connection) const noexcept {
        if (check == 0 || number != connection || id_size > max_device_id || session_size > max_session) return false;
        const auto kind = static_cast<Identity>(identity);
        return check == right_check() && (kind == Identity::claimed || kind == Identity::authenticated) &&
               is_device_word(id(), max_device_id) && (session_size == 0 || is_device_word(session(), max_session));
    }
    [[nodiscard]] std::uint64_t right_check() const noexcept {
        std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
        const auto mix = [&hash](std::uint64_t part) { hash = (hash ^ part) * 0x100'0000'01b3; };
        for (const std::uint64_t part : {number, token, from}) mix(part);
        for (const std::uint8_t part : {identity, id_size, session_size}) mix(part);
        for (const char byte : id()) mix(static_cast<unsigned char>(byte));
        for (const char byte : session()) mix(static_cast<unsigned char>(byte));
        return hash;
    }
};
static_assert(std::is_trivially_copyable_v<KeptDevice>);

/// The devices of a reactor's connections by slot, in kept memory; without memory it keeps nothing. The reactor's
/// thread.
class KeptDevices {
public:
    explicit KeptDevices(std::byte* memory) : entries_(reinterpret_cast<KeptDevice*>(memory)) {}

    /// Keeps the device, whose `number` is set, in the slot of that connection.
    void note(std::uint32_t slot, KeptDevice device) noexcept;
    /// Records whether an event has named the device.
    void note_reported(std::uint32_t slot, bool reported) noexcept {
        if (entries_ != nullptr) entries_[slot].reported = reported ? 1 : 0;
    }
    /// Returns the device of the connection, or nullptr if none is kept.
    [[nodiscard]] const KeptDevice* find(std::uint32_t slot, Token number) const noexcept {
        return entries_ != nullptr && entries_[slot].is_of(number) ? &entries_[slot] : nullptr;
    }

private:
    KeptDevice* entries_;
};

}  // namespace holdfast
