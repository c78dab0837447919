#include "forward/publish.h"

#include <memory>

#include <nats/nats.h>

namespace holdfast {
namespace {

/// A message under construction. Counts the bytes of its headers on the wire.
class Outgoing {
public:
    Outgoing(const NatsMessage& message, const std::string& reply) : size_(message.body.size()) {
        status_ = natsMsg_Create(&raw_, message.subject.c_str(), reply.c_str(), message.body.data(),
                                 static_cast<int>(message.body.size()));
        size_ += sizeof "NATS/1.0\r\n\r\n" - 1;
    }
    ~Outgoing() { natsMsg_Destroy(raw_); }
    Outgoing(const Outgoing&) = delete;
    Outgoing& operator=(const Outgoing&) = delete;

    void header(const std::string& name, const std::string& value) {
        if (status_ == NATS_OK) status_ = natsMsgHeader_Set(raw_, name.c_str(), value.c_str());
        size_ += name.size() + value.size() + sizeof ": \r\n" - 1;
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] natsStatus publish(natsConnection* connection) {
        return status_ == NATS_OK ? natsConnection_PublishMsg(connection, raw_) : status_;
    }

private:
    natsMsg* raw_ = nullptr;
    natsStatus status_ = NATS_OK;
    std::size_t size_;
};

std::string too_large(const NatsMessage& message, const std::string& limit) {
    return "the message has " + std::to_string(message.body.size()) + " bytes, and with its headers more than " + limit;
}

}  // namespace

std::optional<PublishFailure> publish(const PublishTarget& target, const NatsMessage& message,
                                      const std::string& reply) {
    Outgoing outgoing(message, reply);
    outgoing.header("Nats-Msg-Id", message.id);
    // If the stream is gone, another one with the subject must not acknowledge in its place.
    outgoing.header("Nats-Expected-Stream", target.stream);
    outgoing.header("Holdfast-Spool", target.spool_id);
    if (message.epoch != 0) outgoing.header("Holdfast-Epoch", epoch_text(message.epoch));
    outgoing.header("Holdfast-Position", std::to_string(message.first));
    if (message.is_dead_letter) outgoing.header("Holdfast-Dead-Letter", "1");
    if (message.is_batch) outgoing.header("Holdfast-Events", std::to_string(message.events()));
    if (message.authenticated) outgoing.header("Holdfast-Authenticated", *message.authenticated ? "true" : "false");
    if (target.max_msg_size > 0 && outgoing.size() > target.max_msg_size) {
        return PublishFailure{too_large(message, "the stream accepts (max_msg_size " +
                                                     std::to_string(target.max_msg_size) + "); raise it there"),
                              true};
    }
    const natsStatus status = outgoing.publish(target.connection);
    if (status == NATS_OK) return std::nullopt;
    if (status == NATS_MAX_PAYLOAD) {
        const auto limit = std::to_string(natsConnection_GetMaxPayload(target.connection));
        return PublishFailure{
            too_large(message, "the server accepts (max_payload " + limit + "); raise max_payload there"), true};
    }
    const bool unfit = status == NATS_INVALID_SUBJECT || status == NATS_INVALID_ARG || status == NATS_LINE_TOO_LONG;
    return PublishFailure{natsStatus_GetText(status), unfit};
}

}  // namespace holdfast
