#include "config/option.h"

#include <charconv>
#include <type_traits>

#include "base/printable.h"
#include "base/units.h"

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

/// How the option is written in the file, after "write ".
std::string expected_form(const Option& option) {
    switch (option.type) {
        case OptionType::text:
            return "a text in quotes, e.g. " + in_quotes(option.default_text.empty() ? "..." : option.default_text);
        case OptionType::texts:
            return R"(a list of texts, e.g. ["...", "..."])";
        case OptionType::boolean:
            return "true or false";
        case OptionType::count:
            return "a whole number, e.g. " + std::string(option.default_text);
        case OptionType::size:
            return "a size, e.g. " + in_quotes(option.default_text);
        case OptionType::duration:
            return std::string(R"(a duration with its unit, in quotes, e.g. "30s")") +
                   (option.word.empty() ? "" : ", or " + in_quotes(option.word));
        case OptionType::choice:
            return listed(option.choices);
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
    return std::visit(Described{}, raw) + ": write " + expected_form(option);
}

std::string amount_text(const Option& option, std::int64_t amount) {
    if (option.type == OptionType::duration) return format_duration(milliseconds(amount));
    if (option.type == OptionType::size) return format_size(static_cast<std::size_t>(amount));
    return std::to_string(amount);
}

Complaint check_range(const Option& option, std::int64_t amount) {
    if (amount >= option.least && amount <= option.most) return std::nullopt;
    return amount_text(option, amount) + " is out of range: write " + amount_text(option, option.least) + " to " +
           amount_text(option, option.most);
}

/// Counts in pieces, bytes or milliseconds, as the option's type says; `out` is set only if nothing is wrong.
Complaint read_amount(const Option& option, const RawValue& raw, std::int64_t& out) {
    const auto* number = std::get_if<std::int64_t>(&raw);
    const auto* text = std::get_if<std::string>(&raw);
    std::int64_t amount = 0;
    if (option.type == OptionType::duration && text != nullptr) {
        const auto parsed = parse_duration(*text);
        if (!parsed) return parsed.error().message;
        amount = parsed.value().count();
    } else if (option.type == OptionType::size && text != nullptr) {
        const auto parsed = parse_size(*text);
        if (!parsed) return parsed.error().message;
        if (parsed.value() > static_cast<std::size_t>(option.most)) {
            return in_quotes(*text) + " is out of range: write " + amount_text(option, option.least) + " to " +
                   amount_text(option, option.most);
        }
        amount = static_cast<std::int64_t>(parsed.value());
    } else if (option.type != OptionType::duration && number != nullptr) {
        if (*number < 0) {
            return std::to_string(*number) + " is out of range: write " + amount_text(option, option.least) + " to " +
                   amount_text(option, option.most);
        }
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
    out = static_cast<T>(amount);  // the row's range fits: OptionTable.RangesFitTheirPlaces
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
    if (text != nullptr && *text == option.word) {
        out.reset();
        return std::nullopt;
    }
    milliseconds duration{};
    if (auto complaint = store(option, raw, duration)) return complaint;
    out = duration;
    return std::nullopt;
}

template <typename T>
requires std::is_enum_v<T> Complaint store(const Option& option, const RawValue& raw, T& out) {
    const auto* text = std::get_if<std::string>(&raw);
    if (text == nullptr) return wrong_type(option, raw);
    for (std::size_t i = 0; i < option.choices.size(); ++i) {
        if (option.choices[i] != *text) continue;
        out = static_cast<T>(i);
        return std::nullopt;
    }
    return in_quotes(*text) + " is not one that this version has: write " + listed(option.choices);
}

struct Printed {
    const Option& option;

    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<std::string>& texts) const {
        std::string out;
        for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + in_quotes(text);
        return "[" + out + "]";
    }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(milliseconds duration) const { return format_duration(duration); }
    std::string operator()(const std::optional<milliseconds>& duration) const {
        return duration ? format_duration(*duration) : std::string(option.word);
    }
    template <typename T>
    requires std::is_enum_v<T> std::string operator()(T choice) const {
        return std::string(option.choices[static_cast<std::size_t>(choice)]);
    }
    template <typename T>
    requires std::is_integral_v<T> std::string operator()(T amount) const {
        return amount_text(option, static_cast<std::int64_t>(amount));
    }
};

/// A flag's text is a number or a boolean where the option wants one; where it is not, the text stays and is refused.
RawValue typed(const Option& option, std::string_view text) {
    if (option.type == OptionType::texts && text == "[]") return std::vector<std::string>();
    if (option.type == OptionType::boolean && (text == "true" || text == "false")) return text == "true";
    if (option.type == OptionType::count) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc{} && end == text.data() + text.size()) return number;
    }
    return std::string(text);
}

}  // namespace

std::optional<std::string> store_value(const Option& option, Target target, const RawValue& raw) {
    return std::visit([&](auto ref) { return store(option, raw, ref(target)); }, option.place);
}

std::optional<std::string> store_text(const Option& option, Target target, std::string_view text) {
    const RawValue raw = typed(option, text);
    if (option.type == OptionType::count && std::holds_alternative<std::string>(raw)) {
        return in_quotes(text) + " is not a whole number: write e.g. " + std::string(option.default_text);
    }
    return store_value(option, target, raw);
}

std::string stored_text(const Option& option, Target target) {
    return std::visit([&](auto ref) { return Printed{option}(ref(target)); }, option.place);
}

std::string value_text(const Option& option, Target target) {
    const std::string stored = stored_text(option, target);
    return option.shown != nullptr ? option.shown(stored) : stored;
}

}  // namespace holdfast
