#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// Who besides root may have a file's content. Not everybody may write it in any case; unless everybody may read it,
/// nobody but its owner may.
enum class Readers : std::uint8_t { everybody, group, owner };

/// What is asked of a file before it is read.
struct FileRules {
    std::size_t largest;  ///< bytes
    Readers readers = Readers::everybody;
    std::string_view remedy = "change its rights or name another file";  ///< where it cannot be opened or read
};

/// A regular file, whole. The error begins with `what` ("the token file"; may be empty) and the path. For
/// Readers::owner a file below systemd's CREDENTIALS_DIRECTORY may have the group's read bit: there it is the mask of
/// an access list.
[[nodiscard]] Result<std::string> read_input_file(std::string_view what, const std::string& path,
                                                  const FileRules& rules);

}  // namespace holdfast
