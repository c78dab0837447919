#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/result.h>
#include <holdfast/status.h>

#include "http_server/http_message.h"
#include "net/url.h"

namespace holdfast {

class Api;
using ApiRequest = HttpRequest;
using ApiAnswer = HttpResponse;

/// Describes one value that an endpoint takes, in the query or as a field of the body. The parser, the documentation
/// and the flag of the client verb derive from it.
struct Parameter {
    enum class Type : std::uint8_t {
        text,
        prefix,    ///< "10.2.0.0/16", "10.2.0.9"
        word,      ///< a word of `words`
        words,     ///< several of `words`, separated by commas
        boolean,   ///< "true" or "false"; a switch on the command line
        count,     ///< integer from `min` to `max`
        duration,  ///< "500ms", from `min` to `max` milliseconds; `max` 0: the handler has the bounds
        seconds,   ///< duration of whole seconds, in the same bounds
        time,      ///< "2026-11-22T08:00:00Z", seconds since 1970, or a duration before now: "10m"
    };
    using Words = std::vector<std::string_view> (*)();

    std::string_view name;
    Type type = Type::text;
    std::string_view help;
    std::string_view value = {};          ///< what the command line's help calls it: "DURATION"
    std::string_view default_value = {};  ///< as a client would write it; empty: absent
    std::uint64_t min = 0;
    std::uint64_t max = 0;
    Words words = nullptr;
    bool required = false;
    std::string_view flag = {};       ///< switch of the client verb, if its flag is not --NAME
    std::string_view flag_help = {};  ///< help text of that switch
};

/// Holds the values of a request's parameters, checked against their descriptions. Used by one thread, for one request.
class ApiArguments {
public:
    /// Returns the values, or an error that names the invalid value and the valid ones: unknown, repeated, malformed or
    /// missing.
    [[nodiscard]] static Result<ApiArguments> read(std::span<const Parameter> parameters, const RequestTarget& target);
    /// Reads the members of a JSON object; an empty body has none.
    [[nodiscard]] static Result<ApiArguments> read_body(std::span<const Parameter> fields, std::string_view body);
    /// Returns why `text` is not a value of the parameter, or nullopt if it is one.
    [[nodiscard]] static std::optional<Error> fault_of(const Parameter& parameter, const std::string& text);

    /// Returns the value or its default; nullopt if it has neither. T: std::string (text, word), Prefix, bool,
    /// std::uint64_t (count), std::chrono::milliseconds (duration, seconds), std::vector<std::string> (words),
    /// EventTime (time).
    template <typename T>
    [[nodiscard]] std::optional<T> get(std::string_view name) const {
        const auto found = values_.find(name);
        const T* const value = found != values_.end() ? std::get_if<T>(&found->second) : nullptr;
        return value != nullptr ? std::optional<T>(*value) : std::nullopt;
    }
    template <typename T>
    [[nodiscard]] T value(std::string_view name) const {
        return get<T>(name).value_or(T{});
    }

private:
    using Value = std::variant<std::string, Prefix, bool, std::uint64_t, std::chrono::milliseconds,
                               std::vector<std::string>, EventTime>;

    [[nodiscard]] static Result<Value> parse(const Parameter& parameter, const std::string& text);
    [[nodiscard]] std::optional<Error> take(const Parameter& parameter, const std::optional<std::string>& text);

    std::map<std::string_view, Value> values_;  // names point into the descriptions
};

/// The input of a handler.
struct ApiCall {
    const ApiArguments& arguments;  ///< parameters of the query
    const ApiArguments& fields;     ///< fields of the body, if the endpoint describes them
    std::string_view message;       ///< body without white space, if it is any object
    std::string_view id;            ///< segment in place of {...}, if the path has one
    bool head = false;              ///< HEAD: only the headers are sent
};

/// The token that a request requires, if the API has tokens.
enum class Right : std::uint8_t { open, read, control };

/// A request that the API answers. The dispatcher, the index, the OpenAPI document, docs/reference/http.md and the
/// client verbs derive from it.
struct ApiEndpoint {
    enum class Body : std::uint8_t { none, any_object, fields };

