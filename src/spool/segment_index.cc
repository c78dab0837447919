#include "spool/segment_index.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast {

void SegmentIndex::add(const Segment& segment, Position last) {
    const std::lock_guard lock(mutex_);
    if (segment.first != 0) segments_.push_back(segment);
    last_ = std::max(last_, last);
}

void SegmentIndex::bound_times(WallTime now) {
    const std::lock_guard lock(mutex_);
    for (Segment& segment : segments_) {
        segment.oldest = std::clamp(segment.oldest, WallTime(), now);
        segment.newest = std::clamp(segment.newest, WallTime(), now);
    }
}

void SegmentIndex::begin(Position first, WallTime now) {
    const std::lock_guard lock(mutex_);
    HOLDFAST_CHECK(first == last_ + 1);
    segments_.push_back(
        {.first = first, .last = first - 1, .oldest = now, .newest = now, .current = true, .sealed = false});
}

void SegmentIndex::committed(Position last, WallTime at, std::uint64_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        Segment& current = segments_.back();
        HOLDFAST_CHECK(current.current && last > last_);
        if (current.last < current.first) current.oldest = at;
        current.last = last;
        current.newest = at;
        current.bytes = bytes;
        last_ = last;
    }
    news_.notify_all();
}

void SegmentIndex::end_current() {
    const std::lock_guard lock(mutex_);
    if (segments_.empty() || !segments_.back().current) return;
    segments_.back().current = false;
    if (segments_.back().last < segments_.back().first) segments_.pop_back();
}

void SegmentIndex::forget(Position first) {
    const std::lock_guard lock(mutex_);
    std::erase_if(segments_, [first](const Segment& segment) { return segment.first == first; });
}

void SegmentIndex::sealed(Position first) {
    const std::lock_guard lock(mutex_);
    for (Segment& segment : segments_) {
        if (segment.first == first) segment.sealed = true;
    }
}

void SegmentIndex::removed(Position first) {
    const std::lock_guard lock(mutex_);
    for (Segment& segment : segments_) {
        if (segment.first == first) segment.removed = true;
    }
}

Position SegmentIndex::last() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

Position SegmentIndex::first() const {
    const std::lock_guard lock(mutex_);
    return segments_.empty() ? last_ + 1 : segments_.front().first;
}

std::vector<SegmentIndex::Segment> SegmentIndex::all() const {
    const std::lock_guard lock(mutex_);
    return segments_;
}

std::optional<SegmentIndex::Segment> SegmentIndex::oldest() const {
    const std::lock_guard lock(mutex_);
    if (segments_.empty()) return std::nullopt;
    return segments_.front();
}

std::optional<SegmentIndex::Span> SegmentIndex::span_of(Position position) const {
    const std::lock_guard lock(mutex_);
    const auto behind = std::upper_bound(segments_.begin(), segments_.end(), position,
                                         [](Position p, const Segment& segment) { return p < segment.first; });
    if (behind == segments_.begin() || position > last_) return std::nullopt;
    const Segment& found = *std::prev(behind);
    return Span{found.first, behind == segments_.end() ? last_ + 1 : behind->first, found.removed};
}

bool SegmentIndex::wait_for(Position after, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, timeout, [this, after] { return stopped_ || last_ > after; });
    return last_ > after;
}

void SegmentIndex::stop_waiting() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    news_.notify_all();
}

}  // namespace holdfast
