#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// A file whose content is a secret: at most 64 KiB, and nobody but its owner may read it (see read_input_file).
[[nodiscard]] Result<std::string> read_secret_file(std::string_view what, const std::string& path);

/// A file of bearer tokens (RFC 6750, 2.1), one a line, each of 16 to 256 characters; '#' begins a comment line. At
/// least one.
[[nodiscard]] Result<std::vector<std::string>> read_bearer_tokens(const std::string& path);

}  // namespace holdfast
