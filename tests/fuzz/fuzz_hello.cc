// The input is a sequence of steps. Devices connect to a listener with acks, and with tokens if the first byte says so.
// They send hellos, number items correctly or not, send any bytes in pieces, and disappear. The log commits in steps of
// its own. The test runs a reactor with its shard and pipeline and sockets over loopback, on one thread and a manual
// clock. In every case, a device's numbers are delivered once and in order, and no item is delivered without its token.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "pipeline/pipeline.h"
#include "reactor/reactor.h"
#include "tcp/peer_state.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"
#include "testing/durable_log.h"
#include "testing/manual_clock.h"
#include "text/hex.h"

namespace {

using namespace holdfast;

// The token of every id; see hello().
constexpr std::string_view right_token = "right";

TokenSet made_tokens() {
    std::string lines;
    for (const char* id : {"d0", "d1", "w0", "w1"}) {
        StoredToken token{.id = id, .salt = {}, .hash = {}};
        token.hash = hash_token(token.salt, right_token).value();
        lines += to_hex(token.salt) + " " + to_hex(token.hash) + " " + id + "\n";
    }
    return TokenSet::parse(lines, "tokens").value();
}

/// Checks the events for the log and forwards them.
class Judge final : public EventHandler {
public:
    Judge(std::unique_ptr<EventHandler> log, bool tokens) : log_(std::move(log)), tokens_(tokens) {}
    ~Judge() override { HOLDFAST_CHECK(open_.empty()); }

    void on_connected(const ConnectedEvent& event) override {
        HOLDFAST_CHECK(open_.emplace(event.conn, 0).second);
        log_->on_connected(event);
    }
    void on_identified(const IdentifiedEvent& event) override { log_->on_identified(event); }
    void on_item(const ItemEvent& event) override {
        HOLDFAST_CHECK(open_.contains(event.conn) && ++open_[event.conn] == event.n);
        HOLDFAST_CHECK(!tokens_ || event.device.id.starts_with('d'));
        if (event.seq != 0) follow(event.conn, event.device, event.seq);
        log_->on_item(event);
    }
    void on_refused(const RefusedItem& item) override {
        follow(item.conn, item.device, item.seq);
        log_->on_refused(item);
    }
    void on_closed(const ClosedEvent& event) override {
        HOLDFAST_CHECK(open_.erase(event.conn) == 1);
        log_->on_closed(event);
    }
    void on_bad_item(const BadItemEvent& event) override {
        HOLDFAST_CHECK(open_.contains(event.conn));
        log_->on_bad_item(event);
    }
    void on_turn_end() override { log_->on_turn_end(); }
    Durable* durable() override { return log_->durable(); }

private:
    /// Checks that numbers follow each other. Only the first number of a connection may lie above the expected one: a
    /// device that was served elsewhere repeats it after its gap (SequenceTracker::begins_at).
    void follow(const ConnectionId& conn, const DeviceName& device, std::uint64_t seq) {
        std::uint64_t& last = numbers_[{std::string(device.id), std::string(device.session), device.authenticated}];
        const bool is_first = numbered_.insert(conn).second;
        HOLDFAST_CHECK(seq == last + 1 || (is_first && seq > last));
        last = seq;
    }

