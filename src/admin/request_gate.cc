#include <charconv>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>

#include "admin/http_front.h"
#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

std::optional<std::size_t> parse_length(std::string_view text) {
    std::size_t length = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
    return length;
}

/// "localhost:7080", "127.0.0.1", "[::1]:7080": without the port.
std::string_view host_of(std::string_view authority) {
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return authority.substr(0, colon);
}

/// Somebody follows a link to a page (which may be in a mail about an alarm): nothing is changed, and nobody but the
/// person sees the answer.
bool follows_link(const httplib::Request& request) {
    return request.method == "GET" && request.get_header_value("Sec-Fetch-Mode") == "navigate" &&
           request.get_header_value("Sec-Fetch-Dest") == "document" && !request.has_header("Origin");
}

/// A browser says from which page a request comes; a page of another site must not steer the gateway.
bool from_another_site(const httplib::Request& request) {
    if (follows_link(request)) return false;
    const std::string site = request.get_header_value("Sec-Fetch-Site");
    if (site == "cross-site" || site == "same-site") return true;
    const std::string origin = request.get_header_value("Origin");
    if (origin.empty()) return false;
    const std::size_t scheme = origin.find("://");
    return scheme == std::string::npos || origin.substr(scheme + 3) != request.get_header_value("Host");
}

}  // namespace

std::optional<ApiAnswer> RequestGate::refuse(const httplib::Request& request) const {
    const std::string host = request.get_header_value("Host");
    const std::string_view name = host_of(host);
    // A foreign name for a loopback address is how a web page gets around the same-origin rule (DNS rebinding).
    if (local_names_only_ && !name.empty() && name != "localhost" && !parse_ip_address(name)) {
        return Api::error(
            403, "forbidden",
            "the admin address is a loopback one: call it localhost or by its IP, not " + in_quotes(name));
    }
    if (from_another_site(request)) {
        return Api::error(403, "forbidden", "requests from a page of another site are not taken");
    }
    if (request.has_header("Transfer-Encoding")) {
        return Api::error(411, "length_required", "a body needs a Content-Length; Transfer-Encoding is not taken");
    }
    if (request.has_header("Content-Encoding")) {
        return Api::error(415, "unsupported_encoding",
                          "a body must not be compressed: send it without Content-Encoding");
    }
    if (request.get_header_value_count("Content-Length") > 1) {
        return Api::error(400, "bad_request", "there are two Content-Length headers: send one");
    }
    if (!request.has_header("Content-Length")) return std::nullopt;
    const auto length = parse_length(request.get_header_value("Content-Length"));
    if (!length) return Api::error(400, "bad_request", "Content-Length is not a number");
    if (*length <= max_body_bytes_) return std::nullopt;
    return Api::error(413, "too_large", "the body is longer than " + format_size(max_body_bytes_) + ": send less");
}

std::size_t RequestGate::body_bytes(const httplib::Request& request) {
    return parse_length(request.get_header_value("Content-Length")).value_or(0);
}

}  // namespace holdfast
