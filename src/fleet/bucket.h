#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "nats/nats_link.h"

namespace holdfast {

/// One key-value bucket of JetStream: puts that do not wait, and a watch over all keys. Owns the watch's thread. What
/// it hears it tells on that thread and on the client's own. Thread-safe, but for bind(), which has one caller.
class Bucket {
public:
    struct Options {
        std::string name;
        std::string description;
        unsigned replicas = 0;  ///< of one that it makes; 0: 3 in a cluster of three or more, else 1
    };
    /// None may call the bucket back, but for renew().
    struct Hearer {
        std::function<void()> begin;  ///< all keys follow, then complete(), then what changes
        std::function<void(const std::string& key, const std::string& value, std::uint64_t revision)> saw;
        std::function<void(const std::string& key, std::uint64_t revision)> removed;
        std::function<void()> complete;
        std::function<void(const std::string& key, std::uint64_t revision)> landed;
        std::function<void(const std::string& key)> refused;  ///< it has another revision
        std::function<void(const std::string& key)> failed;   ///< no answer: nobody knows
    };
    [[nodiscard]] static std::unique_ptr<Bucket> make(NatsLink& link, Options options, Hearer hearer);
    virtual ~Bucket() = default;

    /// Finds the bucket or makes it, whenever the link has another connection; waits for the server. Errors: it cannot
    /// be had now.
    [[nodiscard]] virtual std::optional<Error> bind() = 0;

    /// False: it was not sent, and nothing will be heard of it. Without `expected` whatever is there is replaced.
    [[nodiscard]] virtual bool put(const std::string& key, const std::string& value,
                                   std::optional<std::uint64_t> expected) = 0;
    /// Without waiting; what has a later revision stays. 0: whatever there is goes.
    virtual void purge(const std::string& key, std::uint64_t revision) = 0;
    /// Reads one key, waits, and tells by saw() or removed(); false: there was no answer.
    [[nodiscard]] virtual bool look(const std::string& key) = 0;
    /// The watch begins anew.
    virtual void renew() = 0;
    /// Waits for what has been put; false: not all has been acknowledged.
    virtual bool settle(std::chrono::milliseconds patience) = 0;
    virtual void stop() = 0;
};

}  // namespace holdfast
