#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "forward/callback_handle.h"
#include "forward/nats_link.h"

struct __natsSubscription;
struct __natsMsg;

namespace holdfast {

/// JetStream's answer to one message.
struct PublishAck {
    enum class Kind : std::uint8_t {
        stored,
        duplicate,  ///< stored before
        staged,     ///< its id belongs to a message that may not be stored: no proof
        refused,
        unfit,  ///< refused for good: too large for the stream
        no_responders,
        foreign,  ///< from another stream, or from none: no proof
    };

    std::uint64_t number = 0;  ///< of the message
    Kind kind = Kind::stored;
    std::uint64_t sequence = 0;  ///< in the stream, of a stored message
    std::string error;           ///< why it was refused, or the source of a foreign answer
};

/// Parses the answer to a message for that stream. Pure.
[[nodiscard]] PublishAck read_publish_ack(std::string_view body, std::string_view stream);

/// Receives JetStream's answers over one connection in its own inbox, subscribed until it is destroyed. Written by the
/// client's thread, read by the publisher's.
class AckInbox {
public:
    /// Returns an error if the connection has ended.
    [[nodiscard]] static Result<std::unique_ptr<AckInbox>> open(const NatsLink::Lease& lease,
                                                                const std::string& stream);
    ~AckInbox();
    AckInbox(const AckInbox&) = delete;
    AckInbox& operator=(const AckInbox&) = delete;

    /// Returns the reply subject of the message with this number in this round.
    [[nodiscard]] std::string reply_to(std::uint64_t round, std::uint64_t number) const;
    /// Returns the answers of `round` since the last call.
    [[nodiscard]] std::vector<PublishAck> take(std::uint64_t round);
    /// Waits for answers, at most for `timeout`.
    void wait(std::chrono::milliseconds timeout);

private:
    struct Arrivals;

    AckInbox(const NatsLink::Lease& lease, const std::string& stream);
    static void on_message(__natsConnection*, __natsSubscription*, __natsMsg* message, void* closure);

    NatsLink::Lease lease_;
    std::string subject_;
    std::shared_ptr<Arrivals> arrivals_;
    std::optional<CallbackHandle<Arrivals>> handle_;
    __natsSubscription* subscription_ = nullptr;
};

}  // namespace holdfast
