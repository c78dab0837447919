#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "admin/api_endpoint.h"
#include "app/admin_client.h"
#include "app/command_line.h"

namespace holdfast {

/// Returns the path with `id`, percent-encoded, in place of its braces. Pure.
[[nodiscard]] std::string fill_path(std::string_view path, std::string_view id);

/// The flags of a client verb that follow from the endpoints it asks: their names, values, defaults and help are those
/// of the API's parameters. Owns what the command line gives; lives as long as the verb.
class EndpointFlags {
public:
    /// Returns the flags of an endpoint but for those that an earlier call returned; `prefix` begins each help text.
    [[nodiscard]] Arguments of(std::string_view method, std::string_view path, std::string_view prefix = "");

    /// Returns true if the command line gives another value than the default.
    [[nodiscard]] bool given(std::string_view name) const;
    [[nodiscard]] const std::string& value(std::string_view name) const { return values_.at(name).text; }
    void set(std::string_view name, std::string_view text) { values_.at(name).text = text; }
    /// Returns true if the endpoint takes every flag that is given.
    [[nodiscard]] bool fit(std::string_view method, std::string_view path) const;

    /// Returns the request: what is given of the endpoint's parameters, and `id` in place of the braces.
    [[nodiscard]] AdminQuestion question(std::string_view method, std::string_view path,
                                         std::string_view id = "") const;

private:
    struct Value {
        std::string text;
        std::string default_text;
        bool on = false;  // a switch
    };
    [[nodiscard]] std::string text_of(const Parameter& parameter) const;
    [[nodiscard]] Argument argument_of(const Parameter& parameter, std::string_view prefix);

    std::map<std::string_view, Value> values_;  // by the parameter's name
};

/// Returns a verb for each endpoint that names one that `made` lacks: it takes what the endpoint takes, and prints the
/// answer as it came.
[[nodiscard]] std::vector<Verb> verbs_of_endpoints(const std::vector<Verb>& made);

}  // namespace holdfast
