#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "device/token_set.h"

namespace holdfast {

/// Creates a token for the device and adds its hash to the file, which is created with mode 0600 if missing. Returns
/// the token; it is stored nowhere. The file is replaced atomically, also across a crash, and concurrent editors wait
/// for each other.
[[nodiscard]] Result<std::string> add_token(const std::string& path, const std::string& id);

/// Removes all tokens of the device from the file, or only the one whose name begins with the given text (see name_of).
/// Returns their number; removing none is an error.
[[nodiscard]] Result<std::size_t> revoke_tokens(const std::string& path, const std::string& id, std::string_view name);

/// Returns the first 16 digits of the hash, which distinguish the tokens of an id in lists and for revoke_tokens.
[[nodiscard]] std::string name_of(const StoredToken& token);

}  // namespace holdfast
