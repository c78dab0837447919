#include <algorithm>
#include <map>
#include <vector>

#include <holdfast/server.h>

#include "api/api_endpoint.h"
#include "text/json_writer.h"
#include "text/units.h"

namespace holdfast {
namespace {

using Type = Parameter::Type;
using Body = ApiEndpoint::Body;

/// A longer list does not fit into a table cell.
constexpr std::size_t listed_words = 10;

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

std::string listed(const std::vector<std::string_view>& words, std::string_view mark) {
    std::string out;
    for (const std::string_view word : words) {
        out += (out.empty() ? "" : ", ") + std::string(mark) + std::string(word) + std::string(mark);
    }
    return out;
}

std::string bounds_of(const Parameter& parameter) {
    const auto time = [](std::uint64_t ms) { return format_duration(std::chrono::milliseconds(ms)); };
    return parameter.max == 0 ? "" : ", " + time(parameter.min) + " to " + time(parameter.max);
}

std::string type_of(const Parameter& parameter) {
    switch (parameter.type) {
        case Type::text:
            return "text";
        case Type::prefix:
            return "prefix or address";
        case Type::word:
            if (parameter.words().size() <= listed_words) return "one of " + listed(parameter.words(), "`");
            return "one of " + std::to_string(parameter.words().size()) + " words of [openapi.json](openapi.json)";
        case Type::words:
            return "list of " + listed(parameter.words(), "`") + ", separated by commas";
        case Type::boolean:
            return "`true` or `false`";
        case Type::count:
            return "whole number, " + std::to_string(parameter.min) + " to " + std::to_string(parameter.max);
        case Type::duration:
            return "duration" + bounds_of(parameter);
        case Type::seconds:
            return "duration of whole seconds" + bounds_of(parameter);
        case Type::time:
            return "time: RFC 3339, seconds since 1970, or a duration before now";
    }
    return {};
}

std::string_view right_words(Right right) {
    switch (right) {
        case Right::open:
            return "open";
        case Right::read:
            return "read";
        case Right::control:
            return "control";
    }
    return {};
}

const ApiErrorCode* error_of(std::string_view code) {
    const auto codes = all_error_codes();
    const auto found =
        std::find_if(codes.begin(), codes.end(), [code](const ApiErrorCode& row) { return row.code == code; });
    return found != codes.end() ? &*found : nullptr;
}

/// Calls `use` with each error that is specific to the endpoint.
template <typename Use>
void for_each_error(const ApiEndpoint& endpoint, Use use) {
    const auto show = [&](std::string_view code) {
        if (const ApiErrorCode* const row = error_of(code)) use(*row);
    };
    for_each_word(endpoint.body_error, show);
    for_each_word(endpoint.errors, show);
}

// --- OpenAPI

void write_schema(JsonWriter& json, const Parameter& parameter) {
    const bool is_list = parameter.type == Type::words;
    json.key("schema").begin_object();
    if (is_list) json.field("type", "array").key("items").begin_object();
    if (parameter.type == Type::boolean) {
        json.field("type", "boolean");
    } else if (parameter.type == Type::count) {
        json.field("type", "integer").field("minimum", parameter.min).field("maximum", parameter.max);
    } else {
        json.field("type", "string");
    }
    if (parameter.words != nullptr) {
        json.key("enum").begin_array();
        for (const std::string_view word : parameter.words()) json.value(word);
        json.end_array();
    }
    if (is_list) json.end_object();
    json.end_object();
}

std::string description_of(const Parameter& parameter) {
    std::string text(parameter.help);
    if (parameter.type == Type::duration || parameter.type == Type::seconds || parameter.type == Type::time)
        text += " (" + type_of(parameter) + ")";
    if (!parameter.default_value.empty()) text += "; default " + std::string(parameter.default_value);
    return text;
}

void write_path_parameter(JsonWriter& json, std::string_view path) {
    const std::size_t open = path.find('{');
    if (open == std::string_view::npos) return;
    json.begin_object().field("name", path.substr(open + 1, path.find('}') - open - 1)).field("in", "path");
    json.field("required", true).key("schema").begin_object().field("type", "string").end_object().end_object();
}

void write_parameters(JsonWriter& json, const ApiEndpoint& endpoint) {
    json.key("parameters").begin_array();
    write_path_parameter(json, endpoint.path);
    for (const Parameter& parameter : endpoint.parameters) {
        json.begin_object().field("name", parameter.name).field("in", "query");
        json.field("description", description_of(parameter)).field("required", parameter.required);
        if (parameter.type == Type::words) json.field("style", "form").field("explode", false);
        write_schema(json, parameter);
        json.end_object();
    }
    json.end_array();
}

void write_body(JsonWriter& json, const ApiEndpoint& endpoint) {
    if (endpoint.body == Body::none) return;
    bool required = endpoint.body == Body::any_object;
    for (const Parameter& field : endpoint.fields) required = required || field.required;
    json.key("requestBody").begin_object().field("required", required).key("content").begin_object();
    json.key("application/json").begin_object().key("schema").begin_object().field("type", "object");
    if (!endpoint.fields.empty()) {
        json.key("properties").begin_object();
        for (const Parameter& field : endpoint.fields) {
            json.key(field.name).begin_object().field("description", description_of(field)).key("allOf").begin_array();
            json.begin_object();
            json.field("type", field.type == Type::boolean ? "boolean"
                               : field.type == Type::count ? "integer"
                                                           : "string");
            json.end_object().end_array().end_object();
        }
        json.end_object().field("additionalProperties", false);
    }
    json.end_object().end_object().end_object().end_object();
}

void write_answer(JsonWriter& json, std::string_view status, const ApiEndpoint& endpoint) {
    json.key(status).begin_object().field("description", endpoint.help);
    json.key("content").begin_object().key(endpoint.type.substr(0, endpoint.type.find(';'))).begin_object();
    json.key("schema").begin_object();
    json.field("type", endpoint.type == "application/json" ? "object" : "string").end_object();
    json.end_object().end_object().end_object();
}

void write_error(JsonWriter& json, std::string_view key, const std::string& description) {
    json.key(key).begin_object().field("description", description).key("content").begin_object();
    json.key("application/json").begin_object().key("schema").begin_object();
    json.field("$ref", "#/components/schemas/Error").end_object().end_object().end_object().end_object();
}

void write_responses(JsonWriter& json, const ApiEndpoint& endpoint) {
    json.key("responses").begin_object();
    for_each_word(endpoint.answers, [&](std::string_view status) { write_answer(json, status, endpoint); });
    std::map<int, std::string> errors;
    for_each_error(endpoint, [&](const ApiErrorCode& row) {
        std::string& text = errors[row.status];
        text += (text.empty() ? "" : "; ") + std::string(row.code) + ": " + std::string(row.when);
    });
    for (const auto& [status, description] : errors) write_error(json, std::to_string(status), description);
    write_error(json, "default", "an error that every request may get");
    json.end_object();
}

/// Returns "get_v1_connections_id".
std::string operation_id(const ApiEndpoint& endpoint) {
    std::string id(endpoint.method);
    std::transform(id.begin(), id.end(), id.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    for (const char c : endpoint.path) {
        if (c == '/') id += '_';
        if (c != '/' && c != '{' && c != '}') id += c;
    }
    return id;
}

void write_operation(JsonWriter& json, const ApiEndpoint& endpoint) {
    std::string method = operation_id(endpoint);
    method.resize(endpoint.method.size());
    json.key(method).begin_object().field("operationId", operation_id(endpoint)).field("summary", endpoint.help);
    json.field("x-holdfast-right", right_words(endpoint.right)).key("security").begin_array();
    if (endpoint.right != Right::open) json.begin_object().key("token").begin_array().end_array().end_object();
    json.end_array();
    write_parameters(json, endpoint);
    write_body(json, endpoint);
    write_responses(json, endpoint);
    json.end_object();
}

void write_components(JsonWriter& json) {
    json.key("components").begin_object().key("securitySchemes").begin_object().key("token").begin_object();
    json.field("type", "http").field("scheme", "bearer").end_object().end_object();
    json.key("schemas").begin_object().key("Error").begin_object().field("type", "object");
    json.key("properties").begin_object().key("error").begin_object().field("type", "object");
    json.key("properties").begin_object().key("code").begin_object().field("type", "string");
    json.key("enum").begin_array();
    std::vector<std::string_view> codes;
    for (const ApiErrorCode& row : all_error_codes()) {
        if (std::find(codes.begin(), codes.end(), row.code) == codes.end()) codes.push_back(row.code);
    }
    for (const std::string_view code : codes) json.value(code);
    json.end_array().end_object().key("message").begin_object().field("type", "string").end_object();
    json.end_object().end_object().end_object().end_object().end_object().end_object();
}

/// Returns the document with one line for each member and element.
std::string indented(std::string_view json) {
    std::string out;
    std::string line = "\n";
    bool in_text = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        const bool closes = !in_text && (c == '}' || c == ']');
        if (closes) line.pop_back();
        if (closes && out.back() != '{' && out.back() != '[') out += line;
        out += c;
        if (c == '"' && json[i - 1] != '\\') in_text = !in_text;
        if (in_text) continue;
        if (c == '{' || c == '[') line += ' ';
        if (c == ':') out += ' ';
        const bool is_empty = (c == '{' && json[i + 1] == '}') || (c == '[' && json[i + 1] == ']');
        if (c == ',' || ((c == '{' || c == '[') && !is_empty)) out += line;
    }
    return out + "\n";
}

// --- Markdown

std::string table_of(std::string_view title, std::span<const Parameter> parameters) {
    if (parameters.empty()) return {};
    std::string out = "| " + std::string(title) + " | type | default | effect |\n|---|---|---|---|\n";
    for (const Parameter& parameter : parameters) {
        const std::string default_value = parameter.required ? "required"
                                          : parameter.default_value.empty()
                                              ? ""
                                              : "`" + std::string(parameter.default_value) + "`";
        out += "| `" + std::string(parameter.name) + "` | " + type_of(parameter) + " | " + default_value + " | " +
               std::string(parameter.help) + " |\n";
    }
    return out + "\n";
}

std::string sentence_of(std::string_view help) {
    std::string text(help);
    if (text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 'a' + 'A');
    return text + ".";
}

std::string section_of(const ApiEndpoint& endpoint) {
    std::string out = "## " + std::string(endpoint.method) + " " + std::string(endpoint.path) + "\n\n" +
                      sentence_of(endpoint.help) + " Right: `" + std::string(right_words(endpoint.right)) + "`.";
    if (!endpoint.verb.empty()) out += " Verb: `holdfast " + std::string(endpoint.verb) + "`.";
    out += "\n\n" + table_of("parameter", endpoint.parameters) + table_of("field of the body", endpoint.fields);
    if (endpoint.body == Body::any_object) out += "Body: one JSON object.\n\n";
    std::string statuses;
    for_each_word(endpoint.answers,
                  [&](std::string_view status) { statuses += (statuses.empty() ? "" : " or ") + std::string(status); });
    out += "Answer: " + statuses + ", `" + std::string(endpoint.type) + "`.";
    std::string errors;
    for_each_error(endpoint, [&](const ApiErrorCode& row) {
        errors += (errors.empty() ? "" : ", ") + std::to_string(row.status) + " `" + std::string(row.code) + "`";
    });
    if (!errors.empty()) out += " Errors: " + errors + ".";
    out += "\n\n";
    return endpoint.example.empty() ? out : out + "    " + std::string(endpoint.example) + "\n\n";
}

constexpr std::string_view page_head = R"page(# HTTP API

Requests of the admin API, in HTTP/1.1 on the admin address. `script/docs` writes this page and [openapi.json](openapi.json)
from the table that the gateway reads.

| question | page |
|---|---|
| How do I open the API to another host? | [Open the admin API](../tasks/open-the-admin-api.md) |
| Which fields does an answer have? | [Answers](answers.md) |
| Which metrics are there? | [Metrics](metrics.md) |

