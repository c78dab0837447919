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

/// Answers commands by device id: from any NATS client at `holdfast.cmd.<id>`, and from other gateways, like their
/// questions, at `holdfast.gw.<gateway>.<what>.<id>`; and asks them. Two subscriptions, whatever the number of devices.
/// Owns them and the threads that answer. Thread-safe, but for bind(), which has one caller.
class CommandDesk {
public:
    struct Options {
        std::string gateway;  ///< this one's name
        /// The message as it is sent, or why it is none.
        std::function<Result<std::string>(std::string_view json)> check;
        /// The gateway that has the device, by what the fleet knows.
        std::function<std::optional<std::string>(const std::string& id)> holder;
        /// This gateway's connection of the device that may get what is sent to it.
        std::function<std::optional<ConnectionId>(const std::string& id)> here;
        /// Another gateway's question about a device that should be here: the answer's JSON, or nothing if it is not.
        std::function<std::optional<std::string>(std::string_view what, const std::string& id, std::string_view body)>
            answer;
    };
    /// What the gateway of a device says.
    struct Elsewhere {
        std::string gateway;                ///< empty: no other one has it
        std::optional<std::string> answer;  ///< its `answer`'s
        std::string trouble;                ///< why there is none; empty: it does not have the device any more
    };
    [[nodiscard]] static std::unique_ptr<CommandDesk> make(Server& server, NatsLink& link, Options options);
    virtual ~CommandDesk() = default;

    /// Subscribes, whenever the link has another connection.
    [[nodiscard]] virtual std::optional<Error> bind() = 0;

    /// To a device wherever it is. Answers within a second, or `patience` where that is less.
    [[nodiscard]] virtual CommandAnswer send(const std::string& id, std::string_view json,
                                             std::chrono::milliseconds patience) = 0;
    /// A question to the gateway that has the device, if it is another.
    [[nodiscard]] virtual Elsewhere ask(std::string_view what, const std::string& id, std::string_view body,
                                        std::chrono::milliseconds patience) = 0;
    virtual void stop() = 0;
};

}  // namespace holdfast
