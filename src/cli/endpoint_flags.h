#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/api_endpoint.h"
#include "cli/command_line.h"
#include "client/admin_client.h"

namespace holdfast {

/// Returns the path with its braces replaced by `id`, percent-encoded. Pure.
[[nodiscard]] std::string fill_path(std::string_view path, std::string_view id);

/// The flags of a client verb that follow from its endpoints. Names, values, defaults and help are those of the API's
/// parameters. Owns the values of the command line; lives as long as the verb.
class EndpointFlags {
public:
    /// Returns the flags of an endpoint without those that an earlier call returned. Each help text begins with
    /// `prefix`.
    [[nodiscard]] Arguments of(std::string_view method, std::string_view path, std::string_view prefix = "");

    /// Returns true if the value on the command line differs from the default.
    [[nodiscard]] bool given(std::string_view name) const;
    [[nodiscard]] const std::string& value(std::string_view name) const { return values_.at(name).text; }
    /// Returns the value of a duration. The command line accepts valid ones only.
    [[nodiscard]] std::chrono::milliseconds duration(std::string_view name) const;
    void set(std::string_view name, std::string_view text) { values_.at(name).text = text; }
    /// Returns true if the endpoint accepts every given flag.
    [[nodiscard]] bool fit(std::string_view method, std::string_view path) const;

    /// Returns the request with the given parameters of the endpoint, and `id` in place of the braces.
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

    std::map<std::string_view, Value> values_;  // by parameter name
};

/// Returns a verb for each endpoint whose verb `made` lacks. Such a verb takes the endpoint's parameters and prints
/// rows_text() of the answer.
[[nodiscard]] std::vector<Verb> verbs_of_endpoints(const std::vector<Verb>& made);

}  // namespace holdfast
