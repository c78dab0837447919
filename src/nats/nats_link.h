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

// The C client's own types, so that nats.h stays out of everybody else's build.
struct __natsConnection;
struct __jsCtx;

namespace holdfast {

struct NatsOptions {
    std::string url = {};          ///< one or more of nats://host:port or tls://host:port, with commas between them
    std::string credentials = {};  ///< a .creds file; empty: none
    std::string tls_ca = {};       ///< PEM; with any of these three, TLS is used
    std::string tls_cert = {};
    std::string tls_key = {};
    /// Never resume: each connection is a new one, so that nothing is sent on it that was meant for the one before.
    /// What was subscribed ends with its connection.
    bool fresh = false;
    std::string name = {};  ///< what the server shows of this client
};

/// What the server says of itself: what its acknowledgement of a message survives depends on it.
struct NatsServerFacts {
    std::string version;
    std::string cluster;  ///< empty: it is alone
    bool jetstream = false;
};

/// One connection to a NATS cluster, which comes back by itself with back-off for as long as this lives. Owns the
/// client's connection and JetStream context, and a thread on which its callbacks come. Thread-safe.
class NatsLink {
public:
    /// Never waits for a server: it connects in the background. Errors: an URL or file that cannot be used.
    [[nodiscard]] static Result<std::unique_ptr<NatsLink>> open(NatsOptions options);
    NatsLink(const NatsLink&) = delete;
    NatsLink& operator=(const NatsLink&) = delete;
    virtual ~NatsLink() = default;

    [[nodiscard]] virtual bool connected() const = 0;
    /// Empty while connected; else why not, and since when, or why it is not known which server it is.
    [[nodiscard]] virtual std::string trouble() const = 0;
    [[nodiscard]] virtual std::uint64_t reconnects() const = 0;
    /// Of the server that it is, or was last, connected to; without a version until one has been asked.
    [[nodiscard]] virtual NatsServerFacts facts() const = 0;
    [[nodiscard]] virtual std::string url_in_use() const = 0;  ///< without user and password

    /// Returns the latest action that the server has not permitted to this user over the present connection, in its
    /// words, once; empty if there was none since the last call.
    [[nodiscard]] virtual std::string take_refused_right() = 0;

    /// Gives the connection up for one to whichever server is tried first: when this one does not do what it should.
    virtual void change_server() = 0;

    /// Called whenever it has connected, the first time too, and soon if it is connected now; several may be told.
    /// Removed by destroying what it returns, which waits for a call under way and must come before the link's end.
    class Watcher {
    public:
        virtual ~Watcher() = default;
    };
    [[nodiscard]] virtual std::unique_ptr<Watcher> on_connected(std::function<void()> call) = 0;

    /// Null until it has been connected once. Both live as long as this, unless it is `fresh`: then use lease(). The
    /// client gives up a connection that a server has refused twice; then there is a new one, which on_connected tells,
    /// and what was subscribed is to be subscribed anew.
    [[nodiscard]] virtual __natsConnection* connection() const = 0;
    [[nodiscard]] virtual __jsCtx* jetstream() const = 0;

    /// The connection in use, which lives as long as `keeps` does; all null until there has been one.
    struct Lease {
        __natsConnection* connection = nullptr;
        __jsCtx* jetstream = nullptr;
        std::uint64_t number = 0;  ///< the first, second, ... that it has made
        std::shared_ptr<void> keeps;
    };
    [[nodiscard]] virtual Lease lease() const = 0;

protected:
    NatsLink() = default;
};

}  // namespace holdfast
