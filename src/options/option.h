#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <holdfast/status.h>

#include "base/check.h"
#include "model/words.h"
#include "options/daemon_config.h"

namespace holdfast {

enum class Section : std::uint8_t { top, listener, item, limits, sink, fleet, admin, alarm, log, process };

/// Form of a value. Durations and sizes are texts with a unit; a size may also be a number of bytes.
enum class OptionType : std::uint8_t { text, texts, boolean, count, number, size, duration, choice };

/// Refers to a struct that holds values of options. Stores the struct's type, so that a row cannot be applied to
/// another struct.
class Object {
public:
    template <typename T>
    requires(!std::is_const_v<T> && !std::is_same_v<T, Object>) Object(T& of) : address_(&of), type_(&type_tag<T>) {}

    template <typename T>
    [[nodiscard]] T& as() const {
        HOLDFAST_CHECK(type_ == &type_tag<T>);
        return *static_cast<T*>(address_);
    }

private:
    template <typename T>
    static constexpr char type_tag = 0;

    void* address_;
    const char* type_;
};

/// Points to the value of one option. An enumerator is a byte.
using ValuePointer =
    std::variant<std::string*, std::vector<std::string>*, bool*, int*, unsigned*, std::uint16_t*, std::uint64_t*,
                 double*, std::chrono::milliseconds*, std::optional<std::chrono::milliseconds>*, std::uint8_t*>;

/// Describes the member that stores an option.
struct Place {
    ValuePointer (*in)(Object object);
    OptionType type;
    std::span<const std::string_view> words = {};  ///< words of a choice, in the order of the enumeration
};

namespace detail {

template <typename Root, typename T>
Root root_of(T Root::*);  // in unevaluated operands only

template <auto first, auto... rest>
[[nodiscard]] auto& member_in(Object object) {
    return ((object.as<decltype(root_of(first))>().*first).*....*rest);
}
template <auto... members>
using MemberOf = std::remove_reference_t<decltype(member_in<members...>(std::declval<Object>()))>;

template <typename T>
consteval OptionType type_for() {
    if constexpr (std::is_same_v<T, std::string>) return OptionType::text;
    if constexpr (std::is_same_v<T, std::vector<std::string>>) return OptionType::texts;
    if constexpr (std::is_same_v<T, bool>) return OptionType::boolean;
    if constexpr (std::is_same_v<T, double>) return OptionType::number;
    if constexpr (std::is_enum_v<T>) return OptionType::choice;
    if constexpr (std::is_integral_v<T>) return OptionType::count;
    return OptionType::duration;
}

template <auto... members>
ValuePointer pointer_in(Object object) {
    auto& member = member_in<members...>(object);
    if constexpr (std::is_enum_v<MemberOf<members...>>) {
        return reinterpret_cast<std::uint8_t*>(&member);
    } else {
        return &member;
    }
}

}  // namespace detail

/// Describes a member by its path: at<&ServerConfig::item, &ItemConfig::key>.
template <auto... members>
inline constexpr Place at{detail::pointer_in<members...>, detail::type_for<detail::MemberOf<members...>>(),
                          words_of<detail::MemberOf<members...>>};
/// Describes a member that counts bytes.
template <auto... members>
inline constexpr Place bytes_at{detail::pointer_in<members...>, OptionType::size, {}};

/// Smallest and largest value, as a plain count, bytes or milliseconds.
struct Range {
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();

    constexpr Range() = default;
    constexpr Range(std::int64_t from, std::int64_t to) : min(from), max(to) {}
    constexpr Range(std::chrono::milliseconds from, std::chrono::milliseconds to)
        : min(from.count()), max(to.count()) {}
};

enum class OnReload : std::uint8_t { live, restart };

/// Describes one option. Parsing, checks, reload, flags, `check`, the manual, completions and docs/reference/options.md
/// follow from it. The default is the member's value in a default-constructed configuration.
struct Option {
    Section section = Section::top;
    std::string_view key{};
    Place place;
    Range range{};
    bool explained = false;                        ///< the error of the behaviour's own check explains the range
    std::string_view unset{};                      ///< word of an unset duration, e.g. "off"
    std::string_view zero{};                       ///< meaning of 0
    std::string_view form{};                       ///< form of a text
    std::span<const std::string_view> of_sinks{};  ///< sink types that have the key; empty: all
    std::string_view flag{};                       ///< flag of `serve` and `check`
    OnReload reload = OnReload::live;
    bool (*waits)(Object running, Object wanted) = nullptr;  ///< true if a live option needs a restart
    std::string_view effect{};                               ///< effect of a reload, if not "at once"
    bool secret = false;                                     ///< a given value is or names a secret
    std::string (*shown)(std::string_view) = nullptr;        ///< prints a text without its secret
    std::string_view help{};                                 ///< noun phrase of at most 80 characters
    std::string_view more{};                                 ///< further sentences for the reference
    std::string_view example{};                              ///< a value that differs from the default

