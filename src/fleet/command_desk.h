#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>
#include <holdfast/server.h>

#include "fleet/command.h"
#include "nats/nats_link.h"

namespace holdfast {

/// Answers commands and probes by device id: from any NATS client at `holdfast.cmd.<id>`, from other gateways at
/// `holdfast.gw.<gateway>.cmd.<id>` and `.probe.<id>`, and from this process by calls. Three subscriptions, whatever
/// the number of devices. Owns them and the threads that answer. Thread-safe, but for bind(), which has one caller.
class CommandDesk {
public:
    struct Options {
        std::string gateway;  ///< this one's name
        /// The message as it is sent, or why it is none.
        std::function<Result<std::string>(std::string_view json)> check;
        /// The gateway that has the device, by what the fleet knows.
        std::function<std::optional<std::string>(const std::string& id)> holder;
    };
    [[nodiscard]] static std::unique_ptr<CommandDesk> make(Server& server, NatsLink& link, Options options);
    virtual ~CommandDesk() = default;

    /// Subscribes, whenever the link has another connection.
    [[nodiscard]] virtual std::optional<Error> bind() = 0;

    /// To a device wherever it is. Answers within a second, or `patience` where that is less.
    [[nodiscard]] virtual CommandAnswer send(const std::string& id, std::string_view json,
                                             std::chrono::milliseconds patience) = 0;
    /// Of a device wherever it is; nothing: it is nowhere, or its gateway does not answer.
    [[nodiscard]] virtual std::optional<FleetProbeAnswer> probe(const std::string& id,
                                                                std::chrono::milliseconds timeout) = 0;
    virtual void stop() = 0;
};

}  // namespace holdfast
