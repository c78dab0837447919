#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "spool/directory.h"
#include "spool/manifest.h"
#include "spool/segment_index.h"
#include "spool/segment_reader.h"
#include "spool/start_retries.h"

namespace holdfast {

/// Reads the files of events at the start, adds them to the SegmentIndex and finds the newest position. One thread.
class Survey {
public:
    struct Parts {
        const SpoolDirectory& directory;
        const Manifest& manifest;
        SegmentIndex& book;
        StartRetries& retries;
    };

    explicit Survey(Parts parts) : parts_(parts) {}

    /// Fails if the newest position is unknown because reading fails.
    [[nodiscard]] std::optional<DbError> run(const std::vector<Position>& segments);

private:
    /// Content of one file.
    struct Facts {
        SegmentReader::Tail tail;
        std::optional<WallTime> oldest;
    };
    [[nodiscard]] std::optional<DbError> inspect(Position first, bool newest, Facts& facts) const;
    [[nodiscard]] std::optional<DbError> inspect_once(Position first, Facts& facts) const;
    [[nodiscard]] std::optional<DbError> inspect_newest(Position first, Facts& facts) const;
    void enter(Position first, std::optional<Position> next, const Facts& facts);

    const Parts parts_;
};

}  // namespace holdfast
