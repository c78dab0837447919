#include "daemon/supervision.h"

#include <algorithm>
#include <utility>

#include "text/units.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

/// Returns half of the manager's timeout: the interval of pings, and the limit on a reactor's silence.
milliseconds half(std::chrono::microseconds timeout) {
    return std::max(std::chrono::floor<milliseconds>(timeout / 2), milliseconds(1));
}

}  // namespace

Supervision::Supervision(const Notifier& notifier, Log& log, Options options, const Clock& clock)
    : notifier_(notifier),
      log_(log),
      options_(std::move(options)),
      clock_(clock),
      limit_(options_.watchdog ? std::min<milliseconds>(half(*options_.watchdog), long_silence) : long_silence),
      reported_(clock.steady()) {}

std::string status_text(const ServerStatus& status) {
    std::uint64_t connections = 0;
    for (const ListenerStatus& listener : status.listeners) connections += listener.connections;
    const std::size_t listeners = status.listeners.size();
    return std::string(status.draining ? "stopping: " : "") + human_count(connections) +
           (connections == 1 ? " connection on " : " connections on ") + human_count(listeners) +
           (listeners == 1 ? " listener" : " listeners") + (status.reading_paused ? "; the sink is full" : "");
}

milliseconds Supervision::timeout() const {
    constexpr milliseconds usual{1'000};
    // A ping is due after half the timeout, and must not be late by a whole wait.
    return options_.watchdog ? std::clamp(half(*options_.watchdog) / 4, milliseconds(1), usual) : usual;
}

void Supervision::check() {
    check_reactors();
    notify_status();
}

/// Returns the silence of the reactors without the time in which the whole process was stopped, which is no hang.
milliseconds Supervision::attended_silence() {
    const SteadyTime now = clock_.steady();
    attended_.miss(now, absences_.absence(now));
    absences_.expect(now + timeout());
    const milliseconds silence = options_.silence();
    return silence - std::chrono::floor<milliseconds>(attended_.missed_since(now - silence));
}

void Supervision::check_reactors() {
    const milliseconds silence = attended_silence();
    const bool hangs = silence >= limit_;
    if (hangs != hangs_) {
        hangs_ = hangs;
        if (hangs) {
            log_.error("a reactor stopped turning, and its connections are not served; report it with a stack trace",
                       {{"for", format_duration(silence)}});
        } else {
            log_.info("all reactors resumed");
        }
    }
    ping(!hangs);
}

void Supervision::ping(bool turning) {
    if (!options_.watchdog || !turning) return;
    const SteadyTime now = clock_.steady();
    if (pinged_ && now - *pinged_ < half(*options_.watchdog)) return;
    // If the manager did not receive it, the next check() repeats it.
    if (notifier_.alive()) pinged_ = now;
}

void Supervision::notify_status() {
    const SteadyTime now = clock_.steady();
    if (!notifier_.enabled() || now - reported_ < status_every) return;
    reported_ = now;
    std::string status = options_.status();
    if (status == last_status_ || !notifier_.status(status)) return;
    last_status_ = std::move(status);
}

}  // namespace holdfast
