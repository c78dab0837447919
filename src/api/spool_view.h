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

/// Events of the spool as JSON, byte for byte as they were written: the positions `first` to `last` without a gap.
struct SpoolExtract {
    struct Missing {
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        std::string why;
    };

    std::uint64_t first = 0;  ///< 0: no event
    std::uint64_t last = 0;
    std::string events;            ///< objects separated by commas
    std::vector<Missing> missing;  ///< positions skipped on the way to `first`
    std::uint64_t next_after = 0;  ///< `after` of the next read
    std::uint64_t newest = 0;      ///< newest durable event at the time
};

struct SpoolGroupRow {
    std::string name;
    std::uint64_t position = 0;  ///< the group has every event up to here
    bool required = false;
    EventTime moved_at;
};

/// A consumer's request to move its group. With `after`, the group moves only from that position.
struct GroupMove {
    std::uint64_t position = 0;
    std::optional<std::uint64_t> after = {};
    std::string consumer = {};  ///< unique name of the consumer; empty: unnamed
};

/// The operations of the spool that the admin API uses. Any thread. Every call may wait for the disk.
class SpoolView {
public:
    virtual ~SpoolView() = default;

    /// Reads events after `after`: at least one if one exists, at most `most_events`, and at most `most_bytes` after
    /// the first.
    [[nodiscard]] virtual Result<SpoolExtract> read(std::uint64_t after, std::size_t most_events,
                                                    std::size_t most_bytes) = 0;
    /// Waits for at most `timeout`. Returns true if there is an event after `after`.
    [[nodiscard]] virtual bool wait_for(std::uint64_t after, std::chrono::milliseconds timeout) = 0;
    [[nodiscard]] virtual std::uint64_t newest() = 0;

    [[nodiscard]] virtual std::vector<SpoolGroupRow> groups() = 0;
    /// Moves a group. The position is durable when the call returns.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, std::uint64_t position) = 0;
    [[nodiscard]] virtual std::optional<Error> remove_group(const std::string& group) = 0;

    /// Moves the group if its position is still `after`, because two consumers of one group would skip each other's
    /// events. Returns nullopt after a move, or the current position if another consumer has moved the group since. A
    /// consumer may repeat a move whose answer was lost.
    [[nodiscard]] Result<std::optional<std::uint64_t>> move_group(const std::string& group, const GroupMove& move);

private:
    std::mutex moving_;
    std::map<std::string, std::string> latest_movers_;  // guarded by moving_: consumers by group, in this process
};

/// Returns true for a valid name: 1 to 64 of A-Z a-z 0-9 _ . -. Pure.
[[nodiscard]] bool is_group_name(std::string_view name) noexcept;

}  // namespace holdfast
