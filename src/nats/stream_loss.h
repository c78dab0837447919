#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "nats/stream_memo.h"
#include "nats/stream_setup.h"

namespace holdfast {

/// A stream that does not hold any more what it acknowledged.
struct StreamLoss {
    Position behind = 0;  ///< events behind this position may be missing
    std::string what;     ///< in a sentence, without its end
};

/// Whether the stream holds the message of a mark; unknown: it cannot be read.
enum class Stored : std::uint8_t { yes, no, unknown };
using MarkLookup = std::function<Stored(const StreamMemo::Mark&)>;

/// The time by both clocks of a mark. A message is as old as the larger age: the spool's clock stands still while the
/// machine is off, and the system's clock can be set.
struct LossTime {
    WallTime spool;
    WallTime wall;
};

/// Compares the stream with what is remembered of it. What the stream's own limits remove is no loss. `look` reads one
/// message; it is called for the newest mark, and for the others if the stream has another creation time, has deleted
/// messages, lacks the newest, or if the caller suspects a loss.
[[nodiscard]] std::optional<StreamLoss> find_loss(const StreamMemo& memo, const StreamFacts& facts,
                                                  const MarkLookup& look, const LossTime& now, bool suspects = false);

}  // namespace holdfast
