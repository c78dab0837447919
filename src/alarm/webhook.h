#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace holdfast {

/// Time-outs and limits of a Webhook; the defaults are the daemon's.
struct WebhookPolicy {
    std::chrono::milliseconds connect_timeout{2'000};
    std::chrono::milliseconds answer_timeout{5'000};  ///< from the request to the end of the answer
    std::vector<std::chrono::milliseconds> pauses{std::chrono::seconds(1), std::chrono::seconds(5),
                                                  std::chrono::seconds(30)};  ///< before each retry
    std::size_t max_waiting = 64;                                             ///< then the oldest messages are dropped
};

/// The receiver of the messages.
struct WebhookTarget {
    std::string url;          ///< check_webhook_url accepts it
    std::string header = {};  ///< "Name: value", sent with each message; secret; empty: none

    friend bool operator==(const WebhookTarget&, const WebhookTarget&) = default;
};

struct WebhookStatus {
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;   ///< after the last try, or rejected by the receiver (4xx)
    std::uint64_t dropped = 0;  ///< displaced by newer messages
};

/// POSTs JSON documents to a URL, one after another. Owns its thread and a bounded queue. post() never blocks; any
/// thread. The destructor cancels a running request and drops queued ones.
class Webhook {
public:
    using Log = std::function<void(const std::string&)>;  ///< receives a line, on the webhook's thread

    /// Logs one line per failed message, without the URL's path and the header, which are secret.
    Webhook(WebhookTarget target, Log log, WebhookPolicy policy = {});
    Webhook(const Webhook&) = delete;
    Webhook& operator=(const Webhook&) = delete;
    ~Webhook();

    void post(std::string json);
    [[nodiscard]] WebhookStatus status() const;

private:
    class Courier;
    std::unique_ptr<Courier> courier_;
    std::thread thread_;
};

}  // namespace holdfast