    std::unique_ptr<EventHandler> log_;
    bool tokens_;
    std::map<ConnectionId, std::uint64_t> open_;  // number of items so far
    std::set<ConnectionId> numbered_;
    std::map<TestLog::Session, std::uint64_t> numbers_;
};

class World {
public:
    explicit World(bool tokens)
        : pipeline_({.run = 1, .listeners = {listener(tokens)}, .item = {}},
                    std::make_unique<Judge>(log_.make_handler(), tokens),
                    {.closed = history_, .bad_items = bad_items_, .notices = notices_}),
          shard_(reactor_, pipeline_, admission_, options(tokens)) {
        log_.commit_by_hand();
        auto socket = listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 512}, plan_);
        HOLDFAST_CHECK(socket.ok());
        address_ = to_socket_address(local_endpoint(socket.value().get()).value());
        shard_.add_listener(std::move(socket).value());
        pipeline_.count_in({shard_.listener_counters()[0].get()});
        pipeline_.know_devices(
            {.directory = &directory_,
             .shard = &shard_,
             .durable = nullptr,
             .post = [this](std::function<void()> work) { static_cast<void>(reactor_.post(std::move(work))); },
             .supersede = [this](Token former, std::function<void()> done) { supersede(former, std::move(done)); },
             .confirm = [this](Token holder, std::function<void(bool)> done) { confirm(holder, std::move(done)); }});
        shard_.start();
    }
    ~World() {
        devices_.clear();
        shard_.drain({.deadline = SteadyTime{}});
        for (int i = 0; i < 4 || shard_.registry().size() > 0; ++i) turn();
        log_.commit();
        turn();
    }

    void connect() {
        if (devices_.size() == 3) devices_.erase(devices_.begin());
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        bind_to_an_own_address(fd.get());
        const int error = ::connect(fd.get(), address_.get(), address_.length) == 0 ? 0 : errno;
        HOLDFAST_CHECK(error == 0 || (error == EINTR && comes_through(fd.get())));  // libFuzzer's timer is a signal
        devices_.push_back(std::move(fd));
    }
    /// Sends as the latest device, or as an earlier one.
    void send(std::size_t back, std::string_view bytes) {
        if (back >= devices_.size() || bytes.empty()) return;
        static_cast<void>(::send(devices_[devices_.size() - 1 - back].get(), bytes.data(), bytes.size(),
                                 MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    void vanish() {
        if (!devices_.empty()) devices_.pop_back();
    }
    void turn() {
        clock_.advance(std::chrono::milliseconds(20));
        static_cast<void>(reactor_.post([] {}));  // keeps the turn from waiting
        reactor_.turn(shard_);
    }
    void commit() { log_.commit(); }
    void pass(std::chrono::seconds time) { clock_.advance(time); }

private:
    static bool comes_through(int fd) {
        pollfd watched{fd, POLLOUT, 0};
        while (::poll(&watched, 1, 5'000) < 0 && errno == EINTR) continue;
        int error = -1;
        socklen_t size = sizeof error;
        return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    }
    /// Binds each socket to another address of 127.0.0.0/8. The ports of one address would all be in TIME_WAIT after
    /// ten thousand runs.
    static void bind_to_an_own_address(int fd) {
        static std::uint32_t last = 0;
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(0x7f000000U | (1 + last++ % 0xfffffdU));
        const int yes = 1;
        HOLDFAST_CHECK(::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0);
        HOLDFAST_CHECK(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    static PipelineListener listener(bool tokens) {
        static const auto set = std::make_shared<const TokenSet>(made_tokens());
        return {.name = "devices",
                .framing = Framing::ndjson,
                .max_bad_items = 5,
                .acks = true,
                .tokens = tokens ? set : nullptr};
    }
    ShardOptions options(bool tokens) const {
        ListenerPolicy policy;
        policy.plan = plan_;
        policy.item_deadline = std::chrono::seconds(30);
        policy.downlink_queue = 4'096;
        policy.authenticates = tokens;
        return {.reactor = 0, .max_connections = 16, .max_unfinished = max_unfinished_bytes({}), .policies = {policy}};
    }
    void supersede(Token former, std::function<void()> done) {
        static_cast<void>(reactor_.post([this, former, done] {
            if (Connection* connection = shard_.registry().find(former))
                shard_.close_after_reading(*connection, CloseReason::superseded);
            shard_.after_turn(done);
        }));
    }
    void confirm(Token holder, std::function<void(bool lives)> done) {
        static_cast<void>(reactor_.post([this, holder, done] {
            const Connection* connection = shard_.registry().find(holder);
            const bool lives = connection != nullptr && !connection->is_closing() && !peer_has_shut(connection->fd);
            shard_.after_turn([done, lives] { done(lives); });
        }));
    }

    ManualClock clock_;
    const LivenessPlan plan_ = plan_liveness(std::chrono::seconds(30)).value();
    TestLog log_;
    DeviceIndex directory_;
    ClosedHistory history_{8};
    BadItemHistory bad_items_;
    NoticeLimiter notices_{{}};
    Admission admission_{16};
    Reactor reactor_{clock_};
    Pipeline pipeline_;
    Shard shard_;
    SocketAddress address_;
    std::vector<UniqueFd> devices_;
};

/// Returns a hello. Devices with a wrong or missing token have names of their own, and none of their items may be
/// delivered.
std::string hello(std::uint8_t choice) {
    const bool right = (choice & 24) == 0;
    std::string text = std::string(R"({"hello":{"id":")") + (right ? 'd' : 'w') + std::to_string(choice & 1) + '"';
    if ((choice & 2) != 0) text += R"(,"session":"s)" + std::to_string(choice >> 2 & 1) + '"';
    if ((choice & 8) == 0) text += R"(,"token":")" + std::string((choice & 16) == 0 ? right_token : "wrong") + '"';
    return text + "}}\n";
}

std::string item(std::uint8_t choice) {
    std::string text = R"({"ip":"k")";
    if ((choice & 7) != 0) text += R"(,"seq":)" + std::to_string(choice & 7);
    return text + ((choice & 8) == 0 ? "}\n" : "\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 512) return 0;
    World world((data[0] & 1) != 0);
    for (std::size_t at = 1; at + 1 < size; at += 2) {
        const std::uint8_t choice = data[at + 1];
        const std::size_t back = data[at] >> 4 & 3;
        const std::string_view raw(reinterpret_cast<const char*>(data) + at + 2,
                                   std::min<std::size_t>(choice, size - at - 2));
        switch (data[at] & 7) {
            case 0:
                world.connect();
                break;
            case 1:
                world.send(back, hello(choice));
                break;
            case 2:
                world.send(back, item(choice));
                break;
            case 3:
                world.send(back, hello(choice).substr(0, choice % 20));
                break;
            case 4:
                world.send(back, raw);
                at += raw.size();
                break;
            case 5:
                world.commit();
                break;
            case 6:
                choice % 8 == 7 ? world.pass(std::chrono::seconds(3)) : world.turn();
                break;
            case 7:
                world.vanish();
                break;
        }
        if ((data[at] & 8) != 0) world.turn();
    }
    return 0;
}
