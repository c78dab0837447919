#include <algorithm>
#include <cerrno>
#include <utility>

#include <holdfast/testing.h>

#include "harness/simulated_gateway.h"

namespace holdfast {

using std::chrono::milliseconds;

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string_view to_string(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::connecting:
            return "connecting";
        case DeviceState::connected:
            return "connected";
        case DeviceState::closed:
            return "closed";
        case DeviceState::reset:
            return "reset";
        case DeviceState::timed_out:
            return "timed_out";
        case DeviceState::refused:
            return "refused";
        case DeviceState::vanished:
            return "vanished";
    }
    return "unknown";
}

}  // namespace HOLDFAST_PUBLIC

SimulatedDevice::SimulatedDevice(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SimulatedDevice::SimulatedDevice(SimulatedDevice&&) noexcept = default;
SimulatedDevice& SimulatedDevice::operator=(SimulatedDevice&&) noexcept = default;
SimulatedDevice::~SimulatedDevice() = default;

void SimulatedDevice::send(std::string_view bytes) { impl_->peer.send(bytes); }
void SimulatedDevice::vanish() { impl_->peer.vanish(); }
void SimulatedDevice::stall() { impl_->peer.read_at(0); }
void SimulatedDevice::slow(std::size_t bytes_per_second) { impl_->peer.read_at(bytes_per_second); }
void SimulatedDevice::read() { impl_->peer.read_at(std::nullopt); }
void SimulatedDevice::sleep(milliseconds time) { impl_->peer.sleep(time); }
void SimulatedDevice::half_close() { impl_->peer.half_close(); }
void SimulatedDevice::close() { impl_->peer.close(); }
void SimulatedDevice::reset() { impl_->peer.reset(); }
DeviceState SimulatedDevice::state() const { return static_cast<DeviceState>(impl_->peer.state()); }
Endpoint SimulatedDevice::endpoint() const { return impl_->peer.endpoint(); }
std::string_view SimulatedDevice::received() const { return impl_->peer.received(); }

std::vector<std::string> SimulatedDevice::answers() {
    std::vector<std::string> lines;
    const std::string_view all = impl_->peer.received();
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = all.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
        const bool has_return = end > begin && all[end - 1] == '\r';
        lines.emplace_back(all.substr(begin, end - begin - (has_return ? 1 : 0)));
    }
    impl_->peer.forget(begin);
    return lines;
}

SimulatedNetwork::SimulatedNetwork(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SimulatedNetwork::~SimulatedNetwork() = default;

void SimulatedNetwork::partition(const Prefix& where) {
    impl_->set({where, PathRules::Property::reachable, [](SimulatedPath& path) {
                    path.blocked = true;
                    path.error = 0;
                }});
}

void SimulatedNetwork::unreachable(const Prefix& where) {
    impl_->set({where, PathRules::Property::reachable, [](SimulatedPath& path) {
                    path.blocked = true;
                    path.error = EHOSTUNREACH;
                }});
}

void SimulatedNetwork::heal(const Prefix& where) {
    impl_->set({where, PathRules::Property::reachable, [](SimulatedPath& path) { path.blocked = false; }});
}

void SimulatedNetwork::delay(milliseconds one_way, const Prefix& where) {
    const milliseconds time = std::clamp(one_way, milliseconds(0), milliseconds(60'000));
    impl_->set({where, PathRules::Property::delay, [time](SimulatedPath& path) { path.delay = time; }});
}

void SimulatedNetwork::loss(double probability, const Prefix& where) {
    const double chance = std::clamp(probability, 0.0, 1.0);
    impl_->set({where, PathRules::Property::loss, [chance](SimulatedPath& path) { path.loss = chance; }});
}

void SimulatedNetwork::nat_timeout(milliseconds silence, const Prefix& where) {
    const milliseconds time = std::max(silence, milliseconds(0));
    impl_->set({where, PathRules::Property::nat, [time](SimulatedPath& path) { path.nat_timeout = time; }});
}

SimulatedGateway::SimulatedGateway(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SimulatedGateway::~SimulatedGateway() = default;

Result<std::unique_ptr<SimulatedGateway>> SimulatedGateway::start(const ServerConfig& config,
                                                                  std::unique_ptr<EventHandler> handler,
                                                                  std::uint64_t seed) {
    auto impl = Impl::make(config, std::move(handler), seed);
    if (!impl) return impl.error();
    return std::unique_ptr<SimulatedGateway>(new SimulatedGateway(std::move(impl).value()));
}

SimulatedDevice SimulatedGateway::connect(std::string_view listener, std::optional<Endpoint> from) {
    const int fd = impl_->listener(listener);
    if (fd < 0) {
        throw Misuse("no listener has the name \"" + std::string(listener) +
                     "\"; connect to one of the simulated gateway's configuration");
    }
    return SimulatedDevice(
        std::make_unique<SimulatedDevice::Impl>(impl_->world(), fd, from ? *from : impl_->next_address()));
}

SimulatedNetwork& SimulatedGateway::network() { return impl_->network(); }

void SimulatedGateway::advance(milliseconds time) {
    impl_->expect_calls();
    impl_->run_until(impl_->now() + time, {});
}

bool SimulatedGateway::advance_until(const std::function<bool()>& condition, milliseconds limit) {
    impl_->expect_calls();
    return impl_->run_until(impl_->now() + limit, condition);
}

void SimulatedGateway::pause(milliseconds time) { impl_->pause(time); }

milliseconds SimulatedGateway::now() const {
    return std::chrono::floor<milliseconds>(impl_->now() - SimulatedClock::start);
}

ReactorContext& SimulatedGateway::context() { return impl_->thread().context(); }

std::vector<ClosedLife> SimulatedGateway::closed() const {
    ClosedQuery all;
    all.limit = static_cast<std::size_t>(-1);
    return impl_->history().find(all).lives;
}

std::size_t SimulatedGateway::connections() const { return impl_->connections(); }

void SimulatedGateway::exhaust_memory() { impl_->admission().buffers().exhausted(); }

void SimulatedGateway::drain() { impl_->drain(); }

}  // namespace holdfast
