#include "options/option.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <type_traits>

#include <holdfast/status.h>

#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using Complaint = std::optional<std::string>;

std::string listed(std::span<const std::string_view> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += in_quotes(words[i]);
    }
    return out;
}

/// Returns the form of the option in the file, for "write ...".
std::string expected_form(const Option& option) {
    const std::string example(option.example);
    switch (option.type()) {
        case OptionType::text:
            return "a text in quotes, e.g. " + in_quotes(example);
        case OptionType::texts:
            return R"(a list of texts, e.g. ["...", "..."])";
        case OptionType::boolean:
            return "true or false";
        case OptionType::count:
        case OptionType::number:
            return (option.type() == OptionType::count ? "a whole number, e.g. " : "a number, e.g. ") + example;
        case OptionType::size:
            return "a size, e.g. " + in_quotes(example);
        case OptionType::duration:
            return std::string(R"(a duration with its unit, in quotes, e.g. "30s")") +
                   (option.unset.empty() ? "" : ", or " + in_quotes(option.unset));
        case OptionType::choice:
            return listed(option.place.words);
    }
    return {};
}

struct Described {
    std::string operator()(const std::string& text) const { return in_quotes(text) + " is a text"; }
    std::string operator()(const std::vector<std::string>&) const { return "a list is given"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number) + " is a number"; }
    std::string operator()(bool flag) const { return std::string(flag ? "true" : "false") + " is a boolean"; }
    std::string operator()(double) const { return "a number with a fraction or exponent is given"; }
    std::string operator()(Other other) const { return std::string(other.what) + " is given"; }
};

std::string wrong_type(const Option& option, const RawValue& raw) {
    return std::visit(Described{}, raw) + "; write " + expected_form(option);
}

std::string number_text(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", number);
    return text;
}

std::string range_error(const Option& option, const std::string& value) {
    const std::string range = range_text(option);
    return value + " is out of range; write " +
           (range.empty() ? amount_text(option, option.range.min) + " or more" : range);
}

Complaint check_range(const Option& option, std::int64_t amount) {
    if (option.explained || (amount >= option.range.min && amount <= option.range.max)) return std::nullopt;
    return range_error(option, amount_text(option, amount));
}

std::int64_t saturated(std::uint64_t amount) {
    constexpr std::uint64_t max = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::min(amount, max));
}

/// Reads a count, bytes or milliseconds, depending on the option's type. Sets `out` only without an error.
Complaint read_amount(const Option& option, const RawValue& raw, std::int64_t& out) {
    const auto* number = std::get_if<std::int64_t>(&raw);
    const auto* text = std::get_if<std::string>(&raw);
    std::int64_t amount = 0;
    if (option.type() == OptionType::duration && text != nullptr) {
        const auto parsed = parse_duration(*text);
        if (!parsed) return parsed.error().message;
        amount = parsed.value().count();
    } else if (option.type() == OptionType::size && text != nullptr) {
        const auto parsed = parse_size(*text);
        if (!parsed) return parsed.error().message;
        if (saturated(parsed.value()) > option.range.max) return range_error(option, in_quotes(*text));
        amount = saturated(parsed.value());
    } else if (option.type() != OptionType::duration && number != nullptr) {
        if (*number < std::min(option.range.min, std::int64_t{0})) return range_error(option, std::to_string(*number));
        amount = *number;
    } else {
        return wrong_type(option, raw);
    }
    if (auto complaint = check_range(option, amount)) return complaint;
    out = amount;
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, std::string& out) {
    const auto* text = std::get_if<std::string>(&raw);
    if (text == nullptr) return wrong_type(option, raw);
    out = *text;
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, std::vector<std::string>& out) {
    const auto* texts = std::get_if<std::vector<std::string>>(&raw);
    if (texts == nullptr) return wrong_type(option, raw);
    out = *texts;
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, bool& out) {
    const auto* flag = std::get_if<bool>(&raw);
    if (flag == nullptr) return wrong_type(option, raw);
    out = *flag;
    return std::nullopt;
}

