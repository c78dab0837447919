#include "daemon/state_keeper.h"

#include <exception>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {

SavedState StateKeeper::restore() {
    const StateFile::Found found = file_.read();
    if (!found.warning.empty()) log_.warn(found.warning);
    if (found.body.empty()) return {};
    SavedState state = read_state_text(found.body);
    log_.info("restored history and trend",
              {{"file", file_.path()}, {"closed_connections", std::to_string(state.closed.size())}});
    return state;
}

void StateKeeper::start(std::function<SavedState()> collect) {
    collect_ = std::move(collect);
    thread_ = start_thread("state", [this] { run(); });
}

void StateKeeper::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_.wait_for(lock, interval, [this] { return stop_; })) {
        lock.unlock();
        save();
        lock.lock();
    }
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
    stopping_.notify_all();
    thread_.join();
    save();
}

}  // namespace holdfast
