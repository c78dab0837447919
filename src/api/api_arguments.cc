#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "api/api_endpoint.h"
#include "base/clock.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using Type = Parameter::Type;

std::string join(const std::vector<std::string_view>& words) {
    std::string joined;
    for (const std::string_view word : words) {
        if (!joined.empty()) joined += ", ";
        joined += word;
    }
    return joined;
}

std::string names_of(std::span<const Parameter> parameters) {
    std::vector<std::string_view> names;
    for (const Parameter& parameter : parameters) names.push_back(parameter.name);
    return join(names);
}

const Parameter* find(std::span<const Parameter> parameters, std::string_view name) {
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [name](const Parameter& parameter) { return parameter.name == name; });
    return found != parameters.end() ? &*found : nullptr;
}

/// Returns "a reason" or "an order".
std::string with_article(std::string_view noun) {
    const bool vowel = std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
    return (vowel ? "an " : "a ") + std::string(noun);
}

Error wrong(const Parameter& parameter, std::string_view value, std::string_view rule) {
    return Error{std::string(parameter.name) + "=" + in_quotes(value) + " " + std::string(rule)};
}

bool is_one_of(const Parameter& parameter, std::string_view word) {
    const auto words = parameter.words();
    return std::find(words.begin(), words.end(), word) != words.end();
}

Result<std::uint64_t> parse_count(const Parameter& parameter, const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    const bool fits = number >= parameter.min && number <= parameter.max;
    if (error == std::errc{} && rest == end && fits) return number;
    return wrong(
        parameter, text,
        "is not a whole number from " + std::to_string(parameter.min) + " to " + std::to_string(parameter.max));
}

std::string rule_of_duration(const Parameter& parameter) {
    if (parameter.max == 0) return "is not a time; write e.g. 500ms or 3s";
    const std::string min = format_duration(milliseconds(parameter.min));
    const std::string max = format_duration(milliseconds(parameter.max));
    if (parameter.type == Type::seconds) return "is not a duration of whole seconds from " + min + " to " + max;
    const std::string bounds = parameter.min == 0 ? "at most " + max : "from " + min + " to " + max;
    return "is not a time to wait; write e.g. 500ms or 3s, " + bounds;
}

Result<milliseconds> parse_span(const Parameter& parameter, const std::string& text) {
    const auto parsed = parse_duration(text);
    const auto max = parameter.max == 0 ? milliseconds::max() : milliseconds(parameter.max);
    const bool fits = parsed && parsed.value() >= milliseconds(parameter.min) && parsed.value() <= max &&
                      (parameter.type != Type::seconds || parsed.value() % std::chrono::seconds(1) == milliseconds(0));
    if (fits) return parsed.value();
    return wrong(parameter, text, rule_of_duration(parameter));
}

Result<Prefix> parse_peers(const Parameter& parameter, const std::string& text) {
    const auto prefix = parse_prefix(text);
    if (prefix) return prefix.value();
    return wrong(parameter, text, "is not a prefix (" + prefix.error().message + ")");
}

Result<EventTime> parse_moment(const Parameter& parameter, const std::string& text) {
    const auto at = parse_time(text, SystemClock().wall());
    if (at) return at.value();
    return Error{std::string(parameter.name) + ": " + at.error().message};
}

Result<std::vector<std::string>> parse_words(const Parameter& parameter, std::string_view text) {
    std::vector<std::string> words;
    for (;;) {
        const std::string_view word = text.substr(0, text.find(','));
        if (!is_one_of(parameter, word)) {
            return Error{std::string(parameter.name) + " has the unknown word " + in_quotes(word) + "; allowed are " +
                         join(parameter.words())};
        }
        words.emplace_back(word);
        if (word.size() == text.size()) return words;
        text.remove_prefix(word.size() + 1);
    }
}

/// Returns the value of a parameter, or an error if the query repeats it.
Result<std::optional<std::string>> single(const Parameter& parameter, const RequestTarget& target) {
    std::optional<std::string> found;
    for (const auto& [key, value] : target.query) {
        if (key != parameter.name) continue;
        if (found) return wrong(parameter, value, "is given twice; give it once");
        found = value;
    }
    return found;
}

