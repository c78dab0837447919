#include "nats/publish.h"

#include <memory>

#include <nats/nats.h>

namespace holdfast {

std::optional<PublishFailure> publish(natsConnection* connection, const NatsMessage& message,
                                      const std::string& spool_id, const std::string& reply) {
    natsMsg* raw = nullptr;
    natsStatus status = natsMsg_Create(&raw, message.subject.c_str(), reply.c_str(), message.body.data(),
                                       static_cast<int>(message.body.size()));
    const std::unique_ptr<natsMsg, decltype(&natsMsg_Destroy)> owner(raw, natsMsg_Destroy);
    const auto header = [&](const char* name, const std::string& value) {
        if (status == NATS_OK) status = natsMsgHeader_Set(raw, name, value.c_str());
    };
    header("Nats-Msg-Id", message.id);
    header("Holdfast-Spool", spool_id);
    if (message.epoch != 0) header("Holdfast-Epoch", epoch_text(message.epoch));
    header("Holdfast-Position", std::to_string(message.first));
    if (message.is_dead_letter) header("Holdfast-Dead-Letter", "1");
    if (message.is_batch) header("Holdfast-Events", std::to_string(message.events()));
    if (message.authenticated) header("Holdfast-Authenticated", *message.authenticated ? "true" : "false");
    if (status == NATS_OK) status = natsConnection_PublishMsg(connection, raw);
    if (status == NATS_OK) return std::nullopt;
    if (status == NATS_MAX_PAYLOAD) {
        return PublishFailure{"it has " + std::to_string(message.body.size()) +
                                  " bytes, and with its headers more than " + "the server takes (max_payload " +
                                  std::to_string(natsConnection_GetMaxPayload(connection)) +
                                  "): raise max_payload there",
                              true};
    }
    const bool unfit = status == NATS_INVALID_SUBJECT || status == NATS_INVALID_ARG || status == NATS_LINE_TOO_LONG;
    return PublishFailure{natsStatus_GetText(status), unfit};
}

}  // namespace holdfast
