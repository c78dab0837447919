#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nats/nats.h>

namespace holdfast {

/// Reads a stream's content over its own connection, for tests.
class StreamView {
public:
    struct Message {
        std::string subject;
        std::string id;
        std::string position;
        std::string events;
        std::string body;
    };

    explicit StreamView(const std::string& url) {
        if (natsConnection_ConnectTo(&client_, url.c_str()) != NATS_OK) return;
        natsConnection_JetStream(&jetstream_, client_, nullptr);
    }
    ~StreamView() {
        jsCtx_Destroy(jetstream_);
        natsConnection_Destroy(client_);
    }
    StreamView(const StreamView&) = delete;
    StreamView& operator=(const StreamView&) = delete;

    [[nodiscard]] bool connected() const { return jetstream_ != nullptr; }
    [[nodiscard]] jsCtx* jetstream() const { return jetstream_; }

    [[nodiscard]] std::uint64_t size(const char* stream = "holdfast") const {
        jsStreamInfo* info = nullptr;
        if (js_GetStreamInfo(&info, jetstream_, stream, nullptr, nullptr) != NATS_OK) return 0;
        const std::uint64_t messages = info->State.Msgs;
        jsStreamInfo_Destroy(info);
        return messages;
    }

    /// Returns all messages in the stream's order.
    [[nodiscard]] std::vector<Message> messages(const char* stream = "holdfast") const {
        std::vector<Message> out;
        jsStreamInfo* info = nullptr;
        if (js_GetStreamInfo(&info, jetstream_, stream, nullptr, nullptr) != NATS_OK) return out;
        const std::uint64_t first = info->State.FirstSeq;
        const std::uint64_t last = info->State.LastSeq;
        jsStreamInfo_Destroy(info);
        for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
            natsMsg* message = nullptr;
            if (js_GetMsg(&message, jetstream_, stream, sequence, nullptr, nullptr) != NATS_OK) break;
            out.push_back(
                {natsMsg_GetSubject(message), header(message, "Nats-Msg-Id"), header(message, "Holdfast-Position"),
                 header(message, "Holdfast-Events"),
                 std::string(natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message)))});
            natsMsg_Destroy(message);
        }
        return out;
    }

private:
    static std::string header(natsMsg* message, const char* name) {
        const char* value = nullptr;
        return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : "";
    }

    natsConnection* client_ = nullptr;
    jsCtx* jetstream_ = nullptr;
};

}  // namespace holdfast
