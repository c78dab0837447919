#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "spool/spool.h"

namespace holdfast {

/// What a copy of a spool holds.
struct SpoolCopy {
    std::string id;
    std::uint64_t files = 0;  ///< of events
    std::uint64_t bytes = 0;
    Position first = 0;                ///< of the oldest file
    std::vector<std::string> damaged;  ///< files that SQLite cannot read, copied byte by byte
};

/// Copies the spool in `from` into the directory `to`, which is made if it is missing and must be empty. The copy is
/// consistent while a gateway writes to `from`: it holds every event up to some moment behind the call, and the groups
/// and sessions of that moment or an earlier one. An interrupted copy is no spool until a later call has finished it.
/// A gateway that is started on a copy begins a new file of events, whose epoch tells its events from the original's.
[[nodiscard]] Result<SpoolCopy> copy_spool(const std::string& from, const std::string& to);

/// What verify_spool() has read.
struct SpoolVerdict {
    std::string id;
    std::uint64_t files = 0;
    std::uint64_t rows = 0;
    std::uint64_t events = 0;
    Position first = 0;  ///< 0: there is no event
    Position last = 0;
    std::vector<SpoolGroup> groups;
    std::vector<MissingRange> missing;  ///< damaged or without a row
    std::vector<std::string> problems;  ///< of the files as such
    [[nodiscard]] bool is_sound() const { return missing.empty() && problems.empty(); }
};

/// Reads every row of a spool and checks it; writes nothing but SQLite's index of a log. A gateway may use the spool
/// meanwhile. Errors: there is no spool, reading fails.
[[nodiscard]] Result<SpoolVerdict> verify_spool(const std::string& directory);

}  // namespace holdfast
