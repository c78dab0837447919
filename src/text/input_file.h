#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// Accounts besides root that may read a file. World-writable files are always rejected. Unless all may read the
/// file, only its owner may write it.
enum class Readers : std::uint8_t { all, group, owner };

/// Requirements that a file must meet before it is read.
struct FileRules {
    std::size_t largest;  ///< bytes
    Readers readers = Readers::all;
    std::string_view remedy = "change its rights or name another file";  ///< if it cannot be opened or read
};

/// Reads a whole regular file. The error begins with `what` ("the token file"; may be empty) and the path. With
/// Readers::owner a file below systemd's CREDENTIALS_DIRECTORY may have the group's read bit, which is the mask of an
/// access control list there.
[[nodiscard]] Result<std::string> read_input_file(std::string_view what, const std::string& path,
                                                  const FileRules& rules);

/// Returns why a library that opens `path` by itself gets no file of at most 1 MiB there ("is not a regular file"), or
/// nullopt. A FIFO or a device would block the library.
[[nodiscard]] std::optional<std::string> why_not_readable(const std::string& path);

/// Reads a file that contains a secret: at most 64 KiB, readable by its owner only (see read_input_file).
[[nodiscard]] Result<std::string> read_secret_file(std::string_view what, const std::string& path);

/// Reads a file of bearer tokens (RFC 6750, 2.1), one per line, each of 16 to 256 characters; '#' starts a comment
/// line. Returns at least one token.
[[nodiscard]] Result<std::vector<std::string>> read_bearer_tokens(const std::string& path);

/// Reads a file with one HTTP header (RFC 9110, 5) on one line. Returns "Name: value".
[[nodiscard]] Result<std::string> read_header_file(const std::string& path);

}  // namespace holdfast
