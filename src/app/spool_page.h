#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// An answer of GET /v1/spool.
struct ReadPage {
    std::string lines;  ///< the events byte for byte, each with a '\n'
    std::uint64_t events = 0;
    std::uint64_t next_after = 0;
    std::uint64_t newest = 0;
    std::vector<std::string> missing;  ///< "events 5 to 9 are missing: ..."
};

/// Reads one; an Error says that it is none. Pure.
[[nodiscard]] Result<ReadPage> read_spool_page(const std::string& body);

/// The position of a group in an answer of GET /v1/spool/groups; 0 if there is no such group. Pure.
[[nodiscard]] Result<std::uint64_t> read_group_position(const std::string& body, const std::string& group);

}  // namespace holdfast