std::optional<Error> unknown_name(std::span<const Parameter> parameters, const RequestTarget& target) {
    for (const auto& [key, value] : target.query) {
        if (find(parameters, key) != nullptr) continue;
        if (parameters.empty())
            return Error{"unknown query parameter " + in_quotes(key) + "; remove it, as this path has none"};
        return Error{"unknown query parameter " + in_quotes(key) + "; allowed are " + names_of(parameters)};
    }
    return std::nullopt;
}

std::string text_of(simdjson::dom::element value) {
    std::string_view text;
    return value.get(text) ? std::string(simdjson::minify(value)) : std::string(text);
}

}  // namespace

Result<ApiArguments::Value> ApiArguments::parse(const Parameter& parameter, const std::string& text) {
    const auto value = [](auto parsed) -> Result<Value> {
        return parsed ? Result<Value>(Value(std::move(parsed).value())) : Result<Value>(parsed.error());
    };
    switch (parameter.type) {
        case Type::text:
            break;
        case Type::prefix:
            return value(parse_peers(parameter, text));
        case Type::word:
            if (is_one_of(parameter, text)) break;
            return wrong(parameter, text,
                         "is not " + with_article(parameter.name) + "; allowed are " + join(parameter.words()));
        case Type::words:
            return value(parse_words(parameter, text));
        case Type::boolean:
            if (text == "true" || text == "false") return Value(text == "true");
            return wrong(parameter, text, "is neither true nor false");
        case Type::count:
            return value(parse_count(parameter, text));
        case Type::duration:
        case Type::seconds:
            return value(parse_span(parameter, text));
        case Type::time:
            return value(parse_moment(parameter, text));
    }
    return Value(text);
}

std::optional<Error> ApiArguments::fault_of(const Parameter& parameter, const std::string& text) {
    const auto parsed = parse(parameter, text);
    return parsed ? std::nullopt : std::optional(parsed.error());
}

std::optional<Error> ApiArguments::take(const Parameter& parameter, const std::optional<std::string>& text) {
    if (!text && parameter.default_value.empty()) {
        if (!parameter.required) return std::nullopt;
        return Error{std::string(parameter.name) + " is missing; give it: " + std::string(parameter.help)};
    }
    auto parsed = parse(parameter, text ? *text : std::string(parameter.default_value));
    if (!parsed) return parsed.error();
    values_.insert_or_assign(parameter.name, std::move(parsed).value());
    return std::nullopt;
}

Result<ApiArguments> ApiArguments::read(std::span<const Parameter> parameters, const RequestTarget& target) {
    ApiArguments arguments;
    std::optional<Error> missing;
    for (const Parameter& parameter : parameters) {
        const auto given = single(parameter, target);
        if (!given) return given.error();
        auto error = arguments.take(parameter, given.value());
        if (error && given.value()) return *error;
        if (error && !missing) missing = std::move(error);
    }
    if (auto unknown = unknown_name(parameters, target)) return *unknown;
    if (missing) return *missing;
    return arguments;
}

Result<ApiArguments> ApiArguments::read_body(std::span<const Parameter> fields, std::string_view body) {
    ApiArguments arguments;
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (!body.empty() && parser.parse(body.data(), body.size()).get_object().get(object)) {
        return Error{"the body is not a JSON object; send one with " + names_of(fields) + ", or none"};
    }
    RequestTarget target;
    if (!body.empty()) {
        for (const auto& [name, value] : object) {
            const Parameter* const field = find(fields, name);
            if (field == nullptr) {
                return Error{"unknown key " + in_quotes(name) + "; allowed are " + names_of(fields)};
            }
            const bool is_text = field->type != Type::boolean && field->type != Type::count;
            if (is_text && !value.is_string()) return wrong(*field, text_of(value), "is not a text; put it in quotes");
            if (!is_text && value.is_string())
                return wrong(*field, text_of(value), "is a text; write it without quotes");
            target.query.emplace_back(name, text_of(value));
        }
    }
    return read(fields, target);
}

}  // namespace holdfast
