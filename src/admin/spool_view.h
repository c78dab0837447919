#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/result.h>

namespace holdfast {

/// Events of the spool as JSON, byte for byte as they were written: the positions `first` to `last` without a hole.
struct SpoolExtract {
    struct Missing {
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        std::string why;
    };

    std::uint64_t first = 0;  ///< 0: there is none
    std::uint64_t last = 0;
    std::string events;            ///< the objects, with commas between them
    std::vector<Missing> missing;  ///< positions passed over on the way to `first`
    std::uint64_t next_after = 0;  ///< go on with this
    std::uint64_t newest = 0;      ///< durable event at the time
};

struct SpoolGroupRow {
    std::string name;
    std::uint64_t position = 0;  ///< it has had everything up to here
    bool required = false;
    EventTime moved_at;
};

/// A consumer's wish to move its group. With `after` the group moves only from there.
struct GroupMove {
    std::uint64_t position = 0;
    std::optional<std::uint64_t> after = {};
    std::string consumer = {};  ///< its own name, which no other has; empty: it has none
};

/// What the admin API asks of the spool. Any thread; every call may wait for the disk.
class SpoolView {
public:
    virtual ~SpoolView() = default;

    /// Events behind `after`: at least one if there is one, at most so many, and no more bytes than that beyond the
    /// first.
    [[nodiscard]] virtual Result<SpoolExtract> read(std::uint64_t after, std::size_t most_events,
                                                    std::size_t most_bytes) = 0;
    /// Whether there is an event behind `after`; waits for one, at most so long.
    [[nodiscard]] virtual bool wait_for(std::uint64_t after, std::chrono::milliseconds patience) = 0;
    [[nodiscard]] virtual std::uint64_t newest() = 0;

    [[nodiscard]] virtual std::vector<SpoolGroupRow> groups() = 0;
    /// Durable when it returns.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, std::uint64_t position) = 0;
    [[nodiscard]] virtual std::optional<Error> remove_group(const std::string& group) = 0;

    /// Moves the group if it is where the consumer left it: two consumers of one group would skip each other's events.
    /// Returns nullopt if it has moved, or the position where it stays because another consumer has moved it since.
    /// The same move may come again, since an answer can be lost.
    [[nodiscard]] Result<std::optional<std::uint64_t>> move_group(const std::string& group, const GroupMove& move);

private:
    std::mutex moving_;
    std::map<std::string, std::string> latest_movers_;  // guarded by moving_: consumers by group, in this process
};

/// 1 to 64 of A-Z a-z 0-9 _ . - : what a group may be called. Pure.
[[nodiscard]] bool is_group_name(std::string_view name) noexcept;

}  // namespace holdfast
