#include "forward/spool_cursor.h"

#include <algorithm>
#include <utility>

namespace holdfast {
namespace {

constexpr std::size_t events_in_a_page = 4'096;
constexpr std::size_t bytes_in_a_page = std::size_t{1} << 20;

}  // namespace

void SpoolCursor::restart(Position after) {
    page_ = SpoolPage();
    next_ = 0;
    after_ = after;
    started_ = true;
}

Result<std::span<const SpooledEvent>> SpoolCursor::peek() {
    if (at_end()) {
        auto page = spool_.read(after_, events_in_a_page, bytes_in_a_page);
        if (!page) return page.error();
        page_ = std::move(page).value();
        next_ = 0;
        tell(page_);
        after_ = page_.events.empty() ? std::max(after_, page_.next_after) : page_.events.front().position - 1;
    }
    return std::span<const SpooledEvent>(page_.events).subspan(next_);
}

void SpoolCursor::tell(const SpoolPage& page) {
    for (const MissingRange& range : page.missing) {
        if (range.last <= reported_) continue;
        reported_ = range.last;
        if (on_skipped_) on_skipped_(range);
    }
}

void SpoolCursor::advance(Position last) {
    while (!at_end() && page_.events[next_].position <= last) ++next_;
    after_ = last;
}

}  // namespace holdfast
