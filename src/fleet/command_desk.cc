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
constexpr std::size_t most_waiting = 1'024;
constexpr milliseconds answer_within{900};   // part of the documented limit of one second
constexpr milliseconds for_the_device{600};  // for the acknowledgement; after it the result is `sent`
constexpr milliseconds while_others_wait{100};

struct DestroyMessage {
    void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
};
using Message = std::unique_ptr<natsMsg, DestroyMessage>;
struct DestroySubscription {
    void operator()(natsSubscription* subscription) const {
        natsSubscription_Unsubscribe(subscription);
        natsSubscription_Destroy(subscription);
    }
};
using Subscription = std::unique_ptr<natsSubscription, DestroySubscription>;

std::string_view data_of(natsMsg* message) {
    return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

std::string text_of(natsStatus status) { return natsStatus_GetText(status); }

/// Bounded queue of requests for the answering threads. Any thread.
class RequestQueue {
public:
    struct Letter {
        Message message;
        Steady::time_point came;
    };

    /// Returns false if the queue is full or has ended.
    bool put(Message& message) {
        {
            const std::lock_guard lock(mutex_);
            if (ended_ || letters_.size() >= most_waiting) return false;
            letters_.push_back({std::move(message), Steady::now()});
        }
        changed_.notify_one();
        return true;
    }
    /// Waits for a request. Returns nullopt after end().
    std::optional<Letter> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !letters_.empty(); });
        if (ended_) return std::nullopt;
        Letter letter = std::move(letters_.front());
        letters_.pop_front();
        return letter;
    }
    bool crowded() {
        const std::lock_guard lock(mutex_);
        return letters_.size() >= threads;
    }
    void end() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
            letters_.clear();
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;  // guards the members below
    std::condition_variable changed_;
    std::deque<Letter> letters_;
    bool ended_ = false;
};

