#pragma once

#include <memory>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "admin/api.h"
#include "admin/control_plane.h"

namespace holdfast {

/// The admin API on an address. Owns its listening socket and its threads, which live from start() to stop(); the
/// gateway must outlive it. Clients that are served when it stops are cut off within a glance (100 ms), but for an
/// answer that the gateway itself still owes.
class AdminServer {
public:
    /// `address` is "127.0.0.1:7080"; port 0 lets the kernel choose. An error is one line that names the address.
    [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(std::string_view address, ControlPlane& gateway,
                                                                    ApiOptions options);
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    /// With the port that the kernel chose.
    [[nodiscard]] Endpoint address() const noexcept;

    /// Returns when every thread has ended; a second call does nothing.
    void stop();

private:
    class Impl;
    explicit AdminServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
