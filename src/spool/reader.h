#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/directory.h"
#include "spool/segment_index.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

namespace holdfast {

inline constexpr std::string_view file_was_removed = "the file was removed, and not by retention";

/// Reads pages across the files of events. Owns at most four connections. Before it reports damage or a failure, it
/// reads again over fresh connections, with pauses. Any thread; calls are serialized.
class SpoolReader {
public:
    struct Reports {
        std::function<void(const MissingRange&)> damaged;          ///< damaged in several fresh reads
        std::function<bool(Position)> is_damaged;                  ///< whether the position was already reported
        std::function<void(Position first, Position last)> whole;  ///< read successfully
        std::function<void(const std::string& error)> trouble;     ///< once when reading begins to fail
        std::function<void()> recovered;                           ///< once when all positions can be read again
    };
    struct Figures {
        std::string error;         ///< why events cannot be read; empty while every requested event can be read
        std::uint64_t errors = 0;  ///< failed reads since the start
    };

    SpoolReader(const SpoolDirectory& directory, const SegmentIndex& book, Reports reports)
        : directory_(directory), book_(book), reports_(std::move(reports)) {}

    /// Returns a page of events after `after`. Fails if reading fails; never skips what cannot be read.
    [[nodiscard]] Result<SpoolPage> read(Position after, std::size_t max_events, std::size_t max_bytes);
    /// Calls `work` while no connection to that file is open.
    void without(Position segment, const std::function<void()>& work);
    /// Reads these positions, and those that could not be read, over fresh connections.
    void read_again(std::vector<Position> positions);
    [[nodiscard]] Figures figures() const;

private:
    static constexpr std::size_t max_open = 4;
    static constexpr int max_rows_checked = 4096;  // in one call: bounds the time for holes and tiny rows

    struct Open {
        Position segment = 0;
        SegmentReader reader;
    };

    /// First unreadable position of a file, with the error.
    struct Trouble {
        Position at = 0;
        std::string why;
    };

    enum class Went : std::uint8_t { on, stop, failed, doubtful };
    [[nodiscard]] std::optional<Result<SpoolPage>> try_to_read(Position after, std::size_t max_events,
                                                               std::size_t max_bytes);
    [[nodiscard]] Went go_on(SpoolPage& page, Position& wanted, std::size_t max_events, std::size_t max_bytes);
    [[nodiscard]] SegmentReader* reader_of(Position segment);
    [[nodiscard]] SegmentReader::Found find(Position wanted, SegmentIndex::Span span);
    [[nodiscard]] Went take_damage(SpoolPage& page, Position& wanted, MissingRange hole, Position segment);
    [[nodiscard]] static Went take_hole(SpoolPage& page, Position& wanted, MissingRange hole);
    void read_again_at(Position position);
    void drop(Position segment);
    void note_failure(Position segment, Position at);
    void note_success(Position segment, Position first, Position last);
    void end_trouble(Position segment, Position first, Position last);
    void forget_trouble(const std::function<bool(Position segment, const Trouble& trouble)>& is_over);

    const SpoolDirectory& directory_;
    const SegmentIndex& book_;
    const Reports reports_;

    std::mutex mutex_;
    std::list<Open> open_;  // most recently used first
    SegmentReader::Row latest_;
    std::size_t bytes_ = 0;        // in the page so far
    bool damage_counts_ = false;   // consecutive reads found it
    bool failure_counts_ = false;  // enough consecutive reads failed
    bool is_doubtful_ = false;     // the latest read found damage that does not count yet
    DbError error_;

    mutable std::mutex trouble_mutex_;      // separate, so that a status does not wait for the disk
    std::map<Position, Trouble> troubles_;  // guarded by trouble_mutex_; by segment
    std::uint64_t errors_ = 0;              // guarded by trouble_mutex_
};

}  // namespace holdfast