void on_message(natsConnection* connection, natsSubscription*, natsMsg* received, void* closure) {
    Message message(received);
    const auto letters = CallbackHandle<RequestQueue>::find(closure);
    if (!letters || letters->put(message) || !message || natsMsg_GetReply(message.get()) == nullptr) return;
    const std::string busy = to_json(CommandAnswer{
        .result = "refused", .id = {}, .detail = "the gateway has 1,024 commands waiting: ask again later"});
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

class NatsCommandDesk final : public CommandDesk {
public:
    NatsCommandDesk(Server& server, NatsLink& link, Options options)
        : server_(server),
          link_(link),
          options_(std::move(options)),
          letters_(std::make_shared<RequestQueue>()),
          handle_(letters_) {
        try {
            for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
        } catch (...) {
            stop();
            throw;
        }
    }
    ~NatsCommandDesk() override { stop(); }

    std::optional<Error> bind() override;
    CommandAnswer send(const std::string& id, std::string_view json, milliseconds timeout) override;
    Elsewhere ask(std::string_view what, const std::string& id, std::string_view body, milliseconds timeout) override;
    void stop() override;

private:
    [[nodiscard]] std::optional<Error> subscribe(const std::string& subject, const char* group);
    void work();
    [[nodiscard]] std::string answer(const RequestQueue::Letter& letter);
    [[nodiscard]] CommandAnswer send_here(const std::string& id, const std::string& json, milliseconds timeout);
    [[nodiscard]] CommandAnswer send_there(const std::string& gateway, const std::string& id, const std::string& json,
                                           milliseconds timeout);
    [[nodiscard]] std::string subject(const std::string& gateway, std::string_view what, const std::string& id) const {
        return "holdfast.gw." + to_token(gateway) + "." + std::string(what) + "." + to_token(id);
    }
    /// Sends a request to the other gateway and waits for its answer.
    [[nodiscard]] natsStatus request(const std::string& subject, std::string_view body, milliseconds timeout,
                                     std::string& answer) const;

    Server& server_;
    NatsLink& link_;
    const Options options_;
    std::shared_ptr<RequestQueue> letters_;
    CallbackHandle<RequestQueue> handle_;
    natsConnection* bound_to_ = nullptr;
    std::vector<Subscription> subscriptions_;
    std::vector<std::thread> workers_;
};

std::optional<Error> NatsCommandDesk::subscribe(const std::string& subject, const char* group) {
    natsSubscription* made = nullptr;
    const natsStatus status =
        group != nullptr
            ? natsConnection_QueueSubscribe(&made, bound_to_, subject.c_str(), group, on_message, handle_.closure())
            : natsConnection_Subscribe(&made, bound_to_, subject.c_str(), on_message, handle_.closure());
    if (status != NATS_OK) return Error{"commands at " + subject + " cannot be subscribed: " + text_of(status)};
    subscriptions_.emplace_back(made);
    return std::nullopt;
}

std::optional<Error> NatsCommandDesk::bind() {
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

void NatsCommandDesk::stop() {
    letters_->end();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    subscriptions_.clear();
}

void NatsCommandDesk::work() {
    while (auto letter = letters_->take()) {
        const char* const reply = natsMsg_GetReply(letter->message.get());
        const std::string text = answer(*letter);
        natsConnection* const connection = link_.connection();
        if (reply != nullptr && connection != nullptr)
            natsConnection_Publish(connection, reply, text.data(), static_cast<int>(text.size()));
    }
}

std::string NatsCommandDesk::answer(const RequestQueue::Letter& letter) {
    const auto address = read_subject(natsMsg_GetSubject(letter.message.get()));
    const std::string_view body = data_of(letter.message.get());
    if (!address)
        return to_json(CommandAnswer{.result = "refused", .id = {}, .detail = "the subject's last token names no id"});
    if (address->what != "cmd") return options_.answer(address->what, address->id, body).value_or("");
    const auto waited = std::chrono::floor<milliseconds>(Steady::now() - letter.came);
    const auto left = std::max(answer_within - waited, milliseconds(1));
    if (!address->between_gateways) return to_json(send(address->id, body, left));
    const auto timeout = std::min(left, letters_->crowded() ? while_others_wait : for_the_device);
    return to_json(send_here(address->id, std::string(body), timeout));
}

CommandAnswer NatsCommandDesk::send(const std::string& id, std::string_view json, milliseconds timeout) {
    const auto checked = options_.check(json);
    if (!checked) return {.result = "refused", .id = id, .detail = checked.error().message};
    const auto left = std::min(timeout, answer_within);
    const auto here = std::min(left, letters_->crowded() ? while_others_wait : for_the_device);
    const CommandAnswer own = send_here(id, checked.value(), here);
    if (own.result != "absent") return own;
    const auto gateway = options_.holder(id);
    if (!gateway || *gateway == options_.gateway) return {.result = "absent", .id = id};
    return send_there(*gateway, id, checked.value(), left);
}

CommandAnswer NatsCommandDesk::send_here(const std::string& id, const std::string& json, milliseconds timeout) {
    const auto conn = options_.here(id);
    const Delivery delivery = conn ? server_.deliver(*conn, json, timeout) : Delivery::absent;
    if (delivery == Delivery::absent) return {.result = "absent", .id = id};
    return {.result = std::string(to_string(delivery)),
            .id = id,
            .gateway = options_.gateway,
            .conn = to_string(*conn),
            .detail = delivery == Delivery::queue_full ? "the device does not read: nothing was sent" : ""};
}

natsStatus NatsCommandDesk::request(const std::string& subject, std::string_view body, milliseconds timeout,
                                    std::string& answer) const {
    natsConnection* const connection = link_.connection();
    if (connection == nullptr || !link_.connected()) return NATS_NOT_YET_CONNECTED;
    natsMsg* received = nullptr;
    const natsStatus status = natsConnection_Request(&received, connection, subject.c_str(), body.data(),
                                                     static_cast<int>(body.size()), timeout.count());
    const Message message(received);
    if (status == NATS_OK) answer = data_of(message.get());
    return status;
}

CommandAnswer NatsCommandDesk::send_there(const std::string& gateway, const std::string& id, const std::string& json,
                                          milliseconds timeout) {
    std::string text;
    const natsStatus status = request(subject(gateway, "cmd", id), json, timeout, text);
    if (status == NATS_OK) {
        if (const auto answer = read_command_answer(text)) return *answer;
    }
    const bool unknown = status == NATS_TIMEOUT;
    return {.result = "absent",
            .id = id,
            .gateway = gateway,
            .detail = "its gateway " + gateway + " does not answer (" + text_of(status) + ")" +
                      (unknown ? ": whether the device got it is not known" : ": nothing was sent")};
}

CommandDesk::Elsewhere NatsCommandDesk::ask(std::string_view what, const std::string& id, std::string_view body,
                                            milliseconds timeout) {
    const auto gateway = options_.holder(id);
    if (!gateway || *gateway == options_.gateway) return {};
    std::string text;
    const natsStatus status = request(subject(*gateway, what, id), body, timeout, text);
    if (status != NATS_OK)
        return {*gateway, std::nullopt, "its gateway " + *gateway + " does not answer (" + text_of(status) + ")"};
    return {*gateway, text.empty() ? std::nullopt : std::optional(std::move(text)), {}};
}

}  // namespace

std::unique_ptr<CommandDesk> CommandDesk::make(Server& server, NatsLink& link, Options options) {
    return std::make_unique<NatsCommandDesk>(server, link, std::move(options));
}

}  // namespace holdfast
