#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include "spool/database.h"

namespace holdfast {

/// Repeats what fails at the start for a reason that may pass, with back-off: an error of the disk says nothing about
/// the bytes in a file. Reports the first failure and the recovery. One thread.
class StartRetries {
public:
    struct Reports {
        std::function<void(const std::string& error)> trouble;
        std::function<void()> recovered;
        std::function<bool(std::chrono::milliseconds time)> pause = {};  ///< see SpoolOptions::pause_start
    };
    StartRetries(std::string directory, std::chrono::milliseconds patience, Reports reports)
        : directory_(std::move(directory)), patience_(patience), reports_(std::move(reports)) {}

    using Work = std::function<std::optional<DbError>()>;
    /// Returns the latest error if it does not pass by itself, or has not passed within the patience for all of the
    /// start, or if the start is to end.
    [[nodiscard]] std::optional<DbError> run(const Work& work);

private:
    [[nodiscard]] bool pause(std::chrono::milliseconds time) const;

    const std::string directory_;
    std::chrono::milliseconds patience_;  // what is left of it
    const Reports reports_;
    bool in_trouble_ = false;
};

/// The pauses between fresh reads of what looks damaged, before it counts as damaged.
inline constexpr std::chrono::milliseconds pauses_before_damage[] = {
    std::chrono::milliseconds(5), std::chrono::milliseconds(20), std::chrono::milliseconds(75)};

/// Counts looks at a file. Damage counts only if looks in a row agree: a failed look between them proves nothing about
/// the bytes. One thread.
class RepeatedLooks {
public:
    /// Returns the pause before the next look, or nullopt if the damage counts.
    [[nodiscard]] std::optional<std::chrono::milliseconds> after_damage() { return next(doubts_); }
    /// Returns the pause before the next look, or nullopt if the failure counts.
    [[nodiscard]] std::optional<std::chrono::milliseconds> after_failure() {
        doubts_ = 0;
        return next(failures_);
    }
    /// Returns true if another look that finds damage makes it count.
    [[nodiscard]] bool is_last_before_damage() const { return doubts_ == std::size(pauses_before_damage); }
    [[nodiscard]] bool is_last_before_failure() const { return failures_ == std::size(pauses_before_damage); }

private:
    static std::optional<std::chrono::milliseconds> next(std::size_t& count) {
        if (count == std::size(pauses_before_damage)) return std::nullopt;
        return pauses_before_damage[count++];
    }

    std::size_t doubts_ = 0;  // in a row
    std::size_t failures_ = 0;
};

}  // namespace holdfast
