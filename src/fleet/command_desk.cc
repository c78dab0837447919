#include "fleet/command_desk.h"

#include <simdjson.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "forward/callback_handle.h"
#include "forward/message.h"
#include "server/downlink_payload.h"
#include "text/json_writer.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using simdjson::dom::element;

std::string text_or_empty(const element& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text)) return {};
    return std::string(text);
}

}  // namespace

std::string to_json(const CommandAnswer& answer) {
    JsonWriter json;
    json.begin_object().field("result", answer.result).field("id", answer.id);
    if (!answer.gateway.empty()) json.field("gateway", answer.gateway);
    if (!answer.conn.empty()) json.field("conn", answer.conn);
    if (!answer.detail.empty()) json.field("detail", answer.detail);
    json.end_object();
    return json.take();
}

std::optional<CommandAnswer> read_command_answer(std::string_view text) {
    simdjson::dom::parser parser;
    element json;
    if (parser.parse(text.data(), text.size()).get(json) || !json.is_object()) return std::nullopt;
    CommandAnswer answer{.result = text_or_empty(json, "result"),
                         .id = text_or_empty(json, "id"),
                         .gateway = text_or_empty(json, "gateway"),
                         .conn = text_or_empty(json, "conn"),
                         .detail = text_or_empty(json, "detail")};
    return answer.result.empty() ? std::nullopt : std::optional(std::move(answer));
}

namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr std::size_t threads = 8;
constexpr std::size_t max_waiting = 1'024;
constexpr milliseconds answer_within{900};   // part of the documented limit of one second
constexpr milliseconds for_the_device{600};  // for the acknowledgement; after it the result is `sent`
constexpr milliseconds while_others_wait{100};

struct DestroyMessage {
    void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
};
using Message = std::unique_ptr<natsMsg, DestroyMessage>;
std::string_view data_of(natsMsg* message) {
    return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

std::string text_of(natsStatus status) { return natsStatus_GetText(status); }

}  // namespace

/// Bounded queue of requests for the answering threads. Any thread.
class RequestQueue {
public:
    struct Request {
        Message message;
        Steady::time_point received_at;
    };

    /// Returns false if the queue is full or has ended.
    bool put(Message& message) {
        {
            const std::lock_guard lock(mutex_);
            if (ended_ || requests_.size() >= max_waiting) return false;
            requests_.push_back({std::move(message), Steady::now()});
        }
        changed_.notify_one();
        return true;
    }
    /// Waits for a request. Returns nullopt after end().
    std::optional<Request> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !requests_.empty(); });
        if (ended_) return std::nullopt;
        Request request = std::move(requests_.front());
        requests_.pop_front();
        return request;
    }
    bool crowded() {
        const std::lock_guard lock(mutex_);
        return requests_.size() >= threads;
    }
    void end() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
            requests_.clear();
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;  // guards the members below
    std::condition_variable changed_;
    std::deque<Request> requests_;
    bool ended_ = false;
};

namespace {

void on_message(natsConnection* connection, natsSubscription*, natsMsg* received, void* closure) {
    Message message(received);
    const auto requests = CallbackHandle<RequestQueue>::find(closure);
    if (!requests || requests->put(message) || !message || natsMsg_GetReply(message.get()) == nullptr) return;
    const std::string busy = to_json(CommandAnswer{
        .result = "refused", .id = {}, .detail = "1,024 commands wait at the gateway; repeat the command later"});
    natsConnection_PublishString(connection, natsMsg_GetReply(message.get()), busy.c_str());
}

/// Parts of a request's subject: "holdfast.cmd.<id>" or "holdfast.gw.<gateway>.<what>.<id>".
struct Address {
    bool between_gateways = false;
    std::string what;
    std::string id;
};

std::optional<Address> read_subject(std::string_view subject) {
    std::vector<std::string_view> parts;
    while (true) {
        parts.push_back(subject.substr(0, subject.find('.')));
        if (parts.back().size() == subject.size()) break;
        subject.remove_prefix(parts.back().size() + 1);
    }
    const auto id = from_token(parts.back());
    if (!id) return std::nullopt;
    if (parts.size() == 3) return Address{false, "cmd", *id};
    if (parts.size() == 5) return Address{true, std::string(parts[3]), *id};
    return std::nullopt;
}

std::string subject_of(const std::string& gateway, std::string_view what, const std::string& id) {
    return "holdfast.gw." + to_token(gateway) + "." + std::string(what) + "." + to_token(id);
}

/// Sends a request to another gateway and waits for its answer.
natsStatus send_request(const NatsLink& link, const std::string& subject, std::string_view body, milliseconds timeout,
                        std::string& answer) {
    natsConnection* const connection = link.connection();
    if (connection == nullptr || !link.connected()) return NATS_NOT_YET_CONNECTED;
    natsMsg* received = nullptr;
    const natsStatus status = natsConnection_Request(&received, connection, subject.c_str(), body.data(),
                                                     static_cast<int>(body.size()), timeout.count());
    const Message message(received);
    if (status == NATS_OK) answer = data_of(message.get());
    return status;
}

}  // namespace

