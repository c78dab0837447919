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
#include <holdfast/status.h>

#include "base/clock.h"
#include "conn/connection.h"
#include "model/identity.h"
#include "model/takeover_backoff.h"
#include "reactor/poller.h"

namespace holdfast {

/// Stores the ids that several devices seem to share, with the two latest addresses of each. At most 64; beyond that
/// the oldest entry is replaced. Any thread.
class DuplicateLog {
public:
    static constexpr std::size_t max_entries = max_duplicates;
    static constexpr std::chrono::seconds kept{60};

    void note(const DuplicateDevice& device, SteadyTime now);
    /// Returns the ids recorded within `kept`, the latest first.
    [[nodiscard]] std::vector<DuplicateDevice> recent(SteadyTime now) const;

private:
    struct Entry {
        DuplicateDevice device;
        SteadyTime noted{};
    };

    mutable std::mutex mutex_;
    std::vector<Entry> entries_;  // guarded by mutex_
};

/// A connection that claims a device's id.
struct Claimant {
    Token number = 0;
    Identity identity = Identity::none;
    bool ended = false;  ///< its peer has sent FIN or RST
    AcceptTime accepted = {};
    Endpoint peer = {};
};

/// The connection that holds a device's id.
struct DeviceHolder {
    Token number = 0;
    Identity identity = Identity::none;
    bool ended = false;  ///< its peer had sent FIN or RST at its claim
    AcceptTime accepted = {};
    SteadyTime next_takeover{};  ///< unset before the first takeover; see TakeoverBackoff
};

enum class ClaimVerdict : std::uint8_t {
    granted,  ///< the claimant holds the id from now on
    denied,   ///< the holder is authenticated, the claimant is not
    ended,    ///< the claimant's peer has shut down: it supersedes no other connection
    older,    ///< the holder connected later
    delayed,  ///< takeovers of this id follow each other quickly: the claim is repeated later
};
/// Decides between a holder and a claimant: authentication first, then life, then the order of accept. Pure.
[[nodiscard]] ClaimVerdict classify_claim(const DeviceHolder& holder, const Claimant& claimant, SteadyTime now);

/// Maps each device id to the connection that holds it: the newest one that claimed it. Shared by all reactors; any
/// thread. Never waits longer than for a table look-up.
class DeviceIndex {
public:
    struct Claim {
        ClaimVerdict verdict{};
        std::optional<Token> other = {};  ///< granted: the previous holder, if any; older: the holder
        SteadyTime again{};               ///< delayed: when to claim again
    };
    Claim claim(std::string_view id, const Claimant& claimant, SteadyTime now);
    /// Records that the connection's peer has shut down. If it is still the holder, any living claimant supersedes it.
    void note_ended(std::string_view id, Token holder);
    /// Releases the id of an ended connection. Does nothing if the device has a newer one.
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
    /// Exists only for a device that another connection has superseded.
    struct Takeovers {
        TakeoverBackoff backoff;
        Endpoint holder;
        std::uint64_t count = 0;
    };
    struct Entry {
        DeviceHolder holder;
        std::unique_ptr<Takeovers> takeovers = {};
    };
    // Many parts, so that reactors rarely contend for one.
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
    DuplicateLog duplicates_;
};

}  // namespace holdfast
