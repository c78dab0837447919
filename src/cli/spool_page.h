#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// An answer of GET /v1/spool.
struct ReadPage {
    std::string lines;  ///< events byte for byte, each with a line feed
    std::uint64_t events = 0;
    std::uint64_t next_after = 0;
    std::uint64_t newest = 0;
    std::vector<std::string> missing;  ///< "events 5 to 9 are missing: ..."
};

/// Reads an answer. Returns an error if it is malformed. Pure.
[[nodiscard]] Result<ReadPage> read_spool_page(const std::string& body);

/// Returns the position of a group in an answer of GET /v1/spool/groups, or 0 if the group is absent. Pure.
[[nodiscard]] Result<std::uint64_t> read_group_position(const std::string& body, const std::string& group);

}  // namespace holdfast