CommandDesk::CommandDesk(Server& server, NatsLink& link, Options options)
    : server_(server),
      link_(link),
      options_(std::move(options)),
      requests_(std::make_shared<RequestQueue>()),
      handle_(requests_) {
    try {
        for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
        stop();
        throw;
    }
}

void CommandDesk::Unsubscribe::operator()(natsSubscription* subscription) const {
    natsSubscription_Unsubscribe(subscription);
    natsSubscription_Destroy(subscription);
}

std::optional<Error> CommandDesk::subscribe(const std::string& subject, const char* group) {
    natsSubscription* made = nullptr;
    const natsStatus status =
        group != nullptr
            ? natsConnection_QueueSubscribe(&made, bound_to_, subject.c_str(), group, on_message, handle_.closure())
            : natsConnection_Subscribe(&made, bound_to_, subject.c_str(), on_message, handle_.closure());
    if (status != NATS_OK) return Error{"cannot subscribe to commands at " + subject + ": " + text_of(status)};
    subscriptions_.emplace_back(made);
    return std::nullopt;
}

std::optional<Error> CommandDesk::bind() {
    natsConnection* const connection = link_.connection();
    if (connection == nullptr) return Error{"NATS is not connected"};
    if (bound_to_ == connection && !subscriptions_.empty()) return std::nullopt;
    subscriptions_.clear();
    bound_to_ = connection;
    const std::string own = "holdfast.gw." + to_token(options_.gateway);
    auto error = subscribe("holdfast.cmd.*", "holdfast");
    if (!error) error = subscribe(own + ".*.*", nullptr);
    if (error) subscriptions_.clear();
    return error;
}

void CommandDesk::stop() {
    requests_->end();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    subscriptions_.clear();
}

void CommandDesk::work() {
    while (const auto request = requests_->take()) {
        natsMsg* const message = request->message.get();
        const char* const reply = natsMsg_GetReply(message);
        const std::string text = answer(natsMsg_GetSubject(message), data_of(message), request->received_at);
        natsConnection* const connection = link_.connection();
        if (reply != nullptr && connection != nullptr)
            natsConnection_Publish(connection, reply, text.data(), static_cast<int>(text.size()));
    }
}

std::string CommandDesk::answer(std::string_view subject, std::string_view body, Steady::time_point received_at) {
    const auto address = read_subject(subject);
    if (!address)
        return to_json(
            CommandAnswer{.result = "refused", .id = {}, .detail = "the last token of the subject is not an id"});
    if (address->what != "cmd") return options_.answer(address->what, address->id, body).value_or("");
    const auto waited = std::chrono::floor<milliseconds>(Steady::now() - received_at);
    const auto left = std::max(answer_within - waited, milliseconds(1));
    if (!address->between_gateways) return to_json(send(address->id, body, left));
    const auto timeout = std::min(left, requests_->crowded() ? while_others_wait : for_the_device);
    return to_json(send_here(address->id, std::string(body), timeout));
}

CommandAnswer CommandDesk::send(const std::string& id, std::string_view json, milliseconds timeout) {
    const auto checked = options_.check(json);
    if (!checked) return {.result = "refused", .id = id, .detail = checked.error().message};
    const auto left = std::min(timeout, answer_within);
    const auto here = std::min(left, requests_->crowded() ? while_others_wait : for_the_device);
    const CommandAnswer own = send_here(id, checked.value(), here);
    if (own.result != "absent") return own;
    const auto gateway = options_.holder(id);
    if (!gateway || *gateway == options_.gateway) return {.result = "absent", .id = id};
    return send_there(*gateway, id, checked.value(), left);
}

