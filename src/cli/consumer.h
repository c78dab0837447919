#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "cli/spool_page.h"
#include "client/admin_client.h"

namespace holdfast {

struct ConsumeOptions {
    AdminAccess admin = {};                   ///< the gateway, for messages
    std::string group = {};                   ///< empty: no group keeps the position
    std::optional<std::uint64_t> from = {};   ///< first position; absent: that of the group, or the oldest
    std::optional<std::uint64_t> limit = {};  ///< maximum number of events
    bool follow = false;
    std::string name = {};  ///< unique name of this consumer; empty: moves the group wherever its position is
};

/// Reads a gateway's spool by its admin API and writes the events out. Moves the group's position only past events that
/// are written. Owns nothing. Used by one thread. Ends after the last event or the first error.
class Consumer {
public:
    struct World {
        std::function<Result<AdminAnswer>(const AdminQuestion&)> request;
        /// Returns after all lines are written, or false on an error.
        std::function<bool(std::string_view lines)> write;
        std::function<void(std::string_view line)> tell;  ///< reports an error or a wait
        std::function<void(std::chrono::milliseconds)> sleep;
        /// Called with false before events are written, and with true after their position is stored. The process may
        /// end only after true.
        std::function<void(bool)> may_end = [](bool) {};
    };

    Consumer(ConsumeOptions options, World world) : options_(std::move(options)), world_(std::move(world)) {}

    /// Runs to the end and returns the exit code.
    int run();

private:
    using Ending = std::optional<int>;  // exit code; nullopt: continue

    [[nodiscard]] Ending find_start();
    [[nodiscard]] Ending turn();
    [[nodiscard]] Ending take(const ReadPage& page);
    [[nodiscard]] Ending write_out(const ReadPage& page);
    [[nodiscard]] Ending keep_position(std::uint64_t position);
    [[nodiscard]] Ending request(const AdminQuestion& question, std::string& body);
    [[nodiscard]] Ending give_up_on_other_service();
    [[nodiscard]] Ending give_up(std::string_view why, int code);
    [[nodiscard]] bool finished(const ReadPage& page) const;
    [[nodiscard]] std::string next_target() const;

    ConsumeOptions options_;
    World world_;
    std::uint64_t after_ = 0;
    std::uint64_t written_ = 0;
    bool has_group_ = false;  // the group's position is after_, unless another consumer has moved it
    bool waiting_ = false;    // the gateway does not answer, and this has been reported
};

}  // namespace holdfast
