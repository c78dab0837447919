#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/daemon_config.h"

namespace holdfast {

enum class Section : std::uint8_t { top, listener, item, limits, sink, fleet, admin, alarm, log, process };

/// How an option is written. Durations and sizes are texts with a unit; a size may also be a number of bytes.
enum class OptionType : std::uint8_t { text, texts, boolean, count, size, duration, choice };

/// What an option's place is looked up in: the daemon's configuration, and the listener at hand.
struct Target {
    DaemonConfig& daemon;
    ListenerConfig& listener;
};

template <typename T>
using Ref = T& (*)(Target);

/// How an option is stored.
using Place = std::variant<Ref<std::string>, Ref<std::vector<std::string>>, Ref<bool>, Ref<int>, Ref<unsigned>,
                           Ref<std::uint16_t>, Ref<std::size_t>, Ref<std::chrono::milliseconds>,
                           Ref<std::optional<std::chrono::milliseconds>>, Ref<Framing>, Ref<ProxyProtocol>,
                           Ref<TlsClient>, Ref<TlsId>, Ref<SinkType>, Ref<LogLevel>, Ref<LogFormat>>;

/// One row of the option table: reading, checking, printing, the flags and docs/CONFIG.md all come from it.
struct Option {
    Section section;
    std::string_view name;
    OptionType type;
    Place place;
    std::string_view default_text;  ///< as it is printed
    std::int64_t least = 0;         ///< in milliseconds, bytes or pieces
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::span<const std::string_view> choices = {};    ///< of a choice, in the order of the enumeration
    std::string_view word = {};                        ///< a duration's word for "not set", e.g. "off"
    std::string_view zero = {};                        ///< what a count of 0 stands for
    std::string_view flag = {};                        ///< of `serve` and `check`, or empty
    std::span<const std::string_view> of_sinks = {};   ///< of a sink's key: the types that have it; empty: all
    bool live = true;                                  ///< of a section that a reload takes over: this key too
    std::string (*shown)(std::string_view) = nullptr;  ///< of a text with a secret in it: how it is printed
    std::string_view help;                             ///< one line
};

/// The table, in the order of the documentation.
[[nodiscard]] std::span<const Option> all_options();
[[nodiscard]] const Option* find_option(Section section, std::string_view name);

/// "", "listener", "item", ...
[[nodiscard]] std::string_view name_of(Section section);
/// "", " in [[listener]]", " in [item]", ...: for messages.
[[nodiscard]] std::string in_section(Section section);
[[nodiscard]] std::optional<Section> find_section(std::string_view name);

/// A value as it was written. `Other` is one that no option takes: "an array", "a date".
struct Other {
    std::string_view what;
};
using RawValue = std::variant<std::string, std::vector<std::string>, std::int64_t, bool, double, Other>;

/// Checks `raw` and stores it; returns what is wrong with it, if anything, and then stores nothing. Pure.
[[nodiscard]] std::optional<std::string> store_value(const Option& option, Target target, const RawValue& raw);

/// The same for a flag's text.
[[nodiscard]] std::optional<std::string> store_text(const Option& option, Target target, std::string_view text);

/// The option's value as it would be written in the file, without quotes and without what is secret in it.
[[nodiscard]] std::string value_text(const Option& option, Target target);

/// The same with the secret: to compare, not to be shown.
[[nodiscard]] std::string stored_text(const Option& option, Target target);

}  // namespace holdfast
