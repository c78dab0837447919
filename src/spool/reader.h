#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "spool/directory.h"
#include "spool/segment_book.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

namespace holdfast {

inline constexpr std::string_view file_was_removed = "its file was removed, and not by retention";

/// Reads pages across the files, and tells of damage that it meets. Owns a few connections. Any thread; they take
/// turns.
class SpoolReader {
public:
    SpoolReader(const SpoolDirectory& directory, const SegmentBook& book,
                std::function<void(const MissingRange&)> on_damage)
        : directory_(directory), book_(book), on_damage_(std::move(on_damage)) {}

    [[nodiscard]] Result<SpoolPage> read(Position after, std::size_t most_events, std::size_t most_bytes);
    /// Calls `work` while no connection to that file is open.
    void without(Position segment, const std::function<void()>& work);

private:
    static constexpr std::size_t most_open = 4;
    static constexpr int most_rows_looked_at = 4096;  // in one call: holes and tiny rows must not take for ever

    struct Open {
        Position segment = 0;
        SegmentReader reader;
    };

    enum class Went : std::uint8_t { on, stop, failed };
    [[nodiscard]] Went go_on(SpoolPage& page, Position& wanted, std::size_t most_events, std::size_t most_bytes);
    [[nodiscard]] SegmentReader* reader_of(Position segment);
    [[nodiscard]] SegmentReader::Found find(Position wanted, SegmentBook::Span span);
    [[nodiscard]] Went take_hole(SpoolPage& page, Position& wanted, MissingRange hole, bool damage);
    void drop(Position segment);

    const SpoolDirectory& directory_;
    const SegmentBook& book_;
    const std::function<void(const MissingRange&)> on_damage_;

    std::mutex mutex_;
    std::list<Open> open_;  // the latest used first
    SegmentReader::Row latest_;
    std::size_t bytes_ = 0;  // in the page so far
    DbError error_;
};

}  // namespace holdfast
