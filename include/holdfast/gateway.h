#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/result.h>
#include <holdfast/server.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// A server with parts of the daemon. Each part is off until its first member is set; the alarms and the trend are
/// always on. docs/reference/options.md describes the values.
struct GatewayConfig {
    /// The durable log of events: sink.type = "spool", or "nats" with `nats_url`.
    struct Spool {
        std::string directory = {};  ///< empty: off
        std::size_t retain_bytes = std::size_t{10} << 30;
        std::chrono::milliseconds retain_age = std::chrono::hours(24 * 7);
        std::string nats_url = {};  ///< "nats://127.0.0.1:4222": forwards the events to JetStream; empty: off
        std::string nats_stream = "holdfast";
        std::string nats_credentials = {};  ///< path of a file; empty: none
    };
    /// The admin API with dashboard, metrics and live feed: section [admin].
    struct Admin {
        std::string address = {};  ///< "127.0.0.1:7080"; empty: off
        std::string token_file = {};
        std::string read_token_file = {};
        std::string tls_certificate = {};
        std::string tls_key = {};
    };
    /// Conditions of the alarms: section [alarm].
    struct Alarms {
        std::chrono::milliseconds window{60'000};  ///< 10 s to 1 h
        unsigned drop_percent = 5;                 ///< 1 to 100
        unsigned drop_least = 20;                  ///< 1 to 1,000,000
        std::string webhook = {};                  ///< http:// URL; empty: none
    };

    ServerConfig server = {};  ///< `observed` is set
    Spool spool = {};
    Admin admin = {};
    Alarms alarms = {};
    /// Takes each line of the log: what the parts report, alarms among it. Any thread; must not block. Empty: none.
    std::function<void(std::string_view line)> on_log = {};
};

/// A server with the parts of the daemon around it. Owns them, and starts and stops them in the right order. Any
/// thread, except where a function says otherwise. Link holdfast::gateway.
class Gateway {
public:
    /// Starts the parts and the server. `make_handler` makes the program's handler of each reactor, which gets every
    /// event before the spool; empty: none. With a spool, listeners may have `acks`, and the answers of codecs wait
    /// until their items are durable. Error::field names a member of GatewayConfig, or of its `server`.
    [[nodiscard]] static Result<std::unique_ptr<Gateway>> start(GatewayConfig config,
                                                                const Server::HandlerFactory& make_handler = {});
    /// Stops at once, unless wait() has returned.
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    [[nodiscard]] Server& server() noexcept;
    /// Returns the dashboard's URL; empty without an admin API.
    [[nodiscard]] std::string dashboard() const;
    /// Returns the body of a GET of the admin API without HTTP, such as "/metrics" or "/v1/alarms"; an error has the
    /// API's text. Not on a reactor's thread.
    [[nodiscard]] Result<std::string> get(std::string_view path) const;

    /// Begins an orderly stop, as Server::drain().
    void drain();
    /// Waits until the server has ended, stops the parts, and writes what waits in the spool, within `drain_time`.
    /// Returns the number of events that are lost with this process. One thread.
    std::size_t wait();

    class Impl;

private:
    explicit Gateway(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
