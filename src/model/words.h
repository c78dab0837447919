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
inline constexpr std::array<std::string_view, 4> words_of<Framing>{"ndjson", "json", "length", "length-field"};
template <>
inline constexpr std::array<std::string_view, 2> words_of<ByteOrder>{"big", "little"};
template <>
inline constexpr std::array<std::string_view, 3> words_of<Payload>{"json", "text", "base64"};
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

/// Returns the word at the place of an enumerator, or "unknown" for a value that is none. Pure.
template <typename Enumeration, std::size_t count>
[[nodiscard]] constexpr std::string_view word_at(const std::array<std::string_view, count>& words,
                                                 Enumeration value) noexcept {
    const auto place = static_cast<std::size_t>(value);
    return place < count ? words[place] : std::string_view("unknown");
}

template <typename Enumeration>
concept HasWords = !words_of<Enumeration>.empty();

/// Returns the word of one enumerator. Pure.
template <HasWords Enumeration>
[[nodiscard]] constexpr std::string_view to_string(Enumeration value) noexcept {
    return word_at(words_of<Enumeration>, value);
}

/// Writes the values that follow from detect_within as fields of the open object. `holdfast plan --json` and the API
/// share it.
void write_plan_fields(JsonWriter& json, const LivenessPlan& plan);

}  // namespace holdfast
