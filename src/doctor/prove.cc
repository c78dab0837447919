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

#include "doctor/prove_device.h"
#include "tcp/socket_options.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t devices_each = 8;
// Linux as a router answers one sender five times, then once a second (net/ipv4/route.c, ip_error).
constexpr std::size_t devices_without_route = 4;
constexpr milliseconds settled{200};
constexpr milliseconds max_spread{1'000};  // between the first and the last end of a row
constexpr milliseconds grace{1'000};       // beyond the bound, so that late ends are measured
constexpr milliseconds talk_every{500};
constexpr std::chrono::seconds come_up_within{10};
constexpr int max_sends = 64;

milliseconds part_of(milliseconds whole, double share) {
    return milliseconds(static_cast<std::int64_t>(static_cast<double>(whole.count()) * share));
}

/// One device and its fate.
struct Specimen {
    Way way;
    bool lives;  ///< nothing may end it
    ProveDevice device;
    ConnectionId conn;
    SteadyTime last_sign;
    bool counts = true;  ///< false: this host was too busy to carry out the row's fate
};

/// Runs the proof: a server, the devices, and a schedule. One thread besides the server's.
class Prover {
public:
    Prover(const LivenessPlan& plan, const TwoNetworks& networks)
        : plan_(plan), networks_(networks), rows_(proof_table(plan)) {}

    [[nodiscard]] Result<Proof> run();

private:
    using Action = std::function<void()>;

    [[nodiscard]] std::string start_servers();
    [[nodiscard]] std::string make_slow_wire();
    [[nodiscard]] std::string connect_devices();
    [[nodiscard]] std::string connect_device(const ProofRow& row);
    [[nodiscard]] Endpoint address_for(Way way) const;
    [[nodiscard]] std::string wait_until_all_have_spoken();
    void schedule();
    /// Applies the fate to the device. `share` is the moment within the row's spread, 0 to 1.
    void strike(Specimen& specimen, double share);
    void write_amid_probing(Specimen& specimen, double share);
    void vanish(Specimen& specimen);
    void be_out(Specimen& specimen);
    void be_out_for(Specimen& specimen, milliseconds safe_outage);
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
    const std::vector<ProofRow> rows_;
    LifeRecorder recorder_;
    PausingHandler::Pause pause_{0};
    std::unique_ptr<SlowWire> slow_wire_;
    std::unique_ptr<Server> server_;          // ends before the recorder
    std::unique_ptr<Server> pausing_server_;  // of the row `pause`; likewise
    std::vector<Specimen> specimens_;
    std::multimap<SteadyTime, Action> schedule_;
    SteadyTime started_ = clock_.steady();
    SteadyTime first_strike_;
    std::string trouble_;
};

ListenerConfig listener_at(const IpAddress& address, const LivenessPlan& plan, std::string name) {
    ListenerConfig listener;
    listener.name = std::move(name);
    listener.address = to_string(Endpoint{address, 0});
    listener.detect_within = plan.detect_within;
    listener.read_idle.reset();
    return listener;
}

std::string Prover::start_servers() {
    ServerConfig config;
    config.listeners = {listener_at(TwoNetworks::gateway_address(), plan_, "wire"),
                        listener_at(TwoNetworks::slow_gateway_address(), plan_, "slow")};
    auto server = Server::start(std::move(config), [this](unsigned) { return recorder_.make_handler(); });
    if (!server) return server.error().message;
    server_ = std::move(server).value();

    ServerConfig pausing;
    pausing.reactors = 1;
    pausing.listeners = {listener_at(TwoNetworks::gateway_address(), plan_, "pausing")};
    pausing.listeners.front().read_idle = read_idle_of_pause;
    server = Server::start(std::move(pausing), [this](unsigned) {
        return std::make_unique<PausingHandler>(recorder_.make_handler(), pause_);
    });
    if (!server) return server.error().message;
    pausing_server_ = std::move(server).value();
    return {};
}

std::string Prover::make_slow_wire() {
    auto wire = networks_.make_slow_wire();
    if (!wire) return wire.error().message;
    slow_wire_ = std::move(wire).value();
    return {};
}

Endpoint Prover::address_for(Way way) const {
    if (way == Way::pause) return pausing_server_->status().listeners.front().bound;
    return server_->status().listeners.at(way == Way::delay ? 1 : 0).bound;
}

std::string Prover::connect_device(const ProofRow& row) {
    const Way way = row.way;
    const IpAddress from = way == Way::unreachable ? TwoNetworks::far_address()
                           : way == Way::delay     ? TwoNetworks::slow_device_address()
                                                   : TwoNetworks::device_address();
    auto device = ProveDevice::connect({.to = address_for(way), .from = from, .small_window = way == Way::zero_window});
    if (!device) return device.error().message;
    device.value().speak();
    specimens_.push_back({row.way, !row.expected, std::move(device).value(), {}, clock_.steady()});
    return {};
}

std::string Prover::connect_devices() {
    std::string trouble;
    networks_.enter_devices();
    for (const ProofRow& row : rows_) {
        const std::size_t number = row.way == Way::unreachable ? devices_without_route : devices_each;
        for (std::size_t i = 0; i < number && trouble.empty(); ++i) trouble = connect_device(row);
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
        return "the devices' first items do not arrive between the namespaces; run the proof while the host is less "
               "busy";
    const RecordedLives lives = recorder_.lives();
    for (Specimen& one : specimens_) one.conn = lives.at(one.device.name()).conn;
    return {};
}

/// Spreads the ends of a row, so that they meet different phases of the kernel's timers and the sweep.
void Prover::schedule() {
    first_strike_ = clock_.steady() + settled;
    const milliseconds spread = std::min(max_spread, plan_.detect_within / 10);
    std::map<Way, int> struck;
    for (Specimen& one : specimens_) {
        const double share = static_cast<double>(struck[one.way]++) / devices_each;
        if (one.way == Way::unreachable) continue;
        schedule_.emplace(first_strike_ + part_of(spread, share), [this, &one, share] { strike(one, share); });
    }
    schedule_.emplace(first_strike_ + spread / 2, [this] { lose_route(); });
    schedule_.emplace(first_strike_, [this] { slow_wire_->set_delay(plan_.safe_round_trip / 2); });
    schedule_.emplace(first_strike_ + settled, [this] { pause_ = pause_length(plan_).count(); });
}

/// Schedules a write between the first probe and well before the last: the write restarts the kernel's clock.
void Prover::write_amid_probing(Specimen& specimen, double share) {
    const milliseconds quarter = milliseconds(plan_.interval) / 4;
    const milliseconds probing = plan_.interval * (plan_.count - 1) + quarter;
    const auto at = specimen.last_sign + plan_.idle + quarter + part_of(probing, share);
    schedule_.emplace(at, [this, &specimen] { send(specimen); });
}

void Prover::strike(Specimen& specimen, double share) {
    specimen.last_sign = clock_.steady();  // before the fate takes effect: the strict interpretation
    switch (specimen.way) {
        case Way::fin:
            return specimen.device.close();
        case Way::reset:
            return specimen.device.reset();
        case Way::idle:
            return vanish(specimen);
        case Way::in_flight:
        case Way::probing:
            vanish(specimen);
            return specimen.way == Way::in_flight ? send(specimen) : write_amid_probing(specimen, share);
        case Way::zero_window:
            return fill(specimen);
        case Way::unreachable:
        case Way::quiet:
            return;
        case Way::delay:
            send(specimen);
            [[fallthrough]];
        case Way::talking:
        case Way::pause:
            return talk(specimen);
        case Way::outage_idle:
        case Way::outage_in_flight:
            return be_out(specimen);
    }
}

void Prover::be_out(Specimen& specimen) {
    if (specimen.way == Way::outage_idle) return be_out_for(specimen, plan_.safe_outage.idle);
    be_out_for(specimen, safe_outage_in_flight(plan_));
    send(specimen);
}

void Prover::vanish(Specimen& specimen) {
    if (!specimen.device.vanish() && trouble_.empty()) {
        trouble_ = "a device could not be silenced (IP_MINTTL); run the proof while the host is less busy";
    }
}

/// Makes an outage just below the safe one. A longer one, on a busy host, proves nothing and does not count.
void Prover::be_out_for(Specimen& specimen, milliseconds safe_outage) {
    vanish(specimen);
    const SteadyTime began = clock_.steady();
    schedule_.emplace(began + outage_length(safe_outage), [this, &specimen, began, safe_outage] {
        specimen.counts = specimen.device.reappear() && clock_.steady() - began <= safe_outage;
    });
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

/// Sends repeatedly, more than the device's window and the queue hold.
void Prover::fill(const Specimen& specimen) {
    static const std::string message = "{\"fill\":\"" + std::string(16'000, 'x') + "\"}";
    for (int i = 0; i < max_sends && server_->send(specimen.conn, message) == SendOutcome::queued; ++i) {
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
        if (one.lives) return true;
        const auto life = lives.find(one.device.name());
        return life != lives.end() && life->second.closed_at.has_value();
    });
}

/// Runs for at least one bound, so that a living device could be closed wrongly.
void Prover::act_until_the_end() {
    const SteadyTime bound = first_strike_ + plan_.detect_within;
    const SteadyTime end = bound + max_spread + grace;
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
    for (const ProofRow& row : rows_) {
        std::vector<Outcome> outcomes;
        for (const Specimen& one : specimens_) {
            if (one.way != row.way || !one.counts) continue;
            const RecordedLife& life = lives.at(one.device.name());
            outcomes.push_back({one.last_sign, life.closed_at, life.reason});
        }
        proof.rows.push_back(classify(row, outcomes));
    }
    return proof;
}

Result<Proof> Prover::run() {
    std::string trouble = make_slow_wire();
    if (trouble.empty()) trouble = start_servers();
    if (trouble.empty()) trouble = connect_devices();
    if (!trouble.empty()) return Error{trouble};
    schedule();
    act_until_the_end();
    if (!trouble_.empty()) return Error{trouble_};
    return conclude();
}

}  // namespace

Result<Proof> prove(const LivenessPlan& plan, const TwoNetworks& networks) {
    // Not every kernel caps the retransmission timeout: the rows follow this one.
    const auto in_kernel = prove_inheritance(plan);
    if (!in_kernel) return in_kernel.error();
    return Prover(in_kernel.value(), networks).run();
}

}  // namespace holdfast
