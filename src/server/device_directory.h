#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <holdfast/endpoint.h>

#include "base/takeover_backoff.h"
#include "conn/connection.h"
#include "reactor/poller.h"
#include "server/duplicate_book.h"

namespace holdfast {

/// A connection that claims to speak for a device.
struct Claimant {
    Token number = 0;
    bool authenticated = false;
    bool ended = false;  ///< its peer has sent FIN or RST
    AcceptTime accepted = {};
    Endpoint peer = {};
};

/// Holder of a device's id.
struct DeviceHolder {
    Token number = 0;
    bool authenticated = false;
    bool ended = false;  ///< its peer had sent FIN or RST when it claimed
    AcceptTime accepted = {};
    SteadyTime next_takeover{};  ///< none before; see TakeoverBackoff
};

enum class ClaimVerdict : std::uint8_t {
    granted,  ///< the claimant speaks for the device from now on
    denied,   ///< the holder is authenticated, the claimant is not
    ended,    ///< the claimant's peer has shut down: it takes nothing from another
    older,    ///< the holder connected later
    delayed,  ///< takeovers of this id come in a row: the claim counts only later
};
/// Decides between a holder and another connection: authentication first, then life, then the order of accept. Pure.
[[nodiscard]] ClaimVerdict judge_claim(const DeviceHolder& holder, const Claimant& claimant, SteadyTime now);

/// Which connection speaks for each device: the newest that has said its id. Shared by all reactors; any thread, and
/// never waits longer than for a look into a table.
class DeviceDirectory {
public:
    struct Claim {
        ClaimVerdict verdict{};
        std::optional<Token> other = {};  ///< granted: the holder until now, if any; older: the holder
        SteadyTime again{};               ///< delayed: when to claim again
    };
    Claim claim(std::string_view id, const Claimant& claimant, SteadyTime now);
    /// The peer of the connection has shut down: if it is still the holder, it gives way to any that lives.
    void note_ended(std::string_view id, Token holder);
    /// The connection has ended; nothing happens if the device has a newer one.
    void release(std::string_view id, Token mine);
    [[nodiscard]] std::optional<Token> find(std::string_view id) const;
    void note_duplicate(const DuplicateDevice& duplicate, SteadyTime now) { duplicates_.note(duplicate, now); }
    /// Returns the ids whose takeovers were delayed within the last minute, the latest first.
    [[nodiscard]] std::vector<DuplicateDevice> duplicates(SteadyTime now) const { return duplicates_.recent(now); }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view id) const noexcept { return std::hash<std::string_view>{}(id); }
    };
    /// Only of a device that has been taken over: from one connection by another.
    struct Takeovers {
        TakeoverBackoff backoff;
        Endpoint holder;
        std::uint64_t count = 0;
    };
    struct Entry {
        DeviceHolder holder;
        std::unique_ptr<Takeovers> takeovers = {};
    };
    // Many, so that reactors seldom meet at one.
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries;  // guarded by mutex
    };
    static constexpr std::size_t part_count = 64;

    [[nodiscard]] Part& part_of(std::string_view id) { return parts_[Hash{}(id) % part_count]; }
    [[nodiscard]] const Part& part_of(std::string_view id) const { return parts_[Hash{}(id) % part_count]; }
    static std::optional<Token> take_over(Entry& entry, const Claimant& claimant, SteadyTime now);
    void note_rival(std::string_view id, const Entry& entry, const Claimant& claimant, SteadyTime now);

    std::array<Part, part_count> parts_;
    DuplicateBook duplicates_;
};

}  // namespace holdfast
