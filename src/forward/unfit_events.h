#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "spool/position.h"

namespace holdfast {

/// Events that NATS rejected for good, until the forwarder is past them. An event is first replaced by a dead letter,
/// and left out if that is rejected, too. One thread.
class UnfitEvents {
public:
    enum class Instead : std::uint8_t { dead_letter, nothing };
    struct Unfit {
        std::string why;
        Instead instead = Instead::dead_letter;
    };

    /// A rejection of an event or of its dead letter. `first` is the event's position; `what` is a sentence.
    struct Refusal {
        bool first = false;
        std::string what;
    };
    Refusal refuse(Position position, const std::string& why) {
        const auto [found, first] = events_.try_emplace(position, Unfit{why, Instead::dead_letter});
        if (!first) found->second.instead = Instead::nothing;
        return {first, "event " + std::to_string(position) + " does not go to NATS" +
                           (first ? " as it is: " : ", not even its dead letter: ") + why};
    }
    void forget_up_to(Position published) { events_.erase(events_.begin(), events_.upper_bound(published)); }

    /// Returns nullptr if NATS may accept the event.
    [[nodiscard]] const Unfit* find(Position position) const {
        const auto found = events_.find(position);
        return found == events_.end() ? nullptr : &found->second;
    }
    /// Returns the latest end of a batch that begins at `first`; `bound` is another bound, 0: none.
    [[nodiscard]] Position bound_of(Position first, Position bound) const {
        const auto next = events_.upper_bound(first);
        return next != events_.end() && (bound == 0 || next->first <= bound) ? next->first - 1 : bound;
    }

private:
    std::map<Position, Unfit> events_;
};

}  // namespace holdfast
