#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/result.h>
#include <holdfast/status.h>

#include "api/admin_server.h"
#include "daemon/log.h"
#include "options/daemon_config.h"

namespace holdfast {

// Lines that `holdfast serve` prints for a first try. Pure.

/// Returns the address by which a program on this host reaches what listens on `bound`.
[[nodiscard]] Endpoint local_address(const Endpoint& bound);

/// Returns the dashboard's URL.
[[nodiscard]] std::string dashboard_url(const Endpoint& bound, bool tls);

/// Returns a command for bash that sends an item. Returns nullopt if a device of this listener needs TLS, a token, a
/// PROXY header or a length prefix.
[[nodiscard]] std::optional<std::string> first_item_command(const ListenerConfig& listener, const Endpoint& bound,
                                                            const std::string& key);

/// Returns that command for the first listener that has one; an empty text if none has.
[[nodiscard]] std::string first_item_command(const ServerConfig& config, const ServerStatus& status);

/// The endpoints of the admin API: its address, its unix socket and the health checks. Each is served by its own
/// threads, so that load on one does not block the others. Owns them. Used by one thread, except read_anew().
class AdminEndpoints {
public:
    explicit AdminEndpoints(Log& log) : log_(log) {}

    /// Opens what `config` names. After an error nothing is open. `gateway` and the objects that `options` points to
    /// must outlive this object.
    [[nodiscard]] std::optional<Error> open(const AdminConfig& config, ControlPlane& gateway, ApiOptions options);
    void close();

    [[nodiscard]] const AdminMeter& meter() const { return meter_; }
    void report_addresses() const;
    /// Returns the dashboard's URL; empty if there is no address.
    [[nodiscard]] std::string dashboard() const;

    /// Tokens, certificate and key, read from their files but not in use yet.
    struct Fresh {
        std::vector<std::string> changes;  ///< a line for each change
        std::function<void()> take_over;
    };
    /// Reads the secrets from their files. Changes nothing on an error. Any thread, one call at a time.
    [[nodiscard]] Result<Fresh> read_anew();

private:
    [[nodiscard]] Result<DoorSecrets> read_secrets() const;
    [[nodiscard]] std::optional<Error> open_health(ControlPlane& gateway, const ApiOptions& options);
    [[nodiscard]] std::optional<Error> open_socket(ControlPlane& gateway, const ApiOptions& options);
    [[nodiscard]] std::optional<Error> open_address(ControlPlane& gateway, ApiOptions options);

    Log& log_;
    AdminConfig config_;
    std::string first_item_;  ///< a command that sends an item
    AdminMeter meter_;
    DoorSecrets secrets_;
    std::unique_ptr<HealthServer> health_;
    std::unique_ptr<AdminServer> by_address_;
    std::unique_ptr<AdminServer> by_socket_;
};

}  // namespace holdfast
