#include "reactor/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"
#include "base/fork_guard.h"
#include "base/system_failure.h"

namespace holdfast {

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_.valid()) throw_errno("eventfd");
    close_in_child(wake_.get());
}

bool Mailbox::post(Work work) {
    if (generation_ != fork_generation()) return false;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        posted_.push_back(std::move(work));
        if (posted_.size() > 1) return true;  // An earlier item has already signalled the eventfd.
    }
    const std::uint64_t one = 1;
    HOLDFAST_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one);
    return true;
}

void Mailbox::refill() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto ignored = ::read(wake_.get(), &count, sizeof count);  // EAGAIN: no signal is pending.
    taken_.clear();
    next_ = 0;
    const std::lock_guard lock(mutex_);
    taken_.swap(posted_);
}

bool Mailbox::has_work() {
    if (next_ < taken_.size()) return true;
    const std::lock_guard lock(mutex_);
    return !posted_.empty();
}

bool Mailbox::run(std::size_t limit) {
    if (next_ == taken_.size()) refill();
    for (; limit > 0 && next_ < taken_.size(); --limit) {
        const Work work = std::move(taken_[next_++]);
        work();
    }
    return next_ < taken_.size();
}

void Mailbox::close_and_drain() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    while (run(1'024) || !posted_.empty()) {
    }
    HOLDFAST_CHECK(next_ == taken_.size());
}

}  // namespace holdfast
