#include "daemon/state_keeper.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "base/start_thread.h"
#include "daemon/spooled_closes.h"

namespace holdfast {

namespace {

constexpr std::size_t max_closed = 10'000;

/// Adds the connections that ended after the state was saved.
void add_later_closes(SavedState& state, Spool& spool) {
    const Position after = spool.status().id == state.spool ? state.position : 0;
    std::set<ConnectionId> known;
    for (const ClosedLife& life : state.closed) known.insert(life.conn);
    std::vector<ClosedLife> later = closes_after(spool, after, {.max = max_closed});
    std::erase_if(later, [&known](const ClosedLife& life) { return known.contains(life.conn); });
    std::reverse(later.begin(), later.end());
    state.closed.insert(state.closed.begin(), std::make_move_iterator(later.begin()),
                        std::make_move_iterator(later.end()));
}

}  // namespace

SavedState state_to_save(Server& server, PopulationWatch& watch, Spool* spool) {
    const SpoolStatus events = spool != nullptr ? spool->status() : SpoolStatus{};  // older than the history
    ClosedQuery query;
    query.limit = max_closed;
    return {.spool = events.id,
            .position = events.last,
            .closed = server.closed(query),
            .alarms = watch.alarm_history(),
            .trend = watch.saved_trend()};
}

SavedState StateKeeper::restore(Spool* spool) {
    if (file_.path().empty()) return {};
    const StateFile::Found found = file_.read();
    if (!found.warning.empty()) log_.warn(found.warning);
    SavedState state = read_state_text(found.body);
    if (spool != nullptr) add_later_closes(state, *spool);
    if (found.body.empty() && state.closed.empty()) return state;
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
