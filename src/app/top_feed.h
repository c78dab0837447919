#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "app/admin_client.h"
#include "app/top_frame.h"

namespace holdfast {

/// Asks the gateway once; `trouble` says why there is no answer, and the others are those of `before`.
[[nodiscard]] TopAnswers ask_for_top(const AdminAccess& admin, const TopControls& controls, std::size_t rows,
                                     const TopAnswers& before = {});

/// Asks again and again on a thread of its own, so that keys are taken while a gateway is slow. Ends by its destructor,
/// which waits for an answer under way, a few seconds at most.
class TopFeed {
public:
    TopFeed(AdminAccess admin, std::chrono::milliseconds interval, TopControls controls, std::size_t rows);
    TopFeed(const TopFeed&) = delete;
    TopFeed& operator=(const TopFeed&) = delete;
    ~TopFeed();

    /// From now on ask so; what was not asked before at once, even if paused.
    void want(const TopControls& controls, std::size_t rows);
    /// The latest answers, if they are newer than those that were taken before.
    [[nodiscard]] std::optional<TopAnswers> take();

private:
    void run();

    const AdminAccess admin_;
    const std::chrono::milliseconds interval_;
    std::mutex mutex_;
    std::condition_variable changed_;
    TopControls controls_;  // guarded by mutex_, as all below
    std::size_t rows_;
    bool ask_now_ = true;
    bool ended_ = false;
    std::optional<TopAnswers> fresh_;
    std::thread thread_;
};

}  // namespace holdfast
