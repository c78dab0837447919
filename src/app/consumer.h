#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "app/admin_client.h"
#include "app/spool_page.h"

namespace holdfast {

struct ConsumeOptions {
    std::string group = {};                   ///< empty: nobody remembers how far it came
    std::optional<std::uint64_t> from = {};   ///< the first position; without it the group's, or the oldest
    std::optional<std::uint64_t> limit = {};  ///< at most so many events
    bool follow = false;
    std::string name = {};  ///< of this consumer, which no other has; empty: it moves the group wherever that is
};

/// Reads a gateway's spool by its admin API and writes the events out; the group's position moves behind what has been
/// written, never ahead of it. Owns nothing. One thread; ends when there is no more, or at the first fault.
class Consumer {
public:
    struct World {
        std::function<Result<AdminAnswer>(const AdminQuestion&)> ask;
        std::function<bool(std::string_view lines)> write;  ///< returns when all has been written; false: it cannot be
        std::function<void(std::string_view line)> tell;    ///< what goes wrong
        std::function<void(std::chrono::milliseconds)> sleep;
        /// False is said before something is written and true after its position is kept: then it may be ended.
        std::function<void(bool)> may_end = [](bool) {};
    };

    Consumer(ConsumeOptions options, World world) : options_(std::move(options)), world_(std::move(world)) {}

    /// The exit code.
    int run();

private:
    using Ending = std::optional<int>;  // the exit code; nothing: go on

    [[nodiscard]] Ending find_start();
    [[nodiscard]] Ending turn();
    [[nodiscard]] Ending take(const ReadPage& page);
    [[nodiscard]] Ending write_out(const ReadPage& page);
    [[nodiscard]] Ending keep_position(std::uint64_t position);
    [[nodiscard]] Ending ask(const AdminQuestion& question, std::string& body);
    [[nodiscard]] Ending give_up(std::string_view why, int code);
    [[nodiscard]] bool finished(const ReadPage& page) const;
    [[nodiscard]] std::string next_target() const;

    ConsumeOptions options_;
    World world_;
    std::uint64_t after_ = 0;
    std::uint64_t written_ = 0;
    bool has_group_ = false;  // the group's position is after_, unless another consumer has moved it
    bool waiting_ = false;    // for a gateway that does not answer; that was told
};

}  // namespace holdfast
