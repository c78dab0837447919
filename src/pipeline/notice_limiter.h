#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include <holdfast/config.h>

namespace holdfast {

/// Reports a shortage once when the first reactor meets it and once when the last has overcome it, however many
/// reactors share the listener. Any thread.
class NoticeLimiter {
public:
    explicit NoticeLimiter(std::function<void(const Notice&)> tell) : tell_(std::move(tell)) {}

    void pass(std::size_t listener, const Notice& notice) {
        const std::lock_guard lock(mutex_);
        const bool begins = notice.kind == Notice::Kind::accept_paused;
        unsigned& paused = paused_[listener];
        const bool news = begins ? paused++ == 0 : --paused == 0;
        if (news && tell_) tell_(notice);
    }

    /// Reports a notice without further conditions.
    void tell(const Notice& notice) {
        const std::lock_guard lock(mutex_);
        if (tell_) tell_(notice);
    }

private:
    std::mutex mutex_;
    std::map<std::size_t, unsigned> paused_;  // guarded by mutex_: reactors, by listener
    std::function<void(const Notice&)> tell_;
};

}  // namespace holdfast
