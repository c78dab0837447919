#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

/// An answer of GET /v1/spool.
struct ReadPage {
    std::string lines;  ///< events byte for byte, each with a line feed
    std::uint64_t events = 0;
    std::uint64_t next_after = 0;
    std::uint64_t newest = 0;
    std::vector<std::string> missing;  ///< "events 5 to 9 are missing: ..."
};

/// Reads an answer. Returns nullopt if it is malformed. Pure.
[[nodiscard]] std::optional<ReadPage> read_spool_page(const std::string& body);

/// Returns the position of a group in an answer of GET /v1/spool/groups, 0 if the group is absent, or nullopt if the
/// answer is malformed. Pure.
[[nodiscard]] std::optional<std::uint64_t> read_group_position(const std::string& body, const std::string& group);

}  // namespace holdfast
