#pragma once

#include <string>
#include <string_view>

#include "admin/api.h"
#include "admin/request_lobby.h"

namespace holdfast {

/// Returns an answer as it goes over the wire without httplib; the connection ends with it.
[[nodiscard]] std::string to_http(const ApiAnswer& answer, bool with_body = true);

/// Returns what a client is told whose head did not come in time or is too large.
[[nodiscard]] ApiAnswer refusal_of(Arrival::Head head);

/// Returns what a client is told that has no place.
[[nodiscard]] ApiAnswer too_busy();

/// Returns the first request's head with its empty line.
[[nodiscard]] std::string_view head_of(std::string_view bytes) noexcept;

}  // namespace holdfast
