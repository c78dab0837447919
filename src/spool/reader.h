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
#include "spool/segment_book.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

namespace holdfast {

inline constexpr std::string_view file_was_removed = "its file was removed, and not by retention";

/// Reads pages across the files. What looks damaged, or cannot be read, is read again over fresh connections, with
/// pauses, before it is told of. Owns a few connections. Any thread; they take turns.
class SpoolReader {
public:
    struct Reports {
        std::function<void(const MissingRange&)> damaged;          ///< each of several fresh reads said so
        std::function<bool(Position)> is_damaged;                  ///< it was told before
        std::function<void(Position first, Position last)> whole;  ///< these could be read
        std::function<void(const std::string& error)> trouble;     ///< once when reading begins to fail
        std::function<void()> recovered;                           ///< once when all can be read again
    };
    struct Figures {
        std::string error;         ///< why events cannot be read; empty while all that was asked for can
        std::uint64_t errors = 0;  ///< failed reads since the start
    };

    SpoolReader(const SpoolDirectory& directory, const SegmentBook& book, Reports reports)
        : directory_(directory), book_(book), reports_(std::move(reports)) {}

    /// Errors: reading fails; what cannot be read is not passed over.
    [[nodiscard]] Result<SpoolPage> read(Position after, std::size_t most_events, std::size_t most_bytes);
    /// Calls `work` while no connection to that file is open.
    void without(Position segment, const std::function<void()>& work);
    /// Reads these positions, and those that could not be read, over fresh connections.
    void look_again(std::vector<Position> positions);
    [[nodiscard]] Figures figures() const;

private:
    static constexpr std::size_t most_open = 4;
    static constexpr int most_rows_looked_at = 4096;  // in one call: holes and tiny rows must not take for ever

    struct Open {
        Position segment = 0;
        SegmentReader reader;
    };

    /// What could not be read of a file.
    struct Trouble {
        Position at = 0;
        std::string why;
    };

    enum class Went : std::uint8_t { on, stop, failed, doubtful };
    [[nodiscard]] std::optional<Result<SpoolPage>> try_to_read(Position after, std::size_t most_events,
                                                               std::size_t most_bytes);
    [[nodiscard]] Went go_on(SpoolPage& page, Position& wanted, std::size_t most_events, std::size_t most_bytes);
    [[nodiscard]] SegmentReader* reader_of(Position segment);
    [[nodiscard]] SegmentReader::Found find(Position wanted, SegmentBook::Span span);
    [[nodiscard]] Went take_damage(SpoolPage& page, Position& wanted, MissingRange hole, Position segment);
    [[nodiscard]] static Went take_hole(SpoolPage& page, Position& wanted, MissingRange hole);
    void look_again_at(Position position);
    void drop(Position segment);
    void note_failure(Position segment, Position at);
    void note_success(Position segment, Position first, Position last);
    void end_trouble(Position segment, Position first, Position last);
    void forget_trouble(const std::function<bool(Position segment, const Trouble& trouble)>& is_over);

    const SpoolDirectory& directory_;
    const SegmentBook& book_;
    const Reports reports_;

    std::mutex mutex_;
    std::list<Open> open_;  // the latest used first
    SegmentReader::Row latest_;
    std::size_t bytes_ = 0;        // in the page so far
    bool damage_counts_ = false;   // looks in a row have found it
    bool failure_counts_ = false;  // looks have failed often enough
    bool is_doubtful_ = false;     // the look found damage that does not count yet
    DbError error_;

    mutable std::mutex trouble_mutex_;      // a status must not wait for the disk
    std::map<Position, Trouble> troubles_;  // guarded by trouble_mutex_; by segment
    std::uint64_t errors_ = 0;              // guarded by trouble_mutex_
};

}  // namespace holdfast
