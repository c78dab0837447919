#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "admin/admin_meter.h"
#include "admin/api.h"
#include "admin/control_plane.h"
#include "admin/request_gate.h"

namespace holdfast {

/// How one door to the admin API is kept.
struct DoorOptions {
    std::vector<std::string> hosts = {};  ///< names of the address, beside localhost, IPs and the certificate's
    DoorSecrets secrets = {};
    AdminMeter* meter = nullptr;  ///< counts what becomes of requests; must outlive the server
    std::function<void(const Endpoint& peer)> on_unauthorized = {};  ///< called on admin threads
};

/// The admin API at one place. Owns its listening socket and its threads, which live from start() to stop(); the
/// gateway must outlive it. Clients that are served when it stops are cut off within a glance (100 ms), but for an
/// answer that the gateway itself still owes.
class AdminServer {
public:
    /// `place` is "127.0.0.1:7080" (port 0 lets the kernel choose) or "unix:/run/holdfast/admin.sock". An error is one
    /// line that names it.
    [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(std::string_view place, ControlPlane& gateway,
                                                                    ApiOptions options, DoorOptions door = {});
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    /// With the port that the kernel chose; all zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept;

    /// From the next request, and for the certificate the next connection, on. Any thread.
    void change(DoorSecrets secrets);

    /// Returns when every thread has ended; a second call does nothing.
    void stop();

private:
    class Impl;
    explicit AdminServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
