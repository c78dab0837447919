#include "conn/accept_queue.h"

#include <iterator>
#include <utility>

namespace holdfast {

void AcceptQueue::add(const IpAddress& peer, Token number) {
    const IpAddress network = network_of(peer, subscriber_width);
    const auto [found, fresh] = sources_.try_emplace(network);
    if (fresh) {
        found->second = rotation_.insert(rotation_.end(), Source{.network = network});
        found->second->size = sizes_.emplace(0, &*found->second);
    }
    Source& source = *found->second;
    places_[number] = {.source = found->second, .at = source.waiting.insert(source.waiting.end(), number)};
    note_size(source);
}

void AcceptQueue::note_size(Source& source) {
    auto node = sizes_.extract(source.size);
    node.key() = source.waiting.size();
    source.size = sizes_.insert(std::move(node));
}

std::optional<Token> AcceptQueue::crowding_out(const IpAddress& peer) const {
    if (sizes_.empty()) return std::nullopt;
    const Source& largest = *std::prev(sizes_.end())->second;
    const auto own = sources_.find(network_of(peer, subscriber_width));
    const std::size_t waiting = own == sources_.end() ? 0 : own->second->waiting.size();
    if (largest.waiting.size() < waiting + 2) return std::nullopt;
    return largest.waiting.back();
}

bool AcceptQueue::remove(Token number) {
    const auto found = places_.find(number);
    if (found == places_.end()) return false;
    const Place place = found->second;
    places_.erase(found);
    place.source->waiting.erase(place.at);
    note_size(*place.source);
    if (!place.source->waiting.empty()) return true;
    sizes_.erase(place.source->size);
    sources_.erase(place.source->network);
    rotation_.erase(place.source);
    return true;
}

std::optional<Token> AcceptQueue::next() {
    if (rotation_.empty()) return std::nullopt;
    const Token number = rotation_.front().waiting.front();
    rotation_.splice(rotation_.end(), rotation_, rotation_.begin());
    remove(number);
    return number;
}

}  // namespace holdfast