template <typename T>
requires std::is_integral_v<T> Complaint store(const Option& option, const RawValue& raw, T& out) {
    std::int64_t amount = 0;
    if (auto complaint = read_amount(option, raw, amount)) return complaint;
    out = static_cast<T>(amount);  // OptionTable.RangesFitTheirPlaces proves that it fits
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, milliseconds& out) {
    std::int64_t amount = 0;
    if (auto complaint = read_amount(option, raw, amount)) return complaint;
    out = milliseconds(amount);
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, std::optional<milliseconds>& out) {
    const auto* text = std::get_if<std::string>(&raw);
    if (text != nullptr && *text == option.unset) {
        out.reset();
        return std::nullopt;
    }
    milliseconds duration{};
    if (auto complaint = store(option, raw, duration)) return complaint;
    out = duration;
    return std::nullopt;
}

Complaint store(const Option& option, const RawValue& raw, double& out) {
    const auto* whole = std::get_if<std::int64_t>(&raw);
    const auto* number = std::get_if<double>(&raw);
    if (whole == nullptr && number == nullptr) return wrong_type(option, raw);
    const double value = whole != nullptr ? static_cast<double>(*whole) : *number;
    const bool inside =
        value >= static_cast<double>(option.range.min) && value <= static_cast<double>(option.range.max);
    if (!inside) return range_error(option, number_text(value));
    out = value;
    return std::nullopt;
}

/// Stores the enumerator for a word.
Complaint store(const Option& option, const RawValue& raw, std::uint8_t& out) {
    const auto* text = std::get_if<std::string>(&raw);
    if (text == nullptr) return wrong_type(option, raw);
    const auto& words = option.place.words;
    const auto found = std::find(words.begin(), words.end(), *text);
    if (found == words.end()) {
        return in_quotes(*text) + " is unknown; write " + listed(words);
    }
    out = static_cast<std::uint8_t>(found - words.begin());
    return std::nullopt;
}

struct Printed {
    const Option& option;

    std::string operator()(const std::string* text) const { return *text; }
    std::string operator()(const std::vector<std::string>* texts) const {
        std::string out;
        for (const std::string& text : *texts) out += (out.empty() ? "" : ", ") + in_quotes(text);
        return "[" + out + "]";
    }
    std::string operator()(const bool* flag) const { return *flag ? "true" : "false"; }
    std::string operator()(const double* number) const { return number_text(*number); }
    std::string operator()(const milliseconds* duration) const { return format_duration(*duration); }
    std::string operator()(const std::optional<milliseconds>* duration) const {
        return *duration ? format_duration(**duration) : std::string(option.unset);
    }
    std::string operator()(const std::uint8_t* choice) const { return std::string(option.place.words[*choice]); }
    template <typename T>
    std::string operator()(const T* amount) const {
        return amount_text(option, static_cast<std::int64_t>(*amount));
    }
};

struct Amount {
    Complaint operator()(const std::optional<milliseconds>* duration) const {
        return *duration ? check_range(option, (*duration)->count()) : std::nullopt;
    }
    Complaint operator()(const milliseconds* duration) const { return check_range(option, duration->count()); }
    template <typename T>
    Complaint operator()(const T* amount) const {
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            if (std::in_range<std::int64_t>(*amount)) return check_range(option, static_cast<std::int64_t>(*amount));
            return range_error(option, std::to_string(*amount));
        } else {
            return std::nullopt;
        }
    }
    const Option& option;
};

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> elements;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        elements.emplace_back(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return elements;
}

