#pragma once

#include <string_view>

#include "codec/framing.h"

namespace holdfast {

/// Recognizes the protocol to which the first bytes of a connection belong, where JSON items were expected. `encrypted`
/// means that they arrived through TLS. Returns a sentence with the remedy, which is static text, or an empty text.
/// Pure; any thread.
[[nodiscard]] std::string_view recognize_protocol(bool encrypted, std::string_view bytes) noexcept;

/// Recognizes the mistake in the framing that made a bad item. `rules` are those of the listener. `bytes` begins with
/// the item, with its length in the framing `length`, and may go on behind it. Returns the same as
/// recognize_protocol(). Reads at most the first KiB. Pure; any thread.
[[nodiscard]] std::string_view recognize_framing(const FrameRules& rules, std::string_view bytes) noexcept;

}  // namespace holdfast
