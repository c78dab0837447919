#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "spool/spool.h"

namespace holdfast {

/// Counts and extent of the copy of a spool.
struct SpoolCopy {
    std::string id;
    std::uint64_t files = 0;  ///< files of events
    std::uint64_t bytes = 0;
    Position first = 0;                ///< first position of the oldest file
    std::vector<std::string> damaged;  ///< files that SQLite cannot read, copied byte by byte
};

/// Copies the spool in `from` into the directory `to`, which is created if it is missing and must be empty. The copy is
/// consistent while a gateway writes to `from`. The copy holds every event up to a moment after the call, and the
/// groups and sessions of that moment or an earlier one. An interrupted copy is not a usable spool until a later call
/// finishes it. A gateway that starts on a copy begins a new file of events, whose epoch distinguishes its events from
/// those of the original.
[[nodiscard]] Result<SpoolCopy> copy_spool(const std::string& from, const std::string& to);

/// Result of verify_spool().
struct SpoolVerdict {
    std::string id;
    std::uint64_t files = 0;
    std::uint64_t rows = 0;
    std::uint64_t events = 0;
    Position first = 0;  ///< 0 if there is no event
    Position last = 0;
    std::vector<SpoolGroup> groups;
    std::vector<MissingRange> missing;  ///< damaged, or without a row
    std::vector<std::string> problems;  ///< problems of whole files
    [[nodiscard]] bool is_sound() const { return missing.empty() && problems.empty(); }
};

/// Reads and checks every row of a spool. Writes only SQLite's index of a log. A gateway may use the spool during the
/// call. Fails if there is no spool or if reading fails.
[[nodiscard]] Result<SpoolVerdict> verify_spool(const std::string& directory);

}  // namespace holdfast
