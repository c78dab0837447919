#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/liveness.h>

#include "text/json_writer.h"

namespace holdfast {

/// Holds the words of an enumeration of the configuration, in the order of its enumerators.
template <typename Enumeration>
inline constexpr std::array<std::string_view, 0> words_of{};

template <>
inline constexpr std::array<std::string_view, 3> words_of<Framing>{"ndjson", "json", "length"};
template <>
inline constexpr std::array<std::string_view, 2> words_of<Oversize>{"close", "drop"};
template <>
inline constexpr std::array<std::string_view, 2> words_of<LoneSurrogates>{"reject", "replace"};
template <>
inline constexpr std::array<std::string_view, 3> words_of<ProxyProtocol>{"off", "v1", "v2"};
template <>
inline constexpr std::array<std::string_view, 3> words_of<TlsClient>{"off", "optional", "required"};
template <>
inline constexpr std::array<std::string_view, 4> words_of<TlsId>{"cn", "san:dns", "san:uri", "san:email"};

template <typename Enumeration>
concept HasWords = !words_of<Enumeration>.empty();

/// Returns the word of one enumerator. Pure.
template <HasWords Enumeration>
[[nodiscard]] constexpr std::string_view to_string(Enumeration value) noexcept {
    return words_of<Enumeration>[static_cast<std::size_t>(value)];
}

/// Writes the values that follow from detect_within as fields of the open object. `holdfast plan --json` and the API
/// share it.
void write_plan_fields(JsonWriter& json, const LivenessPlan& plan);

}  // namespace holdfast
