#include "simulation/simulated_peer.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds reading_step{100};  // of a slow reader

}  // namespace

SimulatedPeer::SimulatedPeer(SimulatedTcp& tcp, int listener, const Endpoint& from)
    : tcp_(tcp), from_(from), self_(std::make_shared<SimulatedPeer*>(this)) {
    link_ = &tcp.connect(listener, from, *this);
}

SimulatedPeer::~SimulatedPeer() {
    *self_ = nullptr;
    if (link_ == nullptr) return;
    link_->device.lose_power();
    tcp_.set_up(*link_, false);
    tcp_.leave(*link_);
}

void SimulatedPeer::send(std::string_view bytes) {
    if (finishes_ || closes_) return;  // EPIPE
    outbox_ += bytes;
    flush();
}

void SimulatedPeer::flush() {
    if (!may_run()) return;
    while (!outbox_.empty()) {
        const std::size_t taken = link_->device.write(outbox_);
        outbox_.erase(0, taken);
        if (taken == 0) return;
    }
    if (finishes_ || closes_) link_->device.shut_down();
    if (!closes_) return;
    state_ = LinkState::closed;
    link_->device.close(false);
}

void SimulatedPeer::half_close() {
    finishes_ = true;
    flush();
}

void SimulatedPeer::close() {
    closes_ = true;
    flush();
}

void SimulatedPeer::reset() {
    if (link_ == nullptr || state_ != LinkState::connected) return;
    state_ = LinkState::reset;
    link_->device.close(true);
}

void SimulatedPeer::vanish() {
    if (state_ != LinkState::connected && state_ != LinkState::connecting) return;
    state_ = LinkState::vanished;
    if (link_ == nullptr) return;
    link_->device.lose_power();
    tcp_.set_up(*link_, false);
}

void SimulatedPeer::sleep(std::chrono::nanoseconds time) {
    if (link_ == nullptr || state_ == LinkState::vanished) return;
    sleeps_ = true;
    tcp_.set_up(*link_, false);
    tcp_.call_at(tcp_.now() + time, [self = self_, nap = ++naps_] {
        SimulatedPeer* const peer = *self;
        if (peer == nullptr || peer->naps_ != nap || peer->state_ == LinkState::vanished) return;
        peer->sleeps_ = false;
        if (peer->link_ == nullptr) return;
        peer->tcp_.set_up(*peer->link_, true);
        peer->flush();
    });
}

void SimulatedPeer::read_at(std::optional<std::size_t> bytes_per_second) {
    rate_ = bytes_per_second;
    if (may_run()) read();
}

void SimulatedPeer::on_established() {
    state_ = LinkState::connected;
    flush();
}

void SimulatedPeer::on_refused() { end(LinkState::refused); }

void SimulatedPeer::on_ready(std::uint32_t events) {
    if (state_ != LinkState::connected || link_ == nullptr) return;
    if ((events & EPOLLIN) != 0) read();
    if (link_ == nullptr || state_ != LinkState::connected) return;
    if ((events & EPOLLERR) != 0) {
        return end(link_->device.take_error() == ECONNRESET ? LinkState::reset : LinkState::timed_out);
    }
    if ((events & EPOLLOUT) != 0) flush();
}

void SimulatedPeer::end(LinkState state) {
    state_ = state;
    if (link_ != nullptr) link_->device.close(false);
}

void SimulatedPeer::read() {
    if (rate_) return read_slowly();
    const std::string_view unread = link_->device.unread();
    received_ += unread;
    link_->device.consume(unread.size());
    if (!link_->device.has_received_fin() || link_->device.is_dead()) return;
    closes_ = true;  // end of file
    flush();
}

void SimulatedPeer::read_slowly() {
    if (*rate_ == 0 || reads_slowly_) return;
    reads_slowly_ = true;
    tcp_.call_at(tcp_.now() + reading_step, [self = self_] {
        SimulatedPeer* const peer = *self;
        if (peer == nullptr) return;
        peer->reads_slowly_ = false;
        if (peer->link_ == nullptr || peer->state_ != LinkState::connected || !peer->rate_) return;
        TcpEnd& end = peer->link_->device;
        const std::size_t step = std::max<std::size_t>(1, *peer->rate_ / 10);
        const std::size_t taken = peer->sleeps_ ? 0 : std::min(step, end.unread().size());
        peer->received_ += end.unread().substr(0, taken);
        end.consume(taken);
        if (!end.unread().empty()) peer->read_slowly();
    });
}

}  // namespace holdfast
