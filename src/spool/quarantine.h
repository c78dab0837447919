#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

/// Holds the positions whose rows were damaged in several fresh reads and have not been read well since. Any thread.
class Quarantine {
public:
    struct Damage {
        Position last = 0;
        std::string why;
        WallTime at;
    };
    using Damages = std::map<Position, Damage>;  ///< by the first position; without overlap
    struct Figures {
        std::uint64_t rows = 0;  ///< ranges
        std::uint64_t events = 0;
    };

    void load(Damages damages);
    /// Adds a range. Returns true if a part of it was not in quarantine yet.
    bool add(const MissingRange& range, WallTime at);
    /// Removes a range whose events could be read, or which retention has removed. Returns true if any of it was in
    /// quarantine.
    bool remove(Position first, Position last);
    [[nodiscard]] bool has(Position position) const;
    [[nodiscard]] Figures figures() const;
    /// Returns the first positions of at most `max` ranges after `position`.
    [[nodiscard]] std::vector<Position> behind(Position position, std::size_t max) const;

    /// Content to store, with a revision for saved().
    struct Unsaved {
        Damages damages;
        std::uint64_t revision = 0;
    };
    [[nodiscard]] std::optional<Unsaved> unsaved() const;
    void saved(std::uint64_t revision);

private:
    [[nodiscard]] bool cover(Position first, Position last) const;
    bool take_out(Position first, Position last);
    void put(Position first, Damage damage);

    mutable std::mutex mutex_;
    Damages damages_;             // guarded by mutex_
    Figures figures_;             // guarded by mutex_
    std::uint64_t revision_ = 0;  // guarded by mutex_
    std::uint64_t stored_ = 0;    // guarded by mutex_: the revision in spool.db
};

}  // namespace holdfast