    curl -H "Authorization: Bearer $(cat read.token)" --cacert admin-ca.pem https://gateway.example:7080/v1/status
    curl --unix-socket /run/holdfast/admin.sock http://localhost/v1/status
    holdfast status --admin https://gateway.example:7080 --admin-ca admin-ca.pem --admin-token-file read.token

## Rights

| right | token that has it |
|---|---|
| `open` | none is needed |
| `read` | a token of `read_token_file` or `token_file` |
| `control` | a token of `token_file` |

- Without `token_file`, loopback has every right. The unix socket always has: its mode is 0600.
- The dashboard's files under `/dashboard/` are `open`; the page requests a token and sends it.
- A browser's request from another site gets 403 `forbidden`, except a followed link. There are no cookies and no CORS.
- A host name that is not the address's own gets 403 `forbidden`. Its own names are `localhost`, an IP address, the certificate's
  names and `[admin] hosts`.

## Requests

- `HEAD` is accepted wherever `GET` is. Answers carry `Cache-Control: no-store`.
- An unknown query parameter, or one given twice, is an error.
- Lines end with CR LF. A header has its colon directly after its name, and one line.
- `Host`, `Content-Length`, `Authorization` and `Origin` may be given once.
- The target is an absolute path without `.` and `..`. A body needs `Content-Length`; `Transfer-Encoding` is rejected.
- A head has at most 100 headers, 8 KiB each and 16 KiB in all. A rejected head ends the connection.
- A client has 3 s for a head, 3 s for a body, 10 s to read the answer, and 2 s between requests.
- 96 clients have a place until their request is complete. A newer client replaces the oldest of the source with the most clients.
- While more than 48 clients are connected, an answer ends its connection.
- Eight workers answer complete requests, and 64 requests wait for one. Health probes have a worker of their own.
- At most 64 clients and 32 MiB of answers wait to be read. Beyond that, the oldest of these clients is closed.

)page";

constexpr std::string_view errors_head = R"page(## Errors

An answer that is not 200 or 202 has this form. The message gives the cause and the remedy.

