#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "forward/nats_link.h"

namespace holdfast {

/// Accesses one key-value bucket of JetStream: puts that do not wait, and a watch over all keys. Owns the watch's
/// thread. Callbacks run on that thread and on the client library's threads. Thread-safe, except bind(), which has one
/// caller.
class Bucket {
public:
    struct Options {
        std::string name;
        std::string description;
        unsigned replicas = 0;  ///< of a new bucket; 0: 3 in a cluster of three or more, else 1
    };
    /// Callbacks. They must not call the bucket, except renew().
    struct Hearer {
        std::function<void()> begin;  ///< all keys follow, then complete(), then changes
        std::function<void(const std::string& key, const std::string& value, std::uint64_t revision)> saw;
        std::function<void(const std::string& key, std::uint64_t revision)> removed;
        std::function<void()> complete;
        std::function<void(const std::string& key, std::uint64_t revision)> landed;
        std::function<void(const std::string& key)> refused;  ///< the key has another revision
        std::function<void(const std::string& key)> failed;   ///< no answer: the outcome is unknown
    };
    [[nodiscard]] static std::unique_ptr<Bucket> make(NatsLink& link, Options options, Hearer hearer);
    virtual ~Bucket() = default;

    /// Opens or creates the bucket after each new connection of the link. Waits for the server. Fails if the bucket is
    /// not available now.
    [[nodiscard]] virtual std::optional<Error> bind() = 0;

    /// Sends a put. Returns false if it was not sent: then no callback follows. Without `expected`, it replaces any
    /// revision.
    [[nodiscard]] virtual bool put(const std::string& key, const std::string& value,
                                   std::optional<std::uint64_t> expected) = 0;
    /// Purges the key up to `revision`, without waiting; a later revision stays. 0: purges any revision.
    virtual void purge(const std::string& key, std::uint64_t revision) = 0;
    /// Reads one key, waits for the server, and reports by saw() or removed(). Returns false without an answer.
    [[nodiscard]] virtual bool fetch(const std::string& key) = 0;
    /// Restarts the watch.
    virtual void renew() = 0;
    /// Waits for the acknowledgements of all puts. Returns false if some are missing.
    virtual bool settle(std::chrono::milliseconds timeout) = 0;
    virtual void stop() = 0;
};

}  // namespace holdfast
