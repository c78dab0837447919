#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <holdfast/hello.h>
#include <holdfast/liveness.h>

#include "conn/stream_handler.h"

namespace holdfast {

/// The program's answer to a hello.
struct HelloAnswer {
    std::optional<std::string> accepted;    ///< the device's id, empty: as claimed; nullopt: rejected
    std::optional<LivenessPlan> plan = {};  ///< of an accepted device; nullopt: its listener's
    CloseInfo close = {.detail = {}, .evidence = {}};
    std::string detail = {};  ///< of the close
    std::string bytes = {};   ///< to send before the close
    bool flush = false;
};

/// The decision that copies of a HelloDecision share. Passes the first answer to the reactor's thread. Any thread.
class HOLDFAST_INTERNAL HelloDecision::State {
public:
    using Take = std::function<void(HelloAnswer answer)>;

    /// Creates an open decision. `post` runs work on the reactor's thread, where `take` is called once. After the end
    /// of the reactor it does nothing.
    State(std::function<void(std::function<void()>)> post, Take take)
        : post_(std::move(post)), take_(std::move(take)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();

    void decide(HelloAnswer answer);

private:
    const std::function<void(std::function<void()>)> post_;
    const Take take_;
    std::atomic<bool> decided_{false};
};

/// Returns the order as a close. Throws Misuse for a reason that a program may not give.
[[nodiscard]] CloseInfo close_info(const CloseOrder& order);
/// Returns the detail as valid UTF-8 of at most CloseOrder::max_detail bytes.
[[nodiscard]] std::string kept_detail(std::string_view detail);

}  // namespace holdfast
