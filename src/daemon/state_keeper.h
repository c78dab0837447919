#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/log.h"
#include "daemon/state_file.h"
#include "daemon/state_text.h"

namespace holdfast {

/// Writes the state to its file every minute and at the end. Owns a thread, which alone waits for the disk. A failure
/// is logged when it begins and when it ends. Ends by stop().
class StateKeeper {
public:
    static constexpr std::chrono::seconds interval{60};
    static constexpr std::size_t max_closed = 10'000;  ///< connections to save

    StateKeeper(std::string path, Log& log) : file_(std::move(path)), log_(log) {}
    StateKeeper(const StateKeeper&) = delete;
    StateKeeper& operator=(const StateKeeper&) = delete;
    ~StateKeeper() { stop(); }

    /// Returns the state of the earlier process.
    [[nodiscard]] SavedState restore();
    /// Begins to save what `collect` returns; `collect` runs on the thread of this object.
    void start(std::function<SavedState()> collect);
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
    std::condition_variable stopping_;
    bool stop_ = false;  // guarded by mutex_
    std::thread thread_;
};

}  // namespace holdfast
