#include "admin/health_server.h"

#include <utility>
#include <variant>

#include "admin/http_text.h"
#include "admin/request_head.h"

namespace holdfast {

bool is_probe(const RequestHead& head) noexcept {
    const std::string_view path = head.target.substr(0, head.target.find('?'));
    return (head.method == "GET" || head.method == "HEAD") && (path == "/healthz" || path == "/readyz") &&
           head.body_bytes == 0;
}

Result<std::unique_ptr<HealthServer>> HealthServer::start(std::string_view place, ControlPlane& gateway,
                                                          ApiOptions options, AdminMeter& meter) {
    auto listener = AdminListener::open(place, AdminListener::Use::health);
    if (!listener) return listener.error();
    std::unique_ptr<HealthServer> made(new HealthServer(gateway, std::move(options), meter));
    RequestLobby::Hooks hooks;
    hooks.on_head = [server = made.get()](Arrival& arrival) { return server->answer(arrival); };
    hooks.on_turned_away = [&meter] {
        meter.count(AdminOutcome::turned_away);
        return to_http(too_busy());
    };
    auto lobby =
        RequestLobby::start(std::move(listener).value(), std::move(hooks), {.clients = 64, .head_bytes = 4096});
    if (!lobby) return lobby.error();
    made->lobby_ = std::move(lobby).value();
    return made;
}

std::optional<std::string> HealthServer::answer(const Arrival& arrival) {
    const auto tell = [this](const ApiAnswer& said, bool with_body = true) {
        meter_.count_status(said.status);
        return to_http(said, with_body);
    };
    if (arrival.head != Arrival::Head::whole) return tell(refusal_of(arrival.head));
    const auto read = read_request_head(head_of(arrival.bytes));
    if (const auto* refusal = std::get_if<ApiAnswer>(&read)) return tell(*refusal);
    const RequestHead& head = std::get<RequestHead>(read);
    if (is_probe(head)) return tell(api_.answer({head.method, head.target}), head.method != "HEAD");
    ApiAnswer refusal = Api::error(
        404, "not_found", "only GET and HEAD of /healthz and /readyz are answered here: ask the admin address");
    return tell(refusal, head.method != "HEAD");
}

}  // namespace holdfast
