#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// Returns the word nearest to `given` by inserted, dropped, changed and swapped letters. Case is ignored, and '-'
/// equals '_'. Returns nullopt if the distance exceeds a third of the letters. Pure.
[[nodiscard]] std::optional<std::string_view> nearest_word(std::string_view given,
                                                           std::span<const std::string_view> known);

}  // namespace holdfast
