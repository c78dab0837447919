#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "spool/directory.h"
#include "spool/manifest.h"
#include "spool/segment_index.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

namespace holdfast {

/// Finds the latest event of each given connection by reading rows from the newest to the oldest. Reads at most
/// `max_bytes` of lines, for at most `max_time`. One thread.
class LastEvents {
public:
    static constexpr std::size_t max_bytes = std::size_t{256} << 20;
    static constexpr std::chrono::seconds max_time{2};

    struct Event {
        std::string at;
        std::optional<std::uint64_t> items;  ///< items up to and including this event
    };

    LastEvents(const SpoolDirectory& directory, const SegmentIndex& book) : directory_(directory), book_(book) {}

    void want(std::string conn) { wanted_.emplace(std::move(conn), Found{}); }
    void read();
    /// Returns nullptr if no event was found.
    [[nodiscard]] const Event* find(std::string_view conn) const;

private:
    struct Found {
        Event event;
        Position row = 0;  ///< 0 until the event is found
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    [[nodiscard]] bool goes_on() const;
    [[nodiscard]] std::optional<SegmentReader> open(const SegmentIndex::Segment& segment,
                                                    SegmentReader::Tail& tail) const;
    void read_segment(const SegmentIndex::Segment& segment);
    void take(const GoodRow& row);
    void take_line(std::string_view line, Position row);

    const SpoolDirectory& directory_;
    const SegmentIndex& book_;
    std::unordered_map<std::string, Found, Hash, std::equal_to<>> wanted_;
    std::size_t found_ = 0;
    std::size_t bytes_ = 0;
    std::chrono::steady_clock::time_point until_;
};

/// The functions that Spool::visit_lost() calls.
struct LostVisit {
    const std::function<void(const LostConnection&)>& visit;
    const std::function<bool(const LostConnection&)>& is_kept;  ///< may be empty
};

/// Calls `calls.visit` with each connection of the table of open ones that is not kept. `each` calls its argument with
/// each row of the table, and is called twice.
void visit_with_last_events(const std::function<void(const std::function<void(const Manifest::OpenRow&)>&)>& each,
                            LastEvents& last, const LostVisit& calls);

}  // namespace holdfast