template <typename T>
std::optional<T> parsed_as(std::string_view text) {
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// Returns a number, boolean or list if the option takes one, else the text, which store_value() then rejects if it is
/// wrong.
RawValue typed(const Option& option, std::string_view text) {
    if (option.type() == OptionType::texts) return split(text);
    if (option.type() == OptionType::boolean && (text == "true" || text == "false")) return text == "true";
    if (option.type() == OptionType::count) {
        if (const auto number = parsed_as<std::int64_t>(text)) return *number;
    }
    if (option.type() == OptionType::number) {
        if (const auto number = parsed_as<double>(text)) return *number;
    }
    return std::string(text);
}

bool has_same_value(const Option& option, Object one, Object other) {
    const auto is_same = [&](const auto* value) {
        return *value ==
               *std::get<std::remove_const_t<std::remove_pointer_t<decltype(value)>>*>(option.place.in(other));
    };
    return std::visit(is_same, option.place.in(one));
}

/// Returns the value for a report: a text has quotes.
std::string quoted_text(const Option& option, Object object) {
    const std::string text = value_text(option, object);
    return option.type() == OptionType::text ? path_in_quotes(text) : text;
}

}  // namespace

std::string amount_text(const Option& option, std::int64_t amount) {
    if (option.type() == OptionType::duration) return format_duration(milliseconds(amount));
    if (option.type() == OptionType::size) return format_size(static_cast<std::size_t>(amount));
    return std::to_string(amount);
}

std::string range_text(const Option& option) {
    if (option.range.max == Range().max) return "";
    return amount_text(option, option.range.min) + " to " + amount_text(option, option.range.max);
}

std::optional<std::string> store_value(const Option& option, Object object, const RawValue& raw) {
    return std::visit([&](auto* value) { return store(option, raw, *value); }, option.place.in(object));
}

std::optional<std::string> store_text(const Option& option, Object object, std::string_view text) {
    const RawValue raw = typed(option, text);
    const bool is_number = option.type() == OptionType::count || option.type() == OptionType::number;
    if (is_number && std::holds_alternative<std::string>(raw)) {
        return in_quotes(text) + (option.type() == OptionType::count ? " is not a whole number" : " is not a number") +
               "; write e.g. " + std::string(option.example);
    }
    return store_value(option, object, raw);
}

std::optional<std::string> out_of_range(const Option& option, Object object) {
    if (option.type() == OptionType::boolean) return std::nullopt;
    if (option.type() != OptionType::choice) return std::visit(Amount{option}, option.place.in(object));
    const auto* const choice = std::get<std::uint8_t*>(option.place.in(object));
    if (*choice < option.place.words.size()) return std::nullopt;
    return std::to_string(*choice) + " is no enumerator; write " + expected_form(option);
}

std::string stored_text(const Option& option, Object object) {
    return std::visit(Printed{option}, option.place.in(object));
}

std::string value_text(const Option& option, Object object) {
    const std::string stored = stored_text(option, object);
    return option.shown != nullptr ? option.shown(stored) : stored;
}

void take_change(const Option& option, Object running, Object wanted, std::string_view listener, ApplyReport& report) {
    if (has_same_value(option, running, wanted)) return;
    const std::string place = listener.empty() ? in_section(option.section) : " of listener " + in_quotes(listener);
    const std::string what = std::string(option.key) + place + ": ";
    const std::string before = quoted_text(option, running);
    const std::string after = quoted_text(option, wanted);
    if (option.reload == OnReload::restart || (option.waits != nullptr && option.waits(running, wanted))) {
        report.needs_restart.push_back(what + "runs with " + before + ", configured as " + after +
                                       "; restart to apply it");
        return;
    }
    report.applied.push_back(what + before + " -> " + after);
    const auto copy = [](auto* to, auto* from) {
        if constexpr (std::is_same_v<decltype(to), decltype(from)>) *to = *from;
    };
    std::visit(copy, option.place.in(running), option.place.in(wanted));
}

ListenerConfig reconfigured(ListenerConfig running, ListenerConfig wanted, ApplyReport& report) {
    const std::string name = running.name;
    for (const Option& option : server_options()) {
        if (option.section == Section::listener) take_change(option, running, wanted, name, report);
    }
    return running;
}

ServerConfig reconfigured(ServerConfig running, ServerConfig wanted, ApplyReport& report) {
    for (const Option& option : server_options()) {
        if (option.section != Section::listener) take_change(option, running, wanted, {}, report);
    }
    running.listeners = std::move(wanted.listeners);
    running.canaries = wanted.canaries;
    return running;
}

}  // namespace holdfast
