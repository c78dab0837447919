#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/log.h"
#include "daemon/population_watch.h"
#include "daemon/state_file.h"
#include "daemon/state_text.h"

namespace holdfast {

/// Returns what outlives the process. `spool` is null without one.
[[nodiscard]] SavedState state_to_save(Server& server, PopulationWatch& watch, Spool* spool);

/// Writes the state to its file every minute, soon after a request, and at the end. Owns a thread, which alone waits
/// for the disk. A failure is logged when it begins and when it ends. Ends by stop().
class StateKeeper {
public:
    static constexpr std::chrono::seconds interval{60};
    static constexpr std::chrono::seconds soonest{5};  ///< after the latest save

    /// Creates a keeper that restores and saves nothing if the path is empty.
    StateKeeper(std::string path, Log& log) : file_(std::move(path)), log_(log) {}
    StateKeeper(const StateKeeper&) = delete;
    StateKeeper& operator=(const StateKeeper&) = delete;
    ~StateKeeper() { stop(); }

    /// Returns the state of the earlier process, with the connections that the spool knows to have ended after the last
    /// save. `spool` is null without one. Blocks for the disk, about a second at most.
    [[nodiscard]] SavedState restore(Spool* spool);
    /// Begins to save what `collect` returns; `collect` runs on the thread of this object.
    void start(std::function<SavedState()> collect);
    /// Saves as soon as the latest save is five seconds old. Does not wait. Any thread.
    void save_soon();
    /// Saves a last time, if it was started.
    void stop();
    /// Saves now.
    void save();

private:
    void run();

    const StateFile file_;
    Log& log_;
    std::function<SavedState()> collect_;
    bool fails_ = false;  // used by the thread, or after its end
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;  // guarded by mutex_, as is soon_
    bool soon_ = false;
    std::thread thread_;
};

}  // namespace holdfast
