#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/api_endpoint.h"

namespace holdfast {

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