    std::string_view method;
    std::string_view path;  ///< "/v1/connections/{id}"
    Right right;
    std::string_view help;
    ApiAnswer (Api::*handler)(const ApiCall&);
    std::span<const Parameter> parameters = {};
    Body body = Body::none;
    std::span<const Parameter> fields = {};  ///< fields of the body, which the dispatcher then parses
    std::string_view body_error = {};        ///< error code of an invalid body
    std::string_view answers = "200";        ///< statuses of success, separated by blanks
    std::string_view type = "application/json";
    std::string_view errors = {};   ///< codes besides those of every request, separated by blanks
    std::string_view example = {};  ///< an example answer
    std::string_view verb = {};     ///< verb of the command that sends it
};

/// An error code of the API.
struct ApiErrorCode {
    int status;
    std::string_view code;
    std::string_view when;
    bool anywhere = false;  ///< every request may get it
};

[[nodiscard]] std::span<const ApiErrorCode> all_error_codes();

/// The paths that the command itself requests.
namespace api_path {
inline constexpr std::string_view status = "/v1/status";
inline constexpr std::string_view connections = "/v1/connections";
inline constexpr std::string_view connection = "/v1/connections/{id}";
inline constexpr std::string_view connection_probe = "/v1/connections/{id}/probe";
inline constexpr std::string_view connection_messages = "/v1/connections/{id}/messages";
inline constexpr std::string_view device = "/v1/devices/{id}";
inline constexpr std::string_view device_probe = "/v1/devices/{id}/probe";
inline constexpr std::string_view device_messages = "/v1/devices/{id}/messages";
inline constexpr std::string_view probe = "/v1/probe";
inline constexpr std::string_view closed = "/v1/closed";
inline constexpr std::string_view prefixes = "/v1/prefixes";
inline constexpr std::string_view bad_items = "/v1/bad";
inline constexpr std::string_view trend = "/v1/trend";
inline constexpr std::string_view alarms = "/v1/alarms";
inline constexpr std::string_view alarm = "/v1/alarms/{id}";
inline constexpr std::string_view alarm_members = "/v1/alarms/{id}/members";
inline constexpr std::string_view alarm_acknowledgement = "/v1/alarms/{id}/acknowledgement";
inline constexpr std::string_view events = "/v1/events";
inline constexpr std::string_view reconciliation = "/v1/reconciliation";
inline constexpr std::string_view drain = "/v1/drain";
inline constexpr std::string_view reload = "/v1/reload";
inline constexpr std::string_view fleet = "/v1/fleet";
inline constexpr std::string_view spool = "/v1/spool";
inline constexpr std::string_view spool_groups = "/v1/spool/groups";
inline constexpr std::string_view spool_group = "/v1/spool/groups/{group}";
}  // namespace api_path

inline constexpr std::uint64_t max_page = 10'000;  ///< maximum number of rows in one answer
inline constexpr std::chrono::milliseconds max_probe_timeout{30'000};
inline constexpr std::chrono::milliseconds default_delivery_wait{300};

/// Returns the default order of a sort: false for peer and key, else true (largest or oldest first).
[[nodiscard]] bool descends_by_itself(ConnectionSort sort) noexcept;

// These generate the texts that derive from the table of endpoints. Pure.

/// Returns the answer to GET /v1: one line for each endpoint.
[[nodiscard]] std::string index_of(std::span<const ApiEndpoint> endpoints);

/// Returns the OpenAPI 3.1 document, indented.
[[nodiscard]] std::string openapi_document(std::span<const ApiEndpoint> endpoints);

/// Returns docs/reference/http.md.
[[nodiscard]] std::string http_page(std::span<const ApiEndpoint> endpoints);

/// Calls `use` with each word of a list that blanks separate.
template <typename Use>
void for_each_word(std::string_view list, Use use) {
    while (!list.empty()) {
        const std::string_view word = list.substr(0, list.find(' '));
        list.remove_prefix(word.size() < list.size() ? word.size() + 1 : word.size());
        use(word);
    }
}

}  // namespace holdfast
