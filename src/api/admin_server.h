#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "api/api.h"
#include "api/control_plane.h"
#include "api/status_parts.h"
#include "http_server/http_server.h"

namespace holdfast {

/// Access settings of one admin address.
struct DoorOptions {
    std::vector<std::string> hosts = {};  ///< names of the address, beside localhost, IPs and the certificate's
    DoorSecrets secrets = {};
    AdminMeter* meter = nullptr;  ///< counts the outcomes of requests; must outlive the server
    std::function<void(const Endpoint& peer)> on_unauthorized = {};  ///< called on admin threads
    HttpLimits limits = {};
};

/// The admin API at one address. Owns its HTTP server, which lives from start() to stop(); the gateway must outlive it.
class AdminServer {
public:
    /// Starts the server on `place`: "127.0.0.1:7080" (port 0 lets the kernel choose) or
    /// "unix:/run/holdfast/admin.sock". An error is one line that names the place.
    [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(std::string_view place, ControlPlane& gateway,
                                                                    ApiOptions options, DoorOptions door = {});
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    /// Returns the address with the port that the kernel chose; all zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept { return http_->address(); }

    /// See HttpServer.
    void change(DoorSecrets secrets) { http_->change(std::move(secrets)); }
    void stop();

private:
    AdminServer(ControlPlane& gateway, ApiOptions options);
    [[nodiscard]] HttpService service(const DoorOptions& door);

    EventHub* const hub_;
    Api api_;
    std::unique_ptr<HttpServer> http_;  // its threads use the others
    std::unique_ptr<EventHub::Wake> wake_;
};

/// The two health probes at an address of their own, in plain HTTP without tokens. Owns its HTTP server; the gateway
/// must outlive it.
class HealthServer {
public:
    /// Starts the health endpoint. `place` is as in AdminServer::start. Reads from `options` only what the two answers
    /// contain.
    [[nodiscard]] static Result<std::unique_ptr<HealthServer>> start(std::string_view place, ControlPlane& gateway,
                                                                     ApiOptions options, AdminMeter& meter);

    /// Returns the bound address; all zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept { return http_->address(); }
    void stop() { http_->stop(); }

private:
    HealthServer(ControlPlane& gateway, ApiOptions options) : api_(gateway, std::move(options)) {}

    Api api_;
    std::unique_ptr<HttpServer> http_;  // its threads use api_
};

}  // namespace holdfast