    {"error":{"code":"bad_query","message":"limit=\"-1\" is not a whole number from 0 to 10000"}}

| status | code | when | any request |
|---|---|---|---|
)page";

}  // namespace

std::string index_of(std::span<const ApiEndpoint> endpoints) {
    std::string out = "holdfast admin API\n\n";
    for (const ApiEndpoint& endpoint : endpoints) {
        out += padded(std::string(endpoint.method), 7) + padded(std::string(endpoint.path), 38) +
               std::string(endpoint.help);
        std::string names;
        for (const Parameter& parameter : endpoint.parameters)
            names += (names.empty() ? ", ?" : " ") + std::string(parameter.name) + "=";
        for (const Parameter& field : endpoint.fields)
            names += (names.empty() ? ", {\"" : ",\"") + std::string(field.name) + "\":...";
        out += names + (endpoint.fields.empty() ? "" : "}") + "\n";
    }
    return out;
}

std::string openapi_document(std::span<const ApiEndpoint> endpoints) {
    JsonWriter json;
    json.begin_object().field("openapi", "3.1.0").key("info").begin_object().field("title", "holdfast admin API");
    json.field("version", version()).end_object().key("paths").begin_object();
    std::string_view path;
    for (const ApiEndpoint& endpoint : endpoints) {
        if (endpoint.path != path && !path.empty()) json.end_object();
        if (endpoint.path != path) json.key(endpoint.path).begin_object();
        path = endpoint.path;
        write_operation(json, endpoint);
    }
    json.end_object().end_object();
    write_components(json);
    return indented(json.end_object().take());
}

