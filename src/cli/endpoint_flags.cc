#include "cli/endpoint_flags.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include "api/api.h"
#include "base/check.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "net/url.h"
#include "text/json_writer.h"
#include "text/units.h"

namespace holdfast {
namespace {

bool is_switch(const Parameter& parameter) {
    return parameter.type == Parameter::Type::boolean || !parameter.flag.empty();
}

/// Returns "--come-back" for "come_back".
std::string flag_of(const Parameter& parameter) {
    if (!parameter.flag.empty()) return std::string(parameter.flag);
    std::string name = "--" + std::string(parameter.name);
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

const ApiEndpoint& endpoint_of(std::string_view method, std::string_view path) {
    const auto endpoints = Api::endpoints();
    const auto found = std::find_if(endpoints.begin(), endpoints.end(), [&](const ApiEndpoint& endpoint) {
        return endpoint.method == method && endpoint.path == path;
    });
    HOLDFAST_CHECK(found != endpoints.end());
    return *found;
}

/// Returns "GROUP" for "/v1/spool/groups/{group}".
std::string name_in_braces(std::string_view path) {
    std::string name(path.substr(path.find('{') + 1, path.find('}') - path.find('{') - 1));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    return name;
}

Verb verb_of(const ApiEndpoint& endpoint) {
    struct Flags {
        ClientFlags client;
        EndpointFlags api;
        std::string id;
        std::string body;
    };
    const auto flags = std::make_shared<Flags>();
    Arguments arguments;
    if (endpoint.path.find('{') != std::string_view::npos) {
        arguments.push_back({name_in_braces(endpoint.path), &flags->id, "", "in the path", {.required = true}});
    }
    const bool has_body = endpoint.body == ApiEndpoint::Body::any_object;
    if (has_body) arguments.push_back({"JSON", &flags->body, "", "the object", {.required = true}});
    arguments = arguments + flags->api.of(endpoint.method, endpoint.path) + client_arguments(flags->client);
    return {std::string(endpoint.verb), "print " + std::string(endpoint.help), std::move(arguments),
            [flags, has_body, &endpoint] {
                AdminQuestion question = flags->api.question(endpoint.method, endpoint.path, flags->id);
                if (has_body) question.body = flags->body;
                return request_and_show(flags->client, question, {.text = rows_text});
            }};
}

}  // namespace

std::string fill_path(std::string_view path, std::string_view id) {
    const std::size_t open = path.find('{');
    if (open == std::string_view::npos) return std::string(path);
    return std::string(path.substr(0, open)) + percent_encode(id) + std::string(path.substr(path.find('}') + 1));
}

Argument EndpointFlags::argument_of(const Parameter& parameter, std::string_view prefix) {
    Value& value = values_[parameter.name];
    if (is_switch(parameter)) {
        const auto help = parameter.flag_help.empty() ? parameter.help : parameter.flag_help;
        return {flag_of(parameter), &value.on, "", std::string(prefix) + std::string(help)};
    }
    value.text = value.default_text = parameter.default_value;
    return {flag_of(parameter),
            &value.text,
            std::string(parameter.value),
            std::string(prefix) + std::string(parameter.help),
            {.shows_default = !value.default_text.empty(),
             .fault_of = [&parameter](const std::string& text) { return ApiArguments::fault_of(parameter, text); }}};
}

Arguments EndpointFlags::of(std::string_view method, std::string_view path, std::string_view prefix) {
    const ApiEndpoint& endpoint = endpoint_of(method, path);
    Arguments arguments;
    for (const auto parameters : {endpoint.parameters, endpoint.fields}) {
        for (const Parameter& parameter : parameters) {
            if (!values_.contains(parameter.name)) arguments.push_back(argument_of(parameter, prefix));
        }
    }
    return arguments;
}

bool EndpointFlags::given(std::string_view name) const {
    const auto found = values_.find(name);
    return found != values_.end() && (found->second.on || found->second.text != found->second.default_text);
}

std::chrono::milliseconds EndpointFlags::duration(std::string_view name) const {
    return parse_duration(value(name)).value();
}

bool EndpointFlags::fit(std::string_view method, std::string_view path) const {
    const ApiEndpoint& endpoint = endpoint_of(method, path);
    const auto takes = [&](std::string_view name) {
        const auto named = [name](const Parameter& parameter) { return parameter.name == name; };
        return std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(), named) ||
               std::any_of(endpoint.fields.begin(), endpoint.fields.end(), named);
    };
    return std::all_of(values_.begin(), values_.end(),
                       [&](const auto& entry) { return takes(entry.first) || !given(entry.first); });
}

std::string EndpointFlags::text_of(const Parameter& parameter) const {
    const Value& value = values_.at(parameter.name);
    if (parameter.type != Parameter::Type::boolean) return value.text;
    return parameter.flag.empty() ? "true" : "false";
}

AdminQuestion EndpointFlags::question(std::string_view method, std::string_view path, std::string_view id) const {
    const ApiEndpoint& endpoint = endpoint_of(method, path);
    AdminQuestion question{.method = std::string(method), .target = fill_path(path, id)};
    char mark = '?';
    for (const Parameter& parameter : endpoint.parameters) {
        if (!given(parameter.name)) continue;
        question.target += mark + std::string(parameter.name) + "=" + percent_encode(text_of(parameter));
        mark = '&';
    }
    if (endpoint.fields.empty()) return question;
    JsonWriter body;
    body.begin_object();
    for (const Parameter& field : endpoint.fields) {
        if (!given(field.name)) continue;
        const std::string text = text_of(field);
        field.type == Parameter::Type::boolean ? body.field(field.name, text == "true") : body.field(field.name, text);
    }
    question.body = body.end_object().take();
    return question;
}

std::vector<Verb> verbs_of_endpoints(const std::vector<Verb>& made) {
    std::vector<Verb> verbs;
    for (const ApiEndpoint& endpoint : Api::endpoints()) {
        const std::string_view name = endpoint.verb.substr(0, endpoint.verb.find(' '));
        const auto named = [name](const Verb& verb) { return verb.name == name; };
        if (!name.empty() && std::none_of(made.begin(), made.end(), named)) verbs.push_back(verb_of(endpoint));
    }
    return verbs;
}

}  // namespace holdfast
