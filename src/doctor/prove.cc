#include "doctor/prove.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "doctor/life_recorder.h"
#include "doctor/prove_device.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t devices_each = 8;
// Linux as a router answers one sender five times, then once a second (net/ipv4/route.c, ip_error).
constexpr std::size_t devices_without_route = 4;
constexpr milliseconds settled{200};
constexpr milliseconds most_spread{1'000};  // between the first and the last death of a row
constexpr milliseconds grace{1'000};        // beyond the bound, for what comes too late to be seen at all
constexpr milliseconds talk_every{500};
constexpr std::chrono::seconds come_up_within{10};
constexpr int most_sends = 64;

milliseconds part_of(milliseconds whole, double share) {
    return milliseconds(static_cast<std::int64_t>(static_cast<double>(whole.count()) * share));
}

/// One device, and what is done to it.
struct Specimen {
    Way way;
    ProveDevice device;
    ConnectionId conn;
    SteadyTime last_sign;
};

/// The run: a server, the devices, and what happens when. One thread besides the server's.
class Prover {
public:
    Prover(const LivenessPlan& plan, const TwoNetworks& networks)
        : plan_(plan), networks_(networks), rows_(death_table(plan)) {}

    [[nodiscard]] Result<Proof> run();

private:
    using Action = std::function<void()>;

    [[nodiscard]] std::string start_server();
    [[nodiscard]] std::string connect_devices();
    [[nodiscard]] std::string connect_device(Way way, const Endpoint& to);
    [[nodiscard]] std::string wait_until_all_have_spoken();
    void schedule();
    /// `share`: of the time in which the row's devices die, 0 to 1.
    void strike(Specimen& specimen, double share);
    void vanish(Specimen& specimen);
    void lose_route();
    void send(const Specimen& specimen) const { static_cast<void>(server_->send(specimen.conn, "{\"n\":1}")); }
    void fill(const Specimen& specimen);
    void talk(const Specimen& specimen);
    void act_until_the_end();
    [[nodiscard]] bool is_alive(const Specimen& specimen) const;
    [[nodiscard]] bool all_found(const RecordedLives& lives) const;
    [[nodiscard]] Proof conclude() const;

    const SystemClock clock_;
    const LivenessPlan plan_;
    const TwoNetworks& networks_;
    const std::vector<DeathRow> rows_;
    LifeRecorder recorder_;
    std::unique_ptr<Server> server_;  // before the recorder's end
    std::vector<Specimen> specimens_;
    std::multimap<SteadyTime, Action> schedule_;
    SteadyTime started_ = clock_.steady();
    SteadyTime first_strike_;
    std::string trouble_;
};

std::string Prover::start_server() {
    ServerConfig config;
    ListenerConfig& listener = config.listeners.front();
    listener.address = to_string(Endpoint{TwoNetworks::gateway_address(), 0});
    listener.detect_within = plan_.detect_within;
    listener.read_idle.reset();
    auto server = Server::start(std::move(config), [this](unsigned) { return recorder_.make_handler(); });
    if (!server) return server.error().message;
    server_ = std::move(server).value();
    return {};
}

std::string Prover::connect_device(Way way, const Endpoint& to) {
    auto device = ProveDevice::connect(
        {.to = to,
         .from = way == Way::unreachable ? TwoNetworks::far_address() : TwoNetworks::device_address(),
         .small_window = way == Way::zero_window});
    if (!device) return device.error().message;
    device.value().speak();
    specimens_.push_back({way, std::move(device).value(), {}, clock_.steady()});
    return {};
}

std::string Prover::connect_devices() {
    const Endpoint to = server_->status().listeners.front().bound;
    std::string trouble;
    networks_.enter_devices();
    for (const DeathRow& row : rows_) {
        const std::size_t number = row.way == Way::unreachable ? devices_without_route : devices_each;
        for (std::size_t i = 0; i < number && trouble.empty(); ++i) trouble = connect_device(row.way, to);
    }
    networks_.enter_gateway();
    return trouble.empty() ? wait_until_all_have_spoken() : trouble;
}

std::string Prover::wait_until_all_have_spoken() {
    const bool all = recorder_.wait_until(clock_.steady() + come_up_within, [this](const RecordedLives& lives) {
        return std::all_of(specimens_.begin(), specimens_.end(), [&](const Specimen& one) {
            const auto life = lives.find(one.device.name());
            return life != lives.end() && life->second.items > 0;
        });
    });
    if (!all)
        return "the devices' first items do not arrive over the wire between the namespaces: is this host too busy?";
    const RecordedLives lives = recorder_.lives();
    for (Specimen& one : specimens_) one.conn = lives.at(one.device.name()).conn;
    return {};
}

/// Deaths of a row are spread, so that they meet the kernel's timers and the sweep at different phases.
void Prover::schedule() {
    first_strike_ = clock_.steady() + settled;
    const milliseconds spread = std::min(most_spread, plan_.detect_within / 10);
    std::map<Way, int> struck;
    for (Specimen& one : specimens_) {
        const double share = static_cast<double>(struck[one.way]++) / devices_each;
        if (one.way == Way::unreachable) continue;
        schedule_.emplace(first_strike_ + part_of(spread, share), [this, &one, share] { strike(one, share); });
    }
    schedule_.emplace(first_strike_ + spread / 2, [this] { lose_route(); });
}

void Prover::strike(Specimen& specimen, double share) {
    specimen.last_sign = clock_.steady();  // before the deed: the strict reading
    switch (specimen.way) {
        case Way::fin:
            return specimen.device.close();
        case Way::reset:
            return specimen.device.reset();
        case Way::idle:
            return vanish(specimen);
        case Way::in_flight:
            vanish(specimen);
            return send(specimen);
        case Way::probing: {
            vanish(specimen);
            // From the first probe on to well before the last: the kernel's clock starts anew with the write.
            const milliseconds probing = plan_.interval * (plan_.count - 1) + milliseconds(plan_.interval) / 4;
            const auto at =
                specimen.last_sign + plan_.idle + milliseconds(plan_.interval) / 4 + part_of(probing, share);
            schedule_.emplace(at, [this, &specimen] { send(specimen); });
            return;
        }
        case Way::zero_window:
            return fill(specimen);
        case Way::unreachable:
        case Way::quiet:
            return;
        case Way::talking:
            return talk(specimen);
    }
}

void Prover::vanish(Specimen& specimen) {
    if (!specimen.device.vanish() && trouble_.empty()) {
        trouble_ = "a device could not be silenced by a socket filter (SO_ATTACH_FILTER): is this host too busy?";
    }
}

void Prover::lose_route() {
    for (Specimen& one : specimens_) {
        if (one.way != Way::unreachable) continue;
        one.last_sign = clock_.steady();
        one.device.speak();
    }
    const std::string trouble = networks_.lose_route();
    if (!trouble.empty()) trouble_ = trouble;
    for (const Specimen& one : specimens_) {
        if (one.way == Way::unreachable) send(one);
    }
}

/// More than its window and the queue take, again and again as long as it is there.
void Prover::fill(const Specimen& specimen) {
    static const std::string message = "{\"fill\":\"" + std::string(16'000, 'x') + "\"}";
    for (int i = 0; i < most_sends && server_->send(specimen.conn, message) == SendOutcome::queued; ++i) {
    }
    if (!is_alive(specimen)) return;
    schedule_.emplace(clock_.steady() + talk_every, [this, &specimen] { fill(specimen); });
}

void Prover::talk(const Specimen& specimen) {
    specimen.device.speak();
    if (is_alive(specimen)) schedule_.emplace(clock_.steady() + talk_every, [this, &specimen] { talk(specimen); });
}

bool Prover::is_alive(const Specimen& specimen) const {
    const RecordedLives lives = recorder_.lives();
    const auto life = lives.find(specimen.device.name());
    return life != lives.end() && !life->second.closed_at;
}

bool Prover::all_found(const RecordedLives& lives) const {
    return std::all_of(specimens_.begin(), specimens_.end(), [&](const Specimen& one) {
        if (one.way == Way::quiet || one.way == Way::talking) return true;
        const auto life = lives.find(one.device.name());
        return life != lives.end() && life->second.closed_at.has_value();
    });
}

/// At least one bound long, so that the living have had their chance to be taken for dead.
void Prover::act_until_the_end() {
    const SteadyTime bound = first_strike_ + plan_.detect_within;
    const SteadyTime end = bound + most_spread + grace;
    while (trouble_.empty()) {
        const SteadyTime now = clock_.steady();
        if (now >= end || (now >= bound && all_found(recorder_.lives()))) return;
        if (schedule_.empty() || schedule_.begin()->first > now) {
            const SteadyTime next = schedule_.empty() ? end : schedule_.begin()->first;
            std::this_thread::sleep_until(std::min({next, end, now + milliseconds(50)}));
            continue;
        }
        const Action action = std::move(schedule_.begin()->second);
        schedule_.erase(schedule_.begin());
        action();
    }
}

Proof Prover::conclude() const {
    const RecordedLives lives = recorder_.lives();
    Proof proof{
        .plan = plan_, .kernel = {}, .took = std::chrono::ceil<milliseconds>(clock_.steady() - started_), .rows = {}};
    utsname name{};
    if (::uname(&name) == 0) proof.kernel = name.release;
    for (const DeathRow& row : rows_) {
        std::vector<Outcome> outcomes;
        for (const Specimen& one : specimens_) {
            if (one.way != row.way) continue;
            const RecordedLife& life = lives.at(one.device.name());
            outcomes.push_back({one.last_sign, life.closed_at, life.reason});
        }
        proof.rows.push_back(judge(row, outcomes));
    }
    return proof;
}

Result<Proof> Prover::run() {
    std::string trouble = start_server();
    if (trouble.empty()) trouble = connect_devices();
    if (!trouble.empty()) return Error{trouble};
    schedule();
    act_until_the_end();
    if (!trouble_.empty()) return Error{trouble_};
    return conclude();
}

}  // namespace

Result<Proof> prove(const LivenessPlan& plan, const TwoNetworks& networks) { return Prover(plan, networks).run(); }

}  // namespace holdfast
