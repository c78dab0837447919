#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// Reads a file that contains a secret: at most 64 KiB, readable by its owner only (see read_input_file).
[[nodiscard]] Result<std::string> read_secret_file(std::string_view what, const std::string& path);

/// Reads a file of bearer tokens (RFC 6750, 2.1), one per line, each of 16 to 256 characters; '#' starts a comment
/// line. Returns at least one token.
[[nodiscard]] Result<std::vector<std::string>> read_bearer_tokens(const std::string& path);

}  // namespace holdfast