std::string http_page(std::span<const ApiEndpoint> endpoints) {
    std::string out(page_head);
    for (const ApiEndpoint& endpoint : endpoints) out += section_of(endpoint);
    out += errors_head;
    for (const ApiErrorCode& row : all_error_codes()) {
        out += "| " + std::to_string(row.status) + " | `" + std::string(row.code) + "` | " + std::string(row.when) +
               (row.anywhere ? " | yes |\n" : " | |\n");
    }
    return out;
}

namespace {

constexpr ApiErrorCode error_codes[] = {
    {400, "bad_query", "a query parameter is unknown, malformed, given twice or missing", true},
    {400, "bad_request", "not valid HTTP/1.1, a bad target, or a body that ends early", true},
    {400, "bad_order", "the body of a drain or of an acknowledgement is wrong"},
    {400, "not_json", "the body is not JSON"},
    {400, "wrong_payload", "the listener's payload is not JSON, and the body lacks the field `text` or `base64`"},
    {400, "not_object", "the body is not an object, or not one with the fields of the endpoint"},
    {401, "unauthorized", "no token, or an unknown one", true},
    {403, "forbidden", "a web page of another site, or a foreign host name", true},
    {403, "read_only", "a token of read_token_file, for an endpoint that needs the right `control`", true},
    {404, "not_found", "no such path, connection, device, listener or group; or nothing to show yet", true},
    {405, "method_not_allowed", "the path has other methods, which the Allow header names", true},
    {408, "too_slow", "the request did not arrive in time", true},
    {409, "no_reload", "this gateway cannot reload its configuration"},
    {409, "no_spool", "this gateway keeps no spool"},
    {409, "no_fleet", "this gateway is in no fleet"},
    {409, "refused", "the drain cannot begin: unknown listener, out of bounds, or the gateway stops"},
    {409, "beyond_newest", "the position is beyond the newest event"},
    {409, "group_moved", "another consumer has moved the group"},
    {409, "required", "sink.required_groups has the group"},
    {411, "length_required", "a body without Content-Length (Transfer-Encoding is not taken)", true},
    {413, "too_large", "a message over item.max_bytes, or another body over twice that", true},
    {414, "uri_too_long", "a target over 8 KiB", true},
    {415, "unsupported_encoding", "a compressed body", true},
    {416, "bad_range", "a malformed Range header; well-formed ones are passed over", true},
    {422, "bad_config", "the configuration file has errors; `details` has all of them"},
    {422, "unencodable", "the framing of the device's listener has no form for the message; nothing was sent"},
    {429, "queue_full", "limits.downlink_queue of the device is full"},
    {429, "too_many_probes", "four long requests are in progress"},
    {429, "too_busy", "four long requests are in progress"},
    {429, "too_many_waiting", "32 clients wait for events of the spool already"},
    {431, "too_many_headers", "more than 100 headers, one over 8 KiB, or over 16 KiB in all", true},
    {500, "internal_error", "a defect of the gateway", true},
    {503, "not_ready", "the gateway accepts no devices; the message says why"},
    {503, "out_of_service", "an operator has drained the gateway"},
    {503, "sink_error", "the sink cannot write"},
    {503, "hangs", "a reactor has not turned for 10 s"},
    {503, "spool_error", "the spool cannot be read or written; the message says why"},
    {503, "gateway_silent", "the device is at a gateway that does not answer"},
    {503, "too_busy", "64 requests wait, a newer client took the place, or 4,096 clients follow events", true},
};

}  // namespace

std::span<const ApiErrorCode> all_error_codes() { return error_codes; }

}  // namespace holdfast
