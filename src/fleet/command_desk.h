#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <holdfast/result.h>
#include <holdfast/server.h>

#include "forward/callback_handle.h"
#include "forward/nats_link.h"

struct __natsSubscription;

namespace holdfast {

class RequestQueue;

/// Result of a command to a device: docs/explanation/fleet.md.
struct CommandAnswer {
    /// "sent", "acked" or "absent". With the others nothing was sent. "queue_full": the device does not read;
    /// "refused": not a valid message; "unencodable": the framing of its listener has no form for it.
    std::string result;
    std::string id;
    std::string gateway = {};  ///< the gateway that holds the device, or held it last; empty if none
    std::string conn = {};
    std::string detail = {};
};

// Convert to and from JSON. Parsing returns nullopt for other texts. Pure.
[[nodiscard]] std::string to_json(const CommandAnswer& answer);
[[nodiscard]] std::optional<CommandAnswer> read_command_answer(std::string_view json);

/// Answers commands by device id, from NATS clients at `holdfast.cmd.<id>` and from other gateways at
/// `holdfast.gw.<gateway>.<what>.<id>`, and sends such requests. Owns two subscriptions, whatever the number of
/// devices, and the answering threads. Thread-safe, except bind(), which has one caller.
class CommandDesk {
public:
    struct Options {
        std::string gateway;  ///< name of this gateway
        /// Returns the message as it is sent, or the reason why it is invalid.
        std::function<Result<std::string>(std::string_view json)> check;
        /// Returns the gateway that holds the device, as far as the fleet knows.
        std::function<std::optional<std::string>(const std::string& id)> holder;
        /// Returns this gateway's connection of the device, if messages to the device may use it.
        std::function<std::optional<ConnectionId>(const std::string& id)> here;
        /// Answers another gateway's question about a device here: returns JSON, or nullopt if the device is elsewhere.
        std::function<std::optional<std::string>(std::string_view what, const std::string& id, std::string_view body)>
            answer;
    };
    /// Answer of the gateway that holds a device.
    struct Elsewhere {
        std::string gateway;                ///< empty: no other gateway holds the device
        std::optional<std::string> answer;  ///< result of its `answer`
        std::string trouble;                ///< why there is no answer; empty: the gateway no longer holds the device
    };
    CommandDesk(Server& server, NatsLink& link, Options options);
    CommandDesk(const CommandDesk&) = delete;
    CommandDesk& operator=(const CommandDesk&) = delete;
    ~CommandDesk() { stop(); }

    /// Subscribes after each new connection of the link.
    [[nodiscard]] std::optional<Error> bind();

    /// Sends to a device wherever it is. Answers within one second, or `timeout` if that is shorter.
    [[nodiscard]] CommandAnswer send(const std::string& id, std::string_view json, std::chrono::milliseconds timeout);
    /// Forwards to the gateway that holds the device, if it is another one.
    [[nodiscard]] Elsewhere query(std::string_view what, const std::string& id, std::string_view body,
                                  std::chrono::milliseconds timeout);
    /// Queries gateways about a device or a pattern of ids, all at once. The result has the answers by gateway; a
    /// gateway without one does not answer.
    [[nodiscard]] std::map<std::string, std::string> query_all(const std::vector<std::string>& gateways,
                                                               std::string_view what, const std::string& id,
                                                               std::string_view body);
    void stop();

private:
    struct Unsubscribe {
        void operator()(__natsSubscription* subscription) const;
    };

    [[nodiscard]] std::optional<Error> subscribe(const std::string& subject, const char* group);
    void work();
    [[nodiscard]] std::string answer(std::string_view subject, std::string_view body,
                                     std::chrono::steady_clock::time_point received_at);
    [[nodiscard]] CommandAnswer send_here(const std::string& id, const std::string& json,
                                          std::chrono::milliseconds timeout);
    [[nodiscard]] CommandAnswer send_there(const std::string& gateway, const std::string& id, const std::string& json,
                                           std::chrono::milliseconds timeout);

    Server& server_;
    NatsLink& link_;
    const Options options_;
    std::shared_ptr<RequestQueue> requests_;
    CallbackHandle<RequestQueue> handle_;
    __natsConnection* bound_to_ = nullptr;
    std::vector<std::unique_ptr<__natsSubscription, Unsubscribe>> subscriptions_;
    std::vector<std::thread> workers_;
};

}  // namespace holdfast
