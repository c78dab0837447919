#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

// Forward declarations of the C client's types, which keep nats.h out of other units.
struct __natsConnection;
struct __jsCtx;

namespace holdfast {

struct NatsOptions {
    std::string url = {};          ///< nats://host:port or tls://host:port, separated by commas
    std::string credentials = {};  ///< a .creds file; empty: none
    std::string tls_ca = {};       ///< PEM; any of these three enables TLS
    std::string tls_cert = {};
    std::string tls_key = {};
    /// Never resumes: each connection is new, so that it never carries data of the previous one. Subscriptions end with
    /// their connection.
    bool fresh = false;
    std::string name = {};  ///< the client's name as the server shows it
};

/// The server's own description, which decides what its acknowledgement survives.
struct NatsServerFacts {
    std::string version;
    std::string cluster;  ///< empty: a single server
    bool jetstream = false;
};

/// Maintains one connection to a NATS cluster, and reconnects with back-off as long as it lives. Owns the client's
/// connection and JetStream context, and a thread for its callbacks. Thread-safe.
class NatsLink {
public:
    /// Opens a link, which connects in the background. Errors: an unusable URL or file.
    [[nodiscard]] static Result<std::unique_ptr<NatsLink>> open(NatsOptions options);
    NatsLink(const NatsLink&) = delete;
    NatsLink& operator=(const NatsLink&) = delete;
    virtual ~NatsLink() = default;

    [[nodiscard]] virtual bool connected() const = 0;
    /// Returns why it is not connected, and since when, or why the server is unknown; empty while connected.
    [[nodiscard]] virtual std::string trouble() const = 0;
    [[nodiscard]] virtual std::uint64_t reconnects() const = 0;
    /// Returns the facts of the current or last server; without a version until the server has answered.
    [[nodiscard]] virtual NatsServerFacts facts() const = 0;
    [[nodiscard]] virtual std::string url_in_use() const = 0;  ///< without user and password

    /// Returns the latest action that the server denied over the current connection, in its words, once; empty if there
    /// was none since the last call.
    [[nodiscard]] virtual std::string take_refused_right() = 0;

    /// Replaces the connection, starting with any server: for a server that misbehaves.
    virtual void change_server() = 0;

    /// Called on every connect, including the first, and soon if connected already; several may be registered.
    /// Destroying the returned object removes it, waits for a call under way, and must precede the link's end.
    class Watcher {
    public:
        virtual ~Watcher() = default;
    };
    [[nodiscard]] virtual std::unique_ptr<Watcher> on_connected(std::function<void()> call) = 0;

    /// Returns nullptr until the first connect. Both live as long as the link, unless it is `fresh`: use lease() then.
    /// The client gives up a connection that a server refused twice. Its replacement is reported by on_connected, and
    /// needs new subscriptions.
    [[nodiscard]] virtual __natsConnection* connection() const = 0;
    [[nodiscard]] virtual __jsCtx* jetstream() const = 0;

    /// The current connection, which lives as long as `keeps`; null before the first connect.
    struct Lease {
        __natsConnection* connection = nullptr;
        __jsCtx* jetstream = nullptr;
        std::uint64_t number = 0;  ///< counts the connections made
        std::shared_ptr<void> keeps;
    };
    [[nodiscard]] virtual Lease lease() const = 0;

protected:
    NatsLink() = default;
};

}  // namespace holdfast
