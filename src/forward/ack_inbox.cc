#include "forward/ack_inbox.h"

#include <simdjson.h>

#include <charconv>
#include <utility>

#include "text/printable.h"

#include <nats/nats.h>

namespace holdfast {

namespace {

struct Arrival {
    std::uint64_t round = 0;
    PublishAck ack;
};

/// Parses "INBOX.ROUND.NUMBER".
bool read_reply_subject(std::string_view subject, std::uint64_t& round, std::uint64_t& number) {
    const std::size_t last = subject.rfind('.');
    if (last == std::string_view::npos || last == 0) return false;
    const std::size_t before = subject.rfind('.', last - 1);
    if (before == std::string_view::npos) return false;
    const auto read = [](std::string_view text, std::uint64_t& out) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        return error == std::errc{} && end == text.data() + text.size();
    };
    return read(subject.substr(before + 1, last - before - 1), round) && read(subject.substr(last + 1), number);
}

}  // namespace

struct AckInbox::Arrivals {
    explicit Arrivals(std::string of) : stream(std::move(of)) {}

    const std::string stream;
    std::mutex mutex;
    std::condition_variable came;
    std::vector<Arrival> waiting;  // guarded by mutex
};

// A leader stores a message's id before its followers have the message, and uses the id to answer repetitions. Servers
// up to 2.11 answer with a duplicate of sequence 0, later ones with this error. If the leader loses leadership in
// between, the message is never stored. Its id is kept for the whole duplicate_window (nats-server's pull requests 6415
// and 6486).
constexpr std::int64_t duplicate_is_in_process = 10'158;

// "message size exceeds maximum allowed": the stream's max_msg_size, and the same for headers.
constexpr std::int64_t message_exceeds_maximum = 10'054;
constexpr std::int64_t header_exceeds_maximum = 10'097;

// "expected stream does not match": the header Nats-Expected-Stream names another stream.
constexpr std::int64_t stream_not_match = 10'060;

namespace {

/// Returns the remedy if the stream is full, or an empty text.
std::string_view remedy_of(std::int64_t code) {
    switch (code) {
        case 10'077:  // "maximum messages exceeded", "maximum bytes exceeded"
            return ": the stream is full and refuses new events (discard new); raise or remove max_msgs and max_bytes";
        case 10'002:  // "resource limits exceeded for account"
            return ": the account has no more room in JetStream; raise its limits on the server, or limit its streams";
        case 10'023:  // "insufficient resources"
        case 10'047:  // "insufficient storage resources available"
            return ": the server has no more room for JetStream; free its disk, or raise max_file_store";
        case 10'109:  // "invalid operation on sealed stream"
            return ": the stream is sealed; name another in [sink]";
        default:
            return "";
    }
}

PublishAck foreign(std::string from) {
    PublishAck ack;
    ack.kind = PublishAck::Kind::foreign;
    ack.error = std::move(from);
    return ack;
}

PublishAck read_refusal(const simdjson::dom::object& error) {
    PublishAck ack;
    std::string_view text = "without a reason";
    std::int64_t code = 0;
    if (error["description"].get(text) != simdjson::SUCCESS) text = "without a reason";
    if (error["err_code"].get(code) != simdjson::SUCCESS) code = 0;
    if (code == stream_not_match) return foreign("another stream with the same subjects");
    if (code == duplicate_is_in_process) {
        ack.kind = PublishAck::Kind::staged;
        return ack;
    }
    const bool unfit = code == message_exceeds_maximum || code == header_exceeds_maximum;
    ack.kind = unfit ? PublishAck::Kind::unfit : PublishAck::Kind::refused;
    ack.error = printable(text) + " (JetStream error " + std::to_string(code) + ")" + std::string(remedy_of(code));
    return ack;
}

}  // namespace

PublishAck read_publish_ack(std::string_view body, std::string_view stream) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::object answer;
    if (parser.parse(body.data(), body.size()).get(answer) != simdjson::SUCCESS) {
        return foreign("no stream: " + in_quotes(body));
    }
    simdjson::dom::object error;
    if (answer["error"].get(error) == simdjson::SUCCESS) return read_refusal(error);
    PublishAck ack;
    std::string_view from;
    if (answer["stream"].get(from) != simdjson::SUCCESS || answer["seq"].get(ack.sequence) != simdjson::SUCCESS) {
        return foreign("no stream: " + in_quotes(body));
    }
    if (from != stream) return foreign("the stream " + in_quotes(from));
    bool duplicate = false;
    if (answer["duplicate"].get(duplicate) == simdjson::SUCCESS && duplicate) ack.kind = PublishAck::Kind::duplicate;
    if (ack.sequence == 0) ack.kind = PublishAck::Kind::staged;
    return ack;
}

AckInbox::AckInbox(const NatsLink::Lease& lease, const std::string& stream)
    : lease_(lease), arrivals_(std::make_shared<Arrivals>(stream)), handle_(std::in_place, arrivals_) {}

Result<std::unique_ptr<AckInbox>> AckInbox::open(const NatsLink::Lease& lease, const std::string& stream) {
    std::unique_ptr<AckInbox> inbox(new AckInbox(lease, stream));
    natsInbox* name = nullptr;
    natsStatus status = natsInbox_Create(&name);
    if (status == NATS_OK) {
        inbox->subject_ = name;
        natsInbox_Destroy(name);
        status = natsConnection_Subscribe(&inbox->subscription_, lease.connection, (inbox->subject_ + ".>").c_str(),
                                          on_message, inbox->handle_->closure());
    }
    if (status == NATS_OK) status = natsSubscription_SetPendingLimits(inbox->subscription_, -1, -1);
    if (status == NATS_OK) return inbox;
    return Error{std::string("NATS refuses a subscription (") + natsStatus_GetText(status) +
                 "), which is retried; permit this user to subscribe to _INBOX.>"};
}

AckInbox::~AckInbox() { natsSubscription_Destroy(subscription_); }

void AckInbox::on_message(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
    if (const auto arrivals = CallbackHandle<Arrivals>::find(closure)) {
        Arrival arrival;
        if (read_reply_subject(natsMsg_GetSubject(message), arrival.round, arrival.ack.number)) {
            const std::uint64_t number = arrival.ack.number;
            if (natsMsg_IsNoResponders(message)) {
                arrival.ack.kind = PublishAck::Kind::no_responders;
            } else {
                arrival.ack = read_publish_ack(
                    {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))},
                    arrivals->stream);
                arrival.ack.number = number;
            }
            const std::lock_guard lock(arrivals->mutex);
            arrivals->waiting.push_back(std::move(arrival));
            if (arrivals->waiting.size() == 1) arrivals->came.notify_one();
        }
    }
    natsMsg_Destroy(message);
}

std::string AckInbox::reply_to(std::uint64_t round, std::uint64_t number) const {
    return subject_ + '.' + std::to_string(round) + '.' + std::to_string(number);
}

std::vector<PublishAck> AckInbox::take(std::uint64_t round) {
    std::vector<Arrival> waiting;
    {
        const std::lock_guard lock(arrivals_->mutex);
        waiting.swap(arrivals_->waiting);
    }
    std::vector<PublishAck> out;
    out.reserve(waiting.size());
    for (Arrival& arrival : waiting) {
        if (arrival.round == round) out.push_back(std::move(arrival.ack));
    }
    return out;
}

void AckInbox::wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(arrivals_->mutex);
    arrivals_->came.wait_for(lock, timeout, [this] { return !arrivals_->waiting.empty(); });
}

}  // namespace holdfast
