#include "api/admin_server.h"

#include <utility>

namespace holdfast {
namespace {

bool is_probe(const HttpRequest& request) {
    const std::string_view path = request.target.substr(0, request.target.find('?'));
    return (request.method == "GET" || request.method == "HEAD") && (path == "/healthz" || path == "/readyz") &&
           request.body.empty();
}

/// Returns true for the gateway's health and for the dashboard's files, whose page requests a token itself.
bool is_public(std::string_view path) {
    return path == "/" || path == "/healthz" || path == "/readyz" || path.starts_with("/dashboard/");
}

HttpFeed to_feed(std::shared_ptr<EventHub::Subscription> subscription) {
    return [subscription = std::move(subscription)]() -> std::string {
        const auto message = subscription->next();
        if (!message) return {};
        return "event: " + std::string(to_string(message->kind)) + "\ndata: " + message->json + "\nid: " + message->id +
               "\n\n";
    };
}

}  // namespace

AdminServer::AdminServer(ControlPlane& gateway, ApiOptions options)
    : hub_(options.hub), api_(gateway, [&] {
          options.wait_aside = [this](const std::function<bool()>& is_done) { return http_->wait_aside(is_done); };
          return std::move(options);
      }()) {}

AdminServer::~AdminServer() { stop(); }

HttpService AdminServer::service(const DoorOptions& door) {
    HttpService service;
    service.answer = [this](const HttpRequest& request) { return api_.answer(request); };
    service.open_feed = [this](const HttpRequest& request) {
        auto subscription = api_.open_feed(request);
        return subscription ? to_feed(std::move(subscription)) : HttpFeed();
    };
    service.is_probe = is_probe;
    if (AdminMeter* meter = door.meter) {
        service.on_answer = [meter](int status) { meter->count_status(status); };
        service.on_turned_away = [meter] { meter->count(AdminOutcome::turned_away); };
    }
    service.on_unauthorized = door.on_unauthorized;
    return service;
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(std::string_view place, ControlPlane& gateway,
                                                        ApiOptions options, DoorOptions door) {
    auto listener = HttpListener::open(place);
    if (!listener) return listener.error();
    // The API refuses a body past max_message_bytes, except absurd ones: any message fits twice.
    door.limits.body_bytes = 2 * options.max_message_bytes;
    std::unique_ptr<AdminServer> made(new AdminServer(gateway, std::move(options)));
    const RequestGate::Settings settings{
        .any_host = listener.value().is_unix(), .hosts = std::move(door.hosts), .is_public = is_public};
    auto http = HttpServer::make(std::move(listener).value(), {.service = made->service(door),
                                                               .gate = RequestGate(settings),
                                                               .secrets = std::move(door.secrets),
                                                               .limits = door.limits});
    if (!http) return http.error();
    made->http_ = std::move(http).value();
    if (made->hub_ != nullptr)
        made->wake_ = made->hub_->on_message([server = made->http_.get()] { server->wake_feeds(); });
    if (auto error = made->http_->start()) return *error;
    return made;
}

void AdminServer::stop() {
    wake_.reset();
    if (http_) http_->stop();
}

Result<std::unique_ptr<HealthServer>> HealthServer::start(std::string_view place, ControlPlane& gateway,
                                                          ApiOptions options, AdminMeter& meter) {
    auto listener = HttpListener::open(place, HttpListener::Use::health);
    if (!listener) return listener.error();
    std::unique_ptr<HealthServer> made(new HealthServer(gateway, std::move(options)));
    HttpService service;
    service.answer = [server = made.get()](const HttpRequest& request) {
        if (is_probe(request)) return server->api_.answer(request);
        return Api::error(404, "not_found",
                          "only GET and HEAD of /healthz and /readyz are answered here; use the admin address");
    };
    service.on_answer = [&meter](int status) { meter.count_status(status); };
    service.on_turned_away = [&meter] { meter.count(AdminOutcome::turned_away); };
    auto http =
        HttpServer::make(std::move(listener).value(), {.service = std::move(service),
                                                       .limits = {.clients = 64,
                                                                  .head_bytes = 4096,
                                                                  .body_bytes = 4096,
                                                                  .requests_per_client = 1,
                                                                  .workers = {.active = 1, .aside = 0, .waiting = 128},
                                                                  .answer = std::chrono::seconds(1)}});
    if (!http) return http.error();
    made->http_ = std::move(http).value();
    if (auto error = made->http_->start()) return *error;
    return made;
}

}  // namespace holdfast
