#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include <holdfast/result.h>

#include "spool/spool.h"

namespace holdfast {

/// Walks a spool's events page by page, with bounded memory. One thread.
class SpoolCursor {
public:
    /// Reads from `spool`. `on_skipped` is called once for each missing range; it may be empty.
    SpoolCursor(Spool& spool, std::function<void(const MissingRange&)> on_skipped)
        : spool_(spool), on_skipped_(std::move(on_skipped)) {}

    /// Continues from the event after `after`.
    void restart(Position after);
    [[nodiscard]] bool started() const { return started_; }

    /// Returns the next events, at least one unless the spool has none left at present. Valid until the next call.
    [[nodiscard]] Result<std::span<const SpooledEvent>> peek();
    /// Moves past `last`: the events up to it are done.
    void advance(Position last);

    [[nodiscard]] Position next_after() const { return after_; }
    [[nodiscard]] bool at_end() const { return next_ >= page_.events.size(); }

private:
    void tell(const SpoolPage& page);

    Spool& spool_;
    const std::function<void(const MissingRange&)> on_skipped_;
    SpoolPage page_;
    std::size_t next_ = 0;  // index into page_
    Position after_ = 0;
    Position reported_ = 0;  // ranges up to here were reported
    bool started_ = false;
};

}  // namespace holdfast
