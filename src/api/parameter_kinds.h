#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <holdfast/reason.h>

#include "api/api_endpoint.h"
#include "trend/event_hub.h"

namespace holdfast::parameter {

// The kinds of parameters of which the table of endpoints is made. Pure.

[[nodiscard]] constexpr Parameter text(std::string_view name, std::string_view value, std::string_view help) {
    return {.name = name, .help = help, .value = value};
}

[[nodiscard]] constexpr Parameter prefix(std::string_view help) {
    return {.name = "peer", .type = Parameter::Type::prefix, .help = help, .value = "PREFIX"};
}

[[nodiscard]] constexpr Parameter word(std::string_view name, std::string_view value, Parameter::Words words,
                                       std::string_view help, std::string_view default_value = {}) {
    return {.name = name,
            .type = Parameter::Type::word,
            .help = help,
            .value = value,
            .default_value = default_value,
            .words = words};
}

[[nodiscard]] constexpr Parameter count(std::string_view name, std::string_view help, std::uint64_t min,
                                        std::uint64_t max, std::string_view default_value = {}) {
    return {.name = name,
            .type = Parameter::Type::count,
            .help = help,
            .value = "N",
            .default_value = default_value,
            .min = min,
            .max = max};
}

[[nodiscard]] constexpr Parameter duration(std::string_view name, std::string_view help, std::uint64_t min_ms,
                                           std::uint64_t max_ms, std::string_view default_value = {},
                                           Parameter::Type type = Parameter::Type::duration) {
    return {.name = name,
            .type = type,
            .help = help,
            .value = "DURATION",
            .default_value = default_value,
            .min = min_ms,
            .max = max_ms};
}

[[nodiscard]] constexpr Parameter time_bound(std::string_view name, std::string_view help) {
    return {.name = name, .type = Parameter::Type::time, .help = help, .value = "TIME"};
}

[[nodiscard]] constexpr Parameter required(Parameter parameter) {
    parameter.required = true;
    return parameter;
}

/// Adds the switch on the command line to a parameter.
[[nodiscard]] constexpr Parameter switched(Parameter parameter, std::string_view flag, std::string_view help) {
    parameter.flag = flag;
    parameter.flag_help = help;
    return parameter;
}

[[nodiscard]] constexpr Parameter boolean(std::string_view name, std::string_view help,
                                          std::string_view default_value = {}) {
    return {.name = name, .type = Parameter::Type::boolean, .help = help, .default_value = default_value};
}

// Words that a parameter may be.

[[nodiscard]] inline std::vector<std::string_view> reason_words() {
    std::vector<std::string_view> words;
    for (const CloseReason reason : all_close_reasons) words.push_back(to_string(reason));
    return words;
}

[[nodiscard]] inline std::vector<std::string_view> feed_words() {
    std::vector<std::string_view> words;
    for (const FeedKind kind : all_feed_kinds) {
        if (kind != FeedKind::skipped) words.push_back(to_string(kind));
    }
    return words;
}

[[nodiscard]] inline std::vector<std::string_view> sort_words() {
    return {"age", "idle", "items", "bad_items", "bytes_in", "bytes_out", "peer", "key"};
}
[[nodiscard]] inline std::vector<std::string_view> bad_item_words() {
    std::vector<std::string_view> words;
    for (std::size_t kind = 0; kind < bad_item_count; ++kind) words.push_back(to_string(static_cast<BadItem>(kind)));
    return words;
}
[[nodiscard]] inline std::vector<std::string_view> order_words() { return {"asc", "desc"}; }
[[nodiscard]] inline std::vector<std::string_view> state_words() { return {"online", "unknown", "closed"}; }
[[nodiscard]] inline std::vector<std::string_view> member_words() { return {"back", "missing"}; }
[[nodiscard]] inline std::vector<std::string_view> export_words() { return {"csv", "json"}; }
[[nodiscard]] inline std::vector<std::string_view> come_back_words() { return {"later", "at_once"}; }

}  // namespace holdfast::parameter
