#include "daemon/space_wait.h"

#include <chrono>
#include <utility>

#include "api/dashboard/assets.h"
#include "base/clock.h"
#include "text/printable.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds pause_between{500};

}  // namespace

Result<bool> SpaceWait::run(Signals& signals, const Work& work) {
    for (;;) {
        auto lack = work.lack();
        if (!lack) {
            const auto error = work.start();
            if (!error) return true;
            lack = work.lack();  // may have appeared since the last check
            if (!lack) return *error;
        }
        if (!is_open_) {
            if (auto error = open(*lack)) return *error;
        }
        tell(*lack);
        if (signals.wait(pause_between) == Signals::Event::terminate) return false;
        log_.tick();
    }
}

std::optional<Error> SpaceWait::open(const std::string& lack) {
    since_ = SystemClock().steady();
    {
        const std::lock_guard lock(mutex_);
        lack_ = lack;
    }
    if (auto error =
            admin_.open(config_.admin, gateway_,
                        {.sink = [this] { return sink_status(); }, .watch = &watch_, .assets = dashboard_asset})) {
        return error;
    }
    is_open_ = true;
    log_.error("waiting for disk space with closed listeners: " + lack);
    admin_.report_addresses();
    if (!manager_.waiting("waiting for space: " + lack)) {
        log_.error("could not notify the service manager that the gateway waits");
    }
    return std::nullopt;
}

void SpaceWait::tell(const std::string& lack) {
    bool news = false;
    {
        const std::lock_guard lock(mutex_);
        news = std::exchange(lack_, lack) != lack;
    }
    if (news) static_cast<void>(manager_.status("waiting for space: " + lack));
    static_cast<void>(manager_.alive());
}

std::string SpaceWait::lack() const {
    const std::lock_guard lock(mutex_);
    return lack_;
}

SinkStatus SpaceWait::sink_status() const {
    return {.type = std::string(to_string(config_.sink.type)),
            .full = true,
            .error = "the spool cannot be opened, and the listeners are closed: " + lack()};
}

AlarmBoard SpaceWait::Watch::alarms() {
    const std::string why = printable(wait_.lack());
    Alarm alarm;
    alarm.id = 1;
    alarm.kind = AlarmKind::sink_lag;
    const SystemClock clock;
    alarm.raised_at = clock.wall() - std::chrono::floor<std::chrono::milliseconds>(clock.steady() - wait_.since_);
    alarm.summary = "the gateway waits for disk space with closed listeners: " + why;
    alarm.cause = "The spool cannot be opened: " + why + ".";
    alarm.advice = "Free some space. The gateway continues by itself within a second.";
    return {.active = {alarm}, .recent = {}};
}

std::optional<AlarmDetail> SpaceWait::Watch::alarm(std::uint64_t id) {
    AlarmBoard board = alarms();
    const Alarm* const found = board.find(id);
    return found != nullptr ? std::optional(AlarmDetail{.alarm = *found}) : std::nullopt;
}

}  // namespace holdfast
