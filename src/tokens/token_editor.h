#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "tokens/token_set.h"

namespace holdfast {

/// Makes a token for the device and adds it to the file, which is made if there is none (mode 0600). The token is
/// returned and kept nowhere. The file is replaced as a whole: whoever reads it meanwhile, and after a crash, sees the
/// old one or the new one; two that edit it take turns.
[[nodiscard]] Result<std::string> add_token(const std::string& path, const std::string& id);

/// Takes all tokens of the device out of the file, or only the one whose name begins so (see name_of); returns how
/// many. None is an error.
[[nodiscard]] Result<std::size_t> revoke_tokens(const std::string& path, const std::string& id, std::string_view name);

/// What tells the tokens of an id apart, in lists and for revoke_tokens: the first 16 digits of the hash.
[[nodiscard]] std::string name_of(const StoredToken& token);

}  // namespace holdfast
