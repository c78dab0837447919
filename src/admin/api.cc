#include "admin/api.h"

#include "admin/query.h"
#include "admin/render.h"
#include "base/printable.h"

namespace holdfast {
namespace {

constexpr std::string_view id_segment = "{id}";

/// Whether `path` ("/v1/connections/{id}") is the target's, and what stands for {id}.
bool matches(std::string_view path, const std::vector<std::string>& segments, std::string_view& id) {
    for (const std::string& segment : segments) {
        if (path.size() < 2) return false;
        path.remove_prefix(1);
        const std::string_view expected = path.substr(0, path.find('/'));
        path.remove_prefix(expected.size());
        if (expected == id_segment) {
            if (segment.empty()) return false;
            id = segment;
        } else if (expected != segment) {
            return false;
        }
    }
    return path.empty() || (path == "/" && segments.empty());
}

std::string first_words(std::string_view target) { return in_quotes(target.substr(0, target.find('?'))); }

/// Whether If-None-Match (RFC 9110, 13.1.2) names this tag; weak tags compare equal to strong ones.
bool names_tag(std::string_view list, std::string_view etag) {
    if (list == "*") return true;
    for (std::size_t at = list.find(etag); at != std::string_view::npos; at = list.find(etag, at + 1)) {
        const std::size_t end = at + etag.size();
        if (end == list.size() || list[end] == ',' || list[end] == ' ') return true;
    }
    return false;
}

}  // namespace

const Api::Route Api::routes[] = {
    {.path = "/", .get = &Api::index},
    {.path = "/v1", .get = &Api::index},
    {.path = "/healthz", .get = &Api::healthz},
    {.path = "/readyz", .get = &Api::readyz},
    {.path = "/metrics", .get = &Api::metrics},
    {.path = "/v1/status", .get = &Api::status},
    {.path = "/v1/connections", .get = &Api::list, .remove = &Api::close_all},
    {.path = "/v1/connections/{id}", .get = &Api::show, .remove = &Api::close},
    {.path = "/v1/connections/{id}/probe", .post = &Api::probe},
    {.path = "/v1/connections/{id}/messages", .post = &Api::send},
    {.path = "/v1/devices/{id}", .get = &Api::device, .remove = &Api::device_close},
    {.path = "/v1/devices/{id}/probe", .post = &Api::device_probe},
    {.path = "/v1/devices/{id}/messages", .post = &Api::device_send},
    {.path = "/v1/probe", .post = &Api::probe_all},
    {.path = "/v1/closed", .get = &Api::closed},
    {.path = "/v1/trend", .get = &Api::trend},
    {.path = "/v1/alarms", .get = &Api::alarms},
    {.path = "/v1/events", .get = &Api::events},
    {.path = "/v1/reconciliation", .get = &Api::reconciliation, .post = &Api::reconcile},
    {.path = "/v1/drain", .get = &Api::show_drain, .post = &Api::drain, .remove = &Api::cancel_drain},
    {.path = "/v1/reload", .post = &Api::reload},
    {.path = "/v1/fleet", .get = &Api::fleet},
    {.path = "/v1/spool", .get = &Api::spool},
    {.path = "/v1/spool/groups", .get = &Api::spool_groups},
    {.path = "/v1/spool/groups/{id}", .post = &Api::move_spool_group, .remove = &Api::remove_spool_group},
};

ApiAnswer Api::error(int status, std::string_view code, std::string_view message) {
    return {.status = status, .body = render_error(code, message)};
}

ApiAnswer Api::answer(const ApiRequest& request) {
    const auto target = parse_request_target(request.target);
    if (!target) return error(400, "bad_request", target.error().message);
    if (auto page = asset(target.value(), request)) return std::move(*page);
    for (const Route& route : routes) {
        std::string_view id;
        if (!matches(route.path, target.value().segments, id)) continue;
        return dispatch(route, request.method, Call{target.value(), request.body, id, request.method == "HEAD"});
    }
    return error(404, "not_found", "there is nothing at " + first_words(request.target) + ": GET /v1 lists the paths");
}

ApiAnswer Api::dispatch(const Route& route, std::string_view method, const Call& call) {
    Handler handler = nullptr;
    if (method == "GET" || method == "HEAD") handler = route.get;
    if (method == "POST") handler = route.post;
    if (method == "DELETE") handler = route.remove;
    if (handler != nullptr) return (this->*handler)(call);

    std::string allow;
    if (route.get != nullptr) allow = "GET, HEAD";
    if (route.post != nullptr) allow += allow.empty() ? "POST" : ", POST";
    if (route.remove != nullptr) allow += allow.empty() ? "DELETE" : ", DELETE";
    ApiAnswer refusal = error(405, "method_not_allowed",
                              in_quotes(method) + " is not allowed at " + std::string(route.path) + ": use " + allow);
    refusal.headers.emplace_back("Allow", std::move(allow));
    return refusal;
}

std::optional<ApiAnswer> Api::asset(const RequestTarget& target, const ApiRequest& request) const {
    const bool page = target.segments.empty() || target.segments.front() == "dashboard";
    if (!options_.assets || !page || (request.method != "GET" && request.method != "HEAD")) return std::nullopt;
    std::string path = target.segments.empty() ? "/" : "";
    for (const std::string& segment : target.segments) path += "/" + segment;
    const auto found = options_.assets(path);
    if (!found) return std::nullopt;
    ApiAnswer answer{.body = std::string(found->body), .type = std::string(found->type)};
    answer.headers.emplace_back("Content-Security-Policy",
                                "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
                                "frame-ancestors 'none'");
    answer.headers.emplace_back("Cache-Control", "no-cache");
    answer.headers.emplace_back("Referrer-Policy", "no-referrer");
    if (found->etag.empty()) return answer;
    answer.headers.emplace_back("ETag", found->etag);
    if (!names_tag(request.if_none_match, found->etag)) return answer;
    answer.status = 304;
    answer.headers.emplace_back("Content-Length", std::to_string(answer.body.size()));  // what a 200 would say
    answer.body.clear();
    return answer;
}

}  // namespace holdfast
