#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include "spool/database.h"

namespace holdfast {

/// Repeats operations at the start that fail for a reason that may pass, with back-off. An error of the disk says
/// nothing about the content of a file. Reports the first failure and the recovery. One thread.
class StartRetries {
public:
    struct Reports {
        std::function<void(const std::string& error)> trouble;
        std::function<void()> recovered;
        std::function<bool(std::chrono::milliseconds time)> pause = {};  ///< see SpoolOptions::pause_start
    };
    StartRetries(std::string directory, std::chrono::milliseconds timeout, Reports reports)
        : directory_(std::move(directory)), timeout_(timeout), reports_(std::move(reports)) {}

    using Work = std::function<std::optional<DbError>()>;
    /// Returns nullopt on success. Returns the latest error if retries do not help, if it persists beyond the timeout
    /// for the whole start, or if the start ends.
    [[nodiscard]] std::optional<DbError> run(const Work& work);

private:
    [[nodiscard]] bool pause(std::chrono::milliseconds time) const;

    const std::string directory_;
    std::chrono::milliseconds timeout_;  // the remaining part
    const Reports reports_;
    bool in_trouble_ = false;
};

/// Pauses between fresh reads of apparently damaged content, before the damage counts.
inline constexpr std::chrono::milliseconds pauses_before_damage[] = {
    std::chrono::milliseconds(5), std::chrono::milliseconds(20), std::chrono::milliseconds(75)};

/// Counts reads of a file. Damage counts only if consecutive reads agree: a failed read between them proves nothing
/// about the content. One thread.
class RepeatedReads {
public:
    /// Returns the pause before the next read, or nullopt if the damage counts.
    [[nodiscard]] std::optional<std::chrono::milliseconds> after_damage() { return next(doubts_); }
    /// Returns the pause before the next read, or nullopt if the failure counts.
    [[nodiscard]] std::optional<std::chrono::milliseconds> after_failure() {
        doubts_ = 0;
        return next(failures_);
    }
    /// Returns true if one more damaged read makes the damage count.
    [[nodiscard]] bool is_last_before_damage() const { return doubts_ == std::size(pauses_before_damage); }
    [[nodiscard]] bool is_last_before_failure() const { return failures_ == std::size(pauses_before_damage); }

private:
    static std::optional<std::chrono::milliseconds> next(std::size_t& count) {
        if (count == std::size(pauses_before_damage)) return std::nullopt;
        return pauses_before_damage[count++];
    }

    std::size_t doubts_ = 0;  // consecutive
    std::size_t failures_ = 0;
};

}  // namespace holdfast
