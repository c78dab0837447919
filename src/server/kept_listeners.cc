#include "server/kept_listeners.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/validate.h"

namespace holdfast {

Result<std::unique_ptr<KeptState>> open_kept(std::optional<int> descriptor) {
    if (!descriptor) return std::unique_ptr<KeptState>();
    return KeptState::open(*descriptor);
}

std::vector<Heritage> heritage_of(KeptState& kept, const Running& running, SteadyTime now) {
    Heritage common;
    common.listener_of.fill(Heritage::unknown);
    common.has_other_plan.fill(false);
    common.died_at = kept.ended_at(now);
    for (const RunningListener& listener : running.listeners) {
        const auto former = kept.find_listener(listener.config.name);
        if (!former) continue;
        common.listener_of[*former] = listener.number;
        common.has_other_plan[listener.number] = kept.listener(*former).plan != listener.plan;
    }
    kept.carry_totals(common.listener_of, running.listeners.size());
    std::vector<Heritage> by_reactor(kept.shape()->reactors, common);
    by_reactor.front().strays = kept.strays();
    return by_reactor;
}

void add_former_addresses(const KeptState& kept, Running& running) {
    for (RunningListener& listener : running.listeners) {
        const auto former = kept.find_listener(listener.config.name);
        if (former && kept.listener(*former).bound != listener.bound)
            listener.before.push_back(kept.listener(*former).bound);
    }
}

void note_listeners(KeptState& kept, const Running& running, const std::vector<BoundListener>& bound) {
    for (std::size_t i = 0; i < max_listeners; ++i) {
        const auto number = static_cast<std::uint8_t>(i);
        if (i >= running.listeners.size()) {
            kept.forget_listener(number);
            continue;
        }
        const RunningListener& listener = running.listeners[i];
        kept.set_listener(number, listener.config.name, listener.bound, listener.plan);
        for (std::size_t reactor = 0; reactor < bound[i].sockets.size(); ++reactor)
            kept.set_socket(number, static_cast<std::uint32_t>(reactor), bound[i].sockets[reactor].get());
    }
}

void note_listeners(KeptState& kept, const Running& running) {
    for (const RunningListener& listener : running.listeners) {
        if (!listener.gone()) kept.set_listener(listener.number, listener.config.name, listener.bound, listener.plan);
    }
}

void note_sockets(KeptState& kept, Shard& shard) {
    std::uint8_t number = 0;
    for (const int socket : shard.listening_sockets()) kept.set_socket(number++, shard.registry().reactor(), socket);
}

}  // namespace holdfast
