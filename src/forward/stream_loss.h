#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "forward/stream_memo.h"
#include "forward/stream_setup.h"

namespace holdfast {

/// A loss of acknowledged events in a stream.
struct StreamLoss {
    Position behind = 0;  ///< events after this position may be missing
    std::string what;     ///< as a sentence without its end
};

/// Whether the stream contains the message of a mark; unknown: it cannot be read.
enum class Stored : std::uint8_t { yes, no, unknown };
using MarkLookup = std::function<Stored(const StreamMemo::Mark&)>;

/// A time on both clocks of a mark. The larger age of a message counts: the spool's clock stands still while the
/// machine is off, and the system's clock can be set.
struct LossTime {
    WallTime spool;
    WallTime wall;
};

/// Compares the stream with the memo. Messages removed by the stream's own limits are no loss. `find` reads the message
/// of the newest mark. The other marks are read if the stream was created again, has deleted messages or lacks the
/// newest, or if the caller suspects a loss.
[[nodiscard]] std::optional<StreamLoss> find_loss(const StreamMemo& memo, const StreamFacts& facts,
                                                  const MarkLookup& find, const LossTime& now, bool suspects = false);

}  // namespace holdfast
