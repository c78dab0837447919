#include "daemon/state_keeper.h"

#include <exception>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {

SavedState state_to_save(Server& server, PopulationWatch& watch) {
    constexpr std::size_t max_closed = 10'000;
    ClosedQuery query;
    query.limit = max_closed;
    return {.closed = server.closed(query), .alarms = watch.alarm_history(), .trend = watch.saved_trend()};
}

SavedState StateKeeper::restore() {
    if (file_.path().empty()) return {};
    const StateFile::Found found = file_.read();
    if (!found.warning.empty()) log_.warn(found.warning);
    if (found.body.empty()) return {};
    SavedState state = read_state_text(found.body);
    log_.info("restored history, alarms and trend",
              {{"file", file_.path()},
               {"closed_connections", std::to_string(state.closed.size())},
               {"alarms", std::to_string(state.alarms.board.active.size() + state.alarms.board.recent.size())}});
    return state;
}

void StateKeeper::start(std::function<SavedState()> collect) {
    if (file_.path().empty()) return;
    collect_ = std::move(collect);
    thread_ = start_thread("state", [this] { run(); });
}

void StateKeeper::run() {
    auto saved = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!stop_) {
        const auto due = saved + (soon_ ? soonest : interval);
        if (std::chrono::steady_clock::now() < due) {
            wake_.wait_until(lock, due);
            continue;
        }
        soon_ = false;
        lock.unlock();
        save();
        saved = std::chrono::steady_clock::now();
        lock.lock();
    }
}

void StateKeeper::save_soon() {
    {
        const std::lock_guard lock(mutex_);
        soon_ = true;
    }
    wake_.notify_all();
}

void StateKeeper::save() {
    std::optional<Error> error;
    try {
        error = file_.write(to_state_text(collect_()));
    } catch (const std::exception&) {
        return;  // no memory: the next save may have it
    }
    if (error && !std::exchange(fails_, true)) log_.warn(error->message);
    if (!error && std::exchange(fails_, false)) log_.info("the state is saved again", {{"file", file_.path()}});
}

void StateKeeper::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
    save();
}

}  // namespace holdfast
