#include "admin/query.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

constexpr std::string_view sorts = "age, idle, items, bytes_in, bytes_out, peer, key";

std::string join(const std::vector<std::string_view>& words) {
    std::string joined;
    for (const std::string_view word : words) {
        if (!joined.empty()) joined += ", ";
        joined += word;
    }
    return joined;
}

std::string reason_words() {
    std::vector<std::string_view> words;
    for (const CloseReason reason : all_close_reasons) words.push_back(to_string(reason));
    return join(words);
}

}  // namespace

std::optional<std::string> QueryReader::text(std::string_view name) {
    known_.push_back(name);
    std::optional<std::string> found;
    for (const auto& [key, value] : target_.query) {
        if (key != name) continue;
        if (found) complain(name, value, "is given twice: give it once");
        found = value;
    }
    return found;
}

std::optional<Prefix> QueryReader::prefix(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    const auto parsed = parse_prefix(*value);
    if (parsed) return parsed.value();
    complain(name, *value, "is not a prefix (" + parsed.error().message + ")");
    return std::nullopt;
}

std::optional<CloseReason> QueryReader::reason(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    const auto parsed = parse_close_reason(*value);
    if (!parsed) complain(name, *value, "is not a reason; allowed are " + reason_words());
    return parsed;
}

ConnectionSort QueryReader::sort(std::string_view name) {
    const auto value = text(name);
    if (!value) return ConnectionSort::age;
    const auto parsed = parse_connection_sort(*value);
    if (!parsed) complain(name, *value, "is not a sort; allowed are " + std::string(sorts));
    return parsed.value_or(ConnectionSort::age);
}

std::optional<bool> QueryReader::descending(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    if (*value != "asc" && *value != "desc") complain(name, *value, "is not an order; allowed are asc, desc");
    return *value == "desc";
}

bool QueryReader::flag(std::string_view name) { return choice(name).value_or(false); }

std::optional<bool> QueryReader::choice(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    if (*value != "true" && *value != "false") complain(name, *value, "is neither true nor false");
    return *value == "true";
}

std::size_t QueryReader::number(std::string_view name, std::size_t otherwise, std::size_t most) {
    const auto value = text(name);
    if (!value) return otherwise;
    std::size_t number = 0;
    const char* const end = value->data() + value->size();
    const auto [rest, error] = std::from_chars(value->data(), end, number);
    if (error == std::errc{} && rest == end && number <= most) return number;
    complain(name, *value, "is not a whole number from 0 to " + std::to_string(most));
    return otherwise;
}

std::chrono::milliseconds QueryReader::timeout(std::string_view name, std::chrono::milliseconds otherwise) {
    const auto value = text(name);
    if (!value) return otherwise;
    const auto parsed = parse_duration(*value);
    const bool fits = parsed && parsed.value().count() > 0 && parsed.value() <= max_probe_timeout;
    if (fits) return parsed.value();
    complain(name, *value,
             "is not a time to wait; write e.g. 500ms or 3s, from 1ms to " + format_duration(max_probe_timeout));
    return otherwise;
}

std::chrono::milliseconds QueryReader::wait(std::string_view name, std::chrono::milliseconds most) {
    const auto value = text(name);
    if (!value) return std::chrono::milliseconds(0);
    const auto parsed = parse_duration(*value);
    if (parsed && parsed.value().count() >= 0 && parsed.value() <= most) return parsed.value();
    complain(name, *value, "is not a time to wait; write e.g. 500ms or 3s, at most " + format_duration(most));
    return std::chrono::milliseconds(0);
}

std::chrono::seconds QueryReader::seconds(std::string_view name, std::chrono::seconds otherwise,
                                          std::chrono::seconds least, std::chrono::seconds most) {
    const auto value = text(name);
    if (!value) return otherwise;
    const auto parsed = parse_duration(*value);
    const bool whole = parsed && parsed.value() % std::chrono::seconds(1) == std::chrono::milliseconds(0);
    if (whole && parsed.value() >= least && parsed.value() <= most) {
        return std::chrono::duration_cast<std::chrono::seconds>(parsed.value());
    }
    complain(name, *value,
             "is not a duration of whole seconds from " + format_duration(least) + " to " + format_duration(most));
    return otherwise;
}

std::optional<std::string> QueryReader::finish() {
    if (!error_.empty()) return error_;
    for (const auto& [key, value] : target_.query) {
        if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
        if (known_.empty()) return "no query parameter is taken here, and there is " + in_quotes(key);
        return "there is no query parameter " + in_quotes(key) + " here; allowed are " + join(known_);
    }
    return std::nullopt;
}

void QueryReader::complain(std::string_view name, std::string_view value, std::string_view rule) {
    if (error_.empty()) error_ = std::string(name) + "=" + in_quotes(value) + " " + std::string(rule);
}

bool descends_by_itself(ConnectionSort sort) noexcept {
    return sort != ConnectionSort::peer && sort != ConnectionSort::key;
}

ConnectionQuery read_connection_query(QueryReader& query) {
    ConnectionQuery read;
    read.peer = query.prefix("peer");
    read.key = query.text("key");
    read.id = query.text("id");
    read.listener = query.text("listener");
    read.suspect = query.choice("suspect");
    read.sort = query.sort("sort");
    const bool natural = descends_by_itself(read.sort);
    read.reverse = query.descending("order").value_or(natural) != natural;
    read.limit = query.number("limit", read.limit, max_page);
    read.offset = query.number("offset", 0, std::numeric_limits<std::size_t>::max());
    return read;
}

ClosedQuery read_closed_query(QueryReader& query) {
    ClosedQuery read;
    read.reason = query.reason("reason");
    read.peer = query.prefix("peer");
    read.id = query.text("id");
    read.limit = query.number("limit", read.limit, max_page);
    read.offset = query.number("offset", 0, std::numeric_limits<std::size_t>::max());
    return read;
}

}  // namespace holdfast
