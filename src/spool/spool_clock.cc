#include "spool/spool_clock.h"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <utility>

#include "base/system.h"
#include "spool/row.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

/// The wall clock is read between two readings of the boot clock. A process that was paused between them reads again,
/// or the pause would count as a step.
constexpr milliseconds longest_reading{50};
constexpr int max_readings = 10;

milliseconds time_since_boot() {
    timespec time{};
    if (::clock_gettime(CLOCK_BOOTTIME, &time) != 0) ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::floor<milliseconds>(std::chrono::nanoseconds(time.tv_nsec));
}

/// Content of the text of stored().
struct StoredReading {
    ClockReading reading;
    WallTime spool;
};

std::uint32_t check_of(const StoredReading& stored) {
    const auto number = [](auto count) { return static_cast<std::uint64_t>(count); };
    return checksum({stored.reading.boot},
                    {number(stored.reading.since_boot.count()), number(stored.reading.wall.time_since_epoch().count()),
                     number(stored.spool.time_since_epoch().count())});
}

/// Returns nullopt for a damaged text: a wrong time would make every event old.
std::optional<StoredReading> parse(std::string_view text) {
    std::istringstream in{std::string(text)};
    StoredReading stored;
    std::int64_t since_boot = 0;
    std::int64_t wall = 0;
    std::int64_t spool = 0;
    std::uint32_t check = 0;
    if (!(in >> stored.reading.boot >> since_boot >> wall >> spool >> check)) return std::nullopt;
    if (stored.reading.boot == "-") stored.reading.boot.clear();
    stored.reading.since_boot = milliseconds(since_boot);
    stored.reading.wall = WallTime(milliseconds(wall));
    stored.spool = WallTime(milliseconds(spool));
    return check == check_of(stored) ? std::optional(stored) : std::nullopt;
}

}  // namespace

ClockReading read_system_clocks() {
    static const std::string boot = boot_id();
    const SystemClock system;
    ClockReading reading{.boot = boot, .since_boot = time_since_boot(), .wall = system.wall()};
    for (int i = 1; i < max_readings; ++i) {
        const milliseconds after = time_since_boot();
        if (after - reading.since_boot <= longest_reading) break;
        reading.since_boot = after;
        reading.wall = system.wall();
    }
    return reading;
}

void SpoolClock::start(std::string_view stored, std::optional<WallTime> newest) {
    const ClockReading now = read_();
    boot_ = now.boot;
    began_since_boot_ = now.since_boot;
    const auto former = parse(stored);
    if (!former) {
        began_ = newest.value_or(now.wall);
        difference_ = former_difference_ = difference(now);
        return;
    }
    knows_time_away_ = !boot_.empty() && former->reading.boot == boot_;
    const milliseconds away = knows_time_away_ ? now.since_boot - former->reading.since_boot : milliseconds(0);
    began_ = former->spool + std::max(away, milliseconds(0));
    difference_ = former_difference_ = former->reading.wall - former->spool;
    // The wall clock of another boot is ahead by an unknown time.
    if (!knows_time_away_) difference_ = std::max(difference_, difference(now));
}

std::optional<milliseconds> SpoolClock::take_step() {
    const milliseconds before = std::exchange(difference_, difference(read_()));
    const milliseconds step = difference_ - before;
    if (step < smallest_step && step > -smallest_step) return std::nullopt;
    return step;
}

std::string SpoolClock::stored() const {
    const ClockReading now = read_();
    const StoredReading stored{now, to_spool_time(now)};
    std::ostringstream out;
    out << (now.boot.empty() ? "-" : now.boot) << ' ' << now.since_boot.count() << ' '
        << now.wall.time_since_epoch().count() << ' ' << stored.spool.time_since_epoch().count() << ' '
        << check_of(stored);
    return out.str();
}

}  // namespace holdfast
