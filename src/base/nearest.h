#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// The word that somebody who wrote `given` most likely meant: the fewest letters to insert, drop, change or swap with
/// their neighbour, '-' and '_' and case being the same. Nothing if that is more than a third of them. Pure.
[[nodiscard]] std::optional<std::string_view> nearest_word(std::string_view given,
                                                           std::span<const std::string_view> known);

}  // namespace holdfast
