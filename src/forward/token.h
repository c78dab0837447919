#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Encodes any text as one token of a NATS subject or a key of a key-value bucket. ASCII letters, digits, '-' and '_'
/// are unchanged; every other byte is '=' and two hexadecimal digits ("10.20.30.40" is "10=2E20=2E30=2E40"); an empty
/// text is "=". Pure.
[[nodiscard]] std::string to_token(std::string_view text);
/// Decodes a token; nullopt if to_token does not make it.
[[nodiscard]] std::optional<std::string> from_token(std::string_view token);

}  // namespace holdfast