    [[nodiscard]] constexpr OptionType type() const { return place.type; }
};

namespace detail {
/// Returns the rows that all_options() begins with. Only all_options() takes them: a row is known by its address.
[[nodiscard]] std::span<const Option> rows_of_server();
}  // namespace detail

/// Returns all options, in the order of the documentation.
[[nodiscard]] std::span<const Option> all_options();
/// Returns the options of a ServerConfig and of its listeners, which are the first in all_options().
[[nodiscard]] std::span<const Option> server_options();
[[nodiscard]] std::span<const Option> daemon_options();
[[nodiscard]] const Option* find_option(Section section, std::string_view key);

/// Returns the struct that holds `option`: the listener at that index, the server's part, or the whole.
[[nodiscard]] Object object_of(const Option& option, DaemonConfig& config, std::size_t listener = 0);

/// Returns "", "listener", "item", ...
[[nodiscard]] std::string_view name_of(Section section);
/// Returns "", " in [[listener]]", " in [item]", ... for messages.
[[nodiscard]] std::string in_section(Section section);
[[nodiscard]] std::optional<Section> find_section(std::string_view name);
/// Returns the names of all sections except the top.
[[nodiscard]] std::span<const std::string_view> section_names();

/// A value that no option accepts, such as "an array" or "a date".
struct Other {
    std::string_view what;
};
using RawValue = std::variant<std::string, std::vector<std::string>, std::int64_t, bool, double, Other>;

/// Checks `raw` and stores it. On an error, returns the message and stores nothing. Pure.
[[nodiscard]] std::optional<std::string> store_value(const Option& option, Object object, const RawValue& raw);

/// Stores the text of a flag, like store_value(). Commas separate the elements of a list.
[[nodiscard]] std::optional<std::string> store_text(const Option& option, Object object, std::string_view text);

/// Returns the error if the value is outside the option's range, e.g. because a library user set it.
[[nodiscard]] std::optional<std::string> out_of_range(const Option& option, Object object);

/// Returns an amount with the unit of the option's type: "30s", "64KiB", "5".
[[nodiscard]] std::string amount_text(const Option& option, std::int64_t amount);

/// Returns the option's range: "1 to 64"; empty if it has no upper end.
[[nodiscard]] std::string range_text(const Option& option);

/// Returns the value as a file holds it, without quotes and without its secret.
[[nodiscard]] std::string value_text(const Option& option, Object object);
/// Returns the value with its secret, which is never printed.
[[nodiscard]] std::string stored_text(const Option& option, Object object);
/// Returns value_text() of a default-constructed configuration.
[[nodiscard]] std::string default_text(const Option& option);

/// Sets the option of `running` to the value of `wanted` unless that needs a restart, and reports a difference in one
/// line. `listener`: the name of the option's listener, else empty. Pure.
void take_change(const Option& option, Object running, Object wanted, std::string_view listener, ApplyReport& report);

/// Returns `running` with every live option of `wanted`, and reports each difference in one line. Pure.
[[nodiscard]] ListenerConfig reconfigured(ListenerConfig running, ListenerConfig wanted, ApplyReport& report);
/// Returns `running` with every live option of `wanted` outside its listeners; the listeners are those of `wanted`.
/// Reports each difference in one line. Pure.
[[nodiscard]] ServerConfig reconfigured(ServerConfig running, ServerConfig wanted, ApplyReport& report);

}  // namespace holdfast
