#include "api/api.h"

#include "api/downlink_message.h"
#include "api/render.h"
#include "text/printable.h"

namespace holdfast {
namespace {

/// Returns true if `path` ("/v1/connections/{id}") matches the segments, and stores the one in place of the braces.
bool matches(std::string_view path, const std::vector<std::string>& segments, std::string_view& id) {
    for (const std::string& segment : segments) {
        if (path.size() < 2) return false;
        path.remove_prefix(1);
        const std::string_view expected = path.substr(0, path.find('/'));
        path.remove_prefix(expected.size());
        if (expected.starts_with('{')) {
            if (segment.empty()) return false;
            id = segment;
        } else if (expected != segment) {
            return false;
        }
    }
    return path.empty() || (path == "/" && segments.empty());
}

std::string_view method_of(std::string_view method) { return method == "HEAD" ? "GET" : method; }

/// Returns the answer to a method that the path does not have.
ApiAnswer refuse_method(std::string_view method, std::string_view path) {
    std::string allow;
    for (const ApiEndpoint& endpoint : Api::endpoints()) {
        if (endpoint.path != path) continue;
        if (!allow.empty()) allow += ", ";
        allow += endpoint.method == "GET" ? "GET, HEAD" : endpoint.method;
    }
    ApiAnswer refusal = Api::error(405, "method_not_allowed",
                                   in_quotes(method) + " is not allowed at " + std::string(path) + "; use " + allow);
    refusal.headers.emplace_back("Allow", std::move(allow));
    return refusal;
}

std::string first_words(std::string_view target) { return in_quotes(target.substr(0, target.find('?'))); }

/// Returns true if If-None-Match (RFC 9110, 13.1.2) contains this tag. Weak tags compare equal to strong ones.
bool names_tag(std::string_view list, std::string_view etag) {
    if (list == "*") return true;
    for (std::size_t at = list.find(etag); at != std::string_view::npos; at = list.find(etag, at + 1)) {
        const std::size_t end = at + etag.size();
        if (end == list.size() || list[end] == ',' || list[end] == ' ') return true;
    }
    return false;
}

}  // namespace

ApiAnswer Api::error(int status, std::string_view code, std::string_view message) {
    return http_error(status, code, message);
}

ApiAnswer Api::answer(const ApiRequest& request) {
    const auto target = parse_request_target(request.target);
    if (!target) return error(400, "bad_request", target.error().message);
    if (auto page = asset(target.value(), request)) return std::move(*page);
    const auto [endpoint, id] = find(request.method, target.value());
    if (endpoint == nullptr) {
        return error(404, "not_found", "unknown path " + first_words(request.target) + "; take one from GET /v1");
    }
    if (endpoint->method != method_of(request.method)) return refuse_method(request.method, endpoint->path);
    return call(*endpoint, target.value(), id, request);
}

std::pair<const ApiEndpoint*, std::string> Api::find(std::string_view method, const RequestTarget& target) {
    std::pair<const ApiEndpoint*, std::string> found{nullptr, {}};
    for (const ApiEndpoint& endpoint : endpoints()) {
        std::string_view id;
        if (!matches(endpoint.path, target.segments, id)) continue;
        found = {&endpoint, std::string(id)};
        if (endpoint.method == method_of(method)) break;
    }
    return found;
}

ApiAnswer Api::call(const ApiEndpoint& endpoint, const RequestTarget& target, std::string_view id,
                    const ApiRequest& request) {
    const auto arguments = ApiArguments::read(endpoint.parameters, target);
    if (!arguments) return error(400, "bad_query", arguments.error().message);
    const auto fields = ApiArguments::read_body(endpoint.fields, endpoint.fields.empty() ? "" : request.body);
    if (!fields) return error(400, endpoint.body_error, fields.error().message);
    DownlinkMessage message;
    if (endpoint.body == ApiEndpoint::Body::any_object) {
        if (auto refusal = too_long(request.body)) return std::move(*refusal);
        message = read_message(request.body);
        if (!message.code.empty()) return error(400, message.code, message.error);
    }
    return (this->*endpoint.handler)({.arguments = arguments.value(),
                                      .fields = fields.value(),
                                      .message = message.json,
                                      .id = id,
                                      .head = request.method == "HEAD"});
}

std::optional<ApiAnswer> Api::asset(const RequestTarget& target, const ApiRequest& request) const {
    const bool page = target.segments.empty() || target.segments.front() == "dashboard";
    if (!options_.assets || !page || (request.method != "GET" && request.method != "HEAD")) return std::nullopt;
    std::string path = target.segments.empty() ? "/" : "";
    for (const std::string& segment : target.segments) path += "/" + segment;
    const auto found = options_.assets(path);
    if (!found) return std::nullopt;
    ApiAnswer answer{.body = std::string(found->body), .type = std::string(found->type)};
    answer.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    answer.headers.emplace_back("Cache-Control", "no-cache");
    answer.headers.emplace_back("Referrer-Policy", "no-referrer");
    if (found->etag.empty()) return answer;
    answer.headers.emplace_back("ETag", found->etag);
    if (!names_tag(request.if_none_match, found->etag)) return answer;
    answer.status = 304;
    answer.headers.emplace_back("Content-Length", std::to_string(answer.body.size()));  // the length of a 200
    answer.body.clear();
    return answer;
}

}  // namespace holdfast
