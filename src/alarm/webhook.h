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

/// How a Webhook behaves; the values are those of the daemon.
struct WebhookPolicy {
    std::chrono::milliseconds connect_timeout{2'000};
    std::chrono::milliseconds answer_timeout{5'000};  ///< from there to the answer's end
    std::vector<std::chrono::milliseconds> pauses{std::chrono::seconds(1), std::chrono::seconds(5),
                                                  std::chrono::seconds(30)};  ///< before each further try
    std::size_t most_waiting = 64;                                            ///< then the oldest are dropped
};

struct WebhookStatus {
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;   ///< given up after the last try, or refused by the receiver (4xx)
    std::uint64_t dropped = 0;  ///< pushed out by newer ones
};

/// POSTs JSON documents to a URL, one after another. Owns its thread and a bounded queue; post() never waits for
/// anybody, any thread. The destructor ends a running request and forgets what waits.
class Webhook {
public:
    using Log = std::function<void(const std::string&)>;  ///< a line; from the webhook's thread

    /// The URL has been checked: check_webhook_url. The log gets one line for each message that fails, without the
    /// URL's path, which may be a secret.
    Webhook(const std::string& url, Log log, WebhookPolicy policy = {});
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
