#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "admin/admin_server.h"
#include "admin/health_server.h"
#include "app/log.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The ways in to the admin API: its address, its unix socket and the place of the probes, each served by threads of
/// its own, so that a crowd at one keeps nobody out of the others. Owns them; one thread, but for read_anew().
class AdminDoors {
public:
    explicit AdminDoors(Log& log) : log_(log) {}

    /// What `config` names; with an error nothing is open. The gateway and what `options` point to must outlive it.
    [[nodiscard]] std::optional<Error> open(const AdminConfig& config, ControlPlane& gateway, ApiOptions options);
    void close();

    [[nodiscard]] const AdminMeter& meter() const { return meter_; }
    void tell_addresses() const;

    /// Tokens, certificate and key from their files.
    struct Fresh {
        std::vector<std::string> changes;  ///< one line each
        std::function<void()> take_over;
    };
    /// An error changes nothing. Any thread, one at a time.
    [[nodiscard]] Result<Fresh> read_anew();

private:
    [[nodiscard]] Result<DoorSecrets> read_secrets() const;

    Log& log_;
    AdminConfig config_;
    AdminMeter meter_;
    DoorSecrets secrets_;
    std::unique_ptr<HealthServer> health_;
    std::unique_ptr<AdminServer> by_address_;
    std::unique_ptr<AdminServer> by_socket_;
};

}  // namespace holdfast
