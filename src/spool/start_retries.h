#pragma once

#include <chrono>
#include <functional>
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

}  // namespace holdfast
