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

#include "nats/callback_handle.h"
#include "nats/nats_link.h"

struct __natsSubscription;
struct __natsMsg;

namespace holdfast {

/// JetStream's answer to one message.
struct PublishAck {
    enum class Kind : std::uint8_t {
        stored,
        duplicate,  ///< it was stored before
        staged,     ///< its id is that of a message of which it is not known whether it will be stored: proves nothing
        refused,
        unfit,  ///< refused, and will be whenever it is sent: it is too large for the stream
        nobody,
        foreign,  ///< of another stream, or of no stream at all: proves nothing
    };

    std::uint64_t number = 0;  ///< of the message
    Kind kind = Kind::stored;
    std::uint64_t sequence = 0;  ///< in the stream, of one that it has
    std::string error;           ///< of one that was refused; where a foreign one comes from
};

/// Reads the body of an answer to a message for that stream. Pure.
[[nodiscard]] PublishAck read_publish_ack(std::string_view body, std::string_view stream);

/// Where JetStream's answers over one connection arrive: an inbox of its own, subscribed to until this ends. Written by
/// the client's thread, read by the publisher's.
class AckInbox {
public:
    /// Errors: the connection has ended.
    [[nodiscard]] static Result<std::unique_ptr<AckInbox>> open(const NatsLink::Lease& lease,
                                                                const std::string& stream);
    ~AckInbox();
    AckInbox(const AckInbox&) = delete;
    AckInbox& operator=(const AckInbox&) = delete;

    /// Where the answer to the message of this number, in this round, is to go.
    [[nodiscard]] std::string reply_to(std::uint64_t round, std::uint64_t number) const;
    /// Those of `round` that have come since the last call.
    [[nodiscard]] std::vector<PublishAck> take(std::uint64_t round);
    /// Until some have come, at most so long.
    void wait(std::chrono::milliseconds patience);

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
