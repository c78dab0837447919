#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "reactor/poller.h"

namespace holdfast {

/// Which connection speaks for a device now: the newest that said its id. Shared by all reactors; any thread, and never
/// waits longer than for a look into a table.
class DeviceDirectory {
public:
    /// What became of a claim.
    struct Claim {
        bool granted = true;
        std::optional<Token> former = {};  ///< whose it was, if it was another's
    };
    /// From now on it is `mine`; unless it is one's that has proved to be the device, and this one has not.
    Claim claim(std::string_view id, Token mine, bool authenticated);
    /// The connection has ended; nothing happens if the device has a newer one.
    void release(std::string_view id, Token mine);
    [[nodiscard]] std::optional<Token> find(std::string_view id) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view id) const noexcept { return std::hash<std::string_view>{}(id); }
    };
    struct Holder {
        Token number;
        bool authenticated;
    };
    // Many, so that reactors seldom meet at one.
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<std::string, Holder, Hash, std::equal_to<>> holders;  // guarded by mutex
    };
    static constexpr std::size_t part_count = 64;

    [[nodiscard]] Part& part_of(std::string_view id) { return parts_[Hash{}(id) % part_count]; }
    [[nodiscard]] const Part& part_of(std::string_view id) const { return parts_[Hash{}(id) % part_count]; }

    std::array<Part, part_count> parts_;
};

}  // namespace holdfast
