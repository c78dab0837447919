#include "http_server/http_server.h"

#include <utility>

#include "http_server/http_loop.h"

namespace holdfast {
namespace {

Error cannot_serve(const std::exception& failure) {
    return Error{std::string("cannot serve the admin API: ") + failure.what()};
}

}  // namespace

HttpServer::HttpServer(std::unique_ptr<HttpLoop> loop) : loop_(std::move(loop)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::make(HttpListener listener, HttpOptions options) {
    try {
        return std::unique_ptr<HttpServer>(
            new HttpServer(std::make_unique<HttpLoop>(std::move(listener), std::move(options))));
    } catch (const std::exception& failure) {
        return cannot_serve(failure);
    }
}

std::optional<Error> HttpServer::start() {
    try {
        loop_->start();
    } catch (const std::exception& failure) {
        return cannot_serve(failure);
    }
    return std::nullopt;
}

Endpoint HttpServer::address() const noexcept { return loop_->listener().address(); }

void HttpServer::change(DoorSecrets secrets) { loop_->change(std::move(secrets)); }

bool HttpServer::wait_aside(const std::function<bool()>& is_done) { return loop_->workers().wait_aside(is_done); }

void HttpServer::wake_feeds() noexcept { loop_->wake_feeds(); }

void HttpServer::stop() { loop_->stop(); }

}  // namespace holdfast
