#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "client/admin_client.h"
#include "top/top_frame.h"

namespace holdfast {

/// Fetches all answers of one frame. On a failure, `failure` has the reason, and the other answers are those
/// of `before`.
[[nodiscard]] TopAnswers fetch_top(const AdminAccess& admin, const TopControls& controls, std::size_t rows,
                                   const TopAnswers& before = {});

/// Polls the gateway on a thread of its own, so that keys work while a gateway is slow. The destructor ends it and
/// waits for a pending answer, a few seconds at most.
class TopFeed {
public:
    /// Begins to fetch. A failure of the first fetch repeats the answers of `before`.
    TopFeed(AdminAccess admin, std::chrono::milliseconds interval, TopControls controls, std::size_t rows,
            TopAnswers before);
    TopFeed(const TopFeed&) = delete;
    TopFeed& operator=(const TopFeed&) = delete;
    ~TopFeed();

    /// Changes what is fetched. Fetches new requests at once, even if paused.
    void want(const TopControls& controls, std::size_t rows);
    /// Returns the latest answers, or nullopt if an earlier call has returned them.
    [[nodiscard]] std::optional<TopAnswers> take();

private:
    void run();

    const AdminAccess admin_;
    const std::chrono::milliseconds interval_;
    TopAnswers latest_;  // of the thread only
    std::mutex mutex_;
    std::condition_variable changed_;
    TopControls controls_;  // guarded by mutex_, as are all members below
    std::size_t rows_;
    bool fetch_now_ = true;
    bool ended_ = false;
    std::optional<TopAnswers> fresh_;
    std::thread thread_;
};

}  // namespace holdfast
