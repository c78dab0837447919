#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Any text as one token of a NATS subject or a key of a key-value bucket: ASCII letters, digits, '-' and '_' stand for
/// themselves, every other byte is '=' and two hexadecimal digits ("10.20.30.40" is "10=2E20=2E30=2E40"); nothing at
/// all is "=". Pure.
[[nodiscard]] std::string to_token(std::string_view text);
/// The text of a token; nothing if it is none that to_token makes.
[[nodiscard]] std::optional<std::string> from_token(std::string_view token);

}  // namespace holdfast
