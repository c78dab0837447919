#include "load/fleet.h"

#include <sys/socket.h>

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds tick_interval{2};

double share_of(double rate, const LoadOptions& options, const LoadFleet::Part& part) {
    return options.connections == 0 ? 0 : rate * part.count / options.connections;
}

}  // namespace

LoadFleet::LoadFleet(const Clock& clock, const LoadOptions& options, Part part, OnNews on_news, DownlinkBook* book)
    : clock_(clock),
      options_(options),
      part_(part),
      on_news_(std::move(on_news)),
      book_(book),
      reactor_(clock),
      items_(options.style),
      devices_(part.count),
      landing_(64 * 1024),
      connect_pace_(share_of(options.connects_per_second, options, part), clock.steady()),
      item_pace_(share_of(options.items_per_second, options, part), clock.steady()) {
    for (LoadDevice& device : devices_) device.fault = draw_fault(options.seed, number_of(device), options.faults);
}

void LoadFleet::run() {
    if (options_.connects_per_second > 0 || options_.items_per_second > 0) tick();
    if (!options_.hold) owe_items();
    reactor_.run_at(clock_.steady(), [] {});  // the first turn must not wait
    reactor_.run(*this);
}

/// Keeps the loop turning often enough for steady rates.
void LoadFleet::tick() {
    if (ending_) return;
    if (options_.items_per_second > 0) send_paced();
    reactor_.run_at(reactor_.now() + tick_interval, [this] { tick(); });
}

void LoadFleet::on_ready(Token token, std::uint32_t events) {
    LoadDevice& device = devices_[static_cast<std::uint32_t>(token)];
    if (device.generation != token >> 32 || device.state == LoadDevice::State::apart || device.deaf) return;
    if (device.state == LoadDevice::State::connecting) {
        if (device.tls) {
            shake_hands(device);
        } else if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
            finish_connect(device);
        }
        if (device.state != LoadDevice::State::connected) return;
        // Edge-triggered: unread bytes are reported only once, and a FIN may follow them.
        events &= ~std::uint32_t{EPOLLOUT};
    }
    if ((events & EPOLLOUT) != 0 && !device.pending.empty()) flush(device);
    if (device.state == LoadDevice::State::connected && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
        read(device);
}

bool LoadFleet::on_turn_end() {
    if (ending_) return false;
    const bool more_to_connect = connect_more();
    const bool more_to_send = send_more();
    return more_to_connect || more_to_send;
}

void LoadFleet::later(LoadDevice& device, std::chrono::milliseconds after, void (LoadFleet::*work)(LoadDevice&)) {
    reactor_.run_at(reactor_.now() + after, [this, token = token_of(device), work] {
        LoadDevice& same = devices_[static_cast<std::uint32_t>(token)];
        if (same.generation == token >> 32 && !ending_) (this->*work)(same);
    });
}

void LoadFleet::begin_end() {
    if (ending_) return;
    ending_ = true;
    for (LoadDevice& device : devices_) {
        forgive(device);
        if (device.state != LoadDevice::State::connected || device.deaf) {
            drop(device);
        } else {
            if (device.tls) device.tls->farewell();
            ::shutdown(device.fd.get(), SHUT_WR);  // bytes in flight still arrive; the peer's FIN ends the connection
            if (device.fault == Fault::stall) drop(device);
        }
    }
    reactor_.run_at(reactor_.now() + std::chrono::seconds(2), [this] {
        for (LoadDevice& device : devices_) drop(device);
        reactor_.stop();
    });
    end_if_all_left();
}

void LoadFleet::end_if_all_left() {
    if (ending_ && counts_.connected == 0) reactor_.stop();
}

}  // namespace holdfast