namespace {

std::string detail_of(Delivery delivery) {
    if (delivery == Delivery::queue_full) return "the device does not read, and nothing was sent";
    if (delivery != Delivery::unencodable) return {};
    return "the framing of the device's listener has no form for the message, and nothing was sent";
}

}  // namespace

CommandAnswer CommandDesk::send_here(const std::string& id, const std::string& json, milliseconds timeout) {
    const auto conn = options_.here(id);
    const auto message = conn ? downlink_payload(server_, *conn, json) : Result<std::string>(std::string());
    if (!message) return {.result = "refused", .id = id, .detail = message.error().message};
    const Delivery delivery = conn ? server_.deliver(*conn, message.value(), timeout) : Delivery::absent;
    if (delivery == Delivery::absent) return {.result = "absent", .id = id};
    return {.result = std::string(to_string(delivery)),
            .id = id,
            .gateway = options_.gateway,
            .conn = to_string(*conn),
            .detail = detail_of(delivery)};
}

CommandAnswer CommandDesk::send_there(const std::string& gateway, const std::string& id, const std::string& json,
                                      milliseconds timeout) {
    std::string text;
    const natsStatus status = send_request(link_, subject_of(gateway, "cmd", id), json, timeout, text);
    if (status == NATS_OK) {
        if (const auto answer = read_command_answer(text)) return *answer;
    }
    const bool unknown = status == NATS_TIMEOUT;
    return {.result = "absent",
            .id = id,
            .gateway = gateway,
            .detail = "the gateway " + gateway + " does not answer (" + text_of(status) + ")" +
                      (unknown ? "; delivery to the device is unknown" : "; nothing was sent")};
}

CommandDesk::Elsewhere CommandDesk::query(std::string_view what, const std::string& id, std::string_view body,
                                          milliseconds timeout) {
    const auto gateway = options_.holder(id);
    if (!gateway || *gateway == options_.gateway) return {};
    std::string text;
    const natsStatus status = send_request(link_, subject_of(*gateway, what, id), body, timeout, text);
    if (status != NATS_OK)
        return {*gateway, std::nullopt, "the gateway " + *gateway + " does not answer (" + text_of(status) + ")"};
    return {*gateway, text.empty() ? std::nullopt : std::optional(std::move(text)), {}};
}

namespace {

struct EndSubscription {
    void operator()(natsSubscription* subscription) const { natsSubscription_Destroy(subscription); }
};

/// A request under way; its answer comes to an inbox of its own, so that the answer's gateway is known.
struct OpenRequest {
    std::string gateway;
    std::unique_ptr<natsSubscription, EndSubscription> inbox;
};

std::optional<OpenRequest> begin_request(natsConnection* connection, const std::string& gateway,
                                         const std::string& subject, std::string_view body) {
    natsInbox* inbox = nullptr;
    if (natsInbox_Create(&inbox) != NATS_OK) return std::nullopt;
    natsSubscription* made = nullptr;
    const natsStatus status = natsConnection_SubscribeSync(&made, connection, inbox);
    OpenRequest request{gateway, {}};
    request.inbox.reset(made);
    const bool sent =
        status == NATS_OK && natsConnection_PublishRequest(connection, subject.c_str(), inbox, body.data(),
                                                           static_cast<int>(body.size())) == NATS_OK;
    natsInbox_Destroy(inbox);
    return sent ? std::optional(std::move(request)) : std::nullopt;
}

}  // namespace

std::map<std::string, std::string> CommandDesk::query_all(const std::vector<std::string>& gateways,
                                                          std::string_view what, const std::string& id,
                                                          std::string_view body) {
    std::map<std::string, std::string> answers;
    natsConnection* const connection = link_.connection();
    if (connection == nullptr || !link_.connected()) return answers;
    const auto deadline = Steady::now() + answer_within;
    std::vector<OpenRequest> requests;
    for (const std::string& gateway : gateways) {
        auto request = begin_request(connection, gateway, subject_of(gateway, what, id), body);
        if (request) requests.push_back(std::move(*request));
    }
    for (const OpenRequest& request : requests) {
        const auto left = std::chrono::floor<milliseconds>(deadline - Steady::now());
        natsMsg* received = nullptr;
        const natsStatus status =
            natsSubscription_NextMsg(&received, request.inbox.get(), std::max<std::int64_t>(left.count(), 1));
        const Message message(received);
        if (status != NATS_OK || natsMsg_IsNoResponders(received)) continue;
        answers.emplace(request.gateway, data_of(received));
    }
    return answers;
}

}  // namespace holdfast
