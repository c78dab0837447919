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

}  // namespace

const Api::Route Api::routes[] = {
    {.path = "/", .get = &Api::index},
    {.path = "/healthz", .get = &Api::healthz},
    {.path = "/readyz", .get = &Api::readyz},
    {.path = "/metrics", .get = &Api::metrics},
    {.path = "/v1/status", .get = &Api::status},
    {.path = "/v1/connections", .get = &Api::list, .remove = &Api::close_all},
    {.path = "/v1/connections/{id}", .get = &Api::show, .remove = &Api::close},
    {.path = "/v1/connections/{id}/probe", .post = &Api::probe},
    {.path = "/v1/connections/{id}/messages", .post = &Api::send},
    {.path = "/v1/probe", .post = &Api::probe_all},
    {.path = "/v1/closed", .get = &Api::closed},
};

ApiAnswer Api::error(int status, std::string_view code, std::string_view message) {
    return {.status = status, .body = render_error(code, message)};
}

ApiAnswer Api::answer(const ApiRequest& request) {
    const auto target = parse_request_target(request.target);
    if (!target) return error(400, "bad_request", target.error().message);
    for (const Route& route : routes) {
        std::string_view id;
        if (!matches(route.path, target.value().segments, id)) continue;
        return dispatch(route, request.method, Call{target.value(), request.body, id});
    }
    return error(404, "not_found", "there is nothing at " + first_words(request.target) + ": GET / lists the paths");
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
    refusal.allow = std::move(allow);
    return refusal;
}

}  // namespace holdfast
