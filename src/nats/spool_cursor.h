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
    /// `on_skipped` is told once of each stretch that is not there any more; it may be empty.
    SpoolCursor(Spool& spool, std::function<void(const MissingRange&)> on_skipped)
        : spool_(spool), on_skipped_(std::move(on_skipped)) {}

    /// From the event behind `after` on.
    void restart(Position after);
    [[nodiscard]] bool started() const { return started_; }

    /// The next events, at least one unless the spool has no more for now. Valid until the next call.
    [[nodiscard]] Result<std::span<const SpooledEvent>> peek();
    /// They have been dealt with, up to this one.
    void advance(Position last);

    [[nodiscard]] Position next_after() const { return after_; }
    [[nodiscard]] bool at_end() const { return next_ >= page_.events.size(); }

private:
    void tell(const SpoolPage& page);

    Spool& spool_;
    const std::function<void(const MissingRange&)> on_skipped_;
    SpoolPage page_;
    std::size_t next_ = 0;  // of page_
    Position after_ = 0;
    Position told_ = 0;  // stretches up to here have been told
    bool started_ = false;
};

}  // namespace holdfast
