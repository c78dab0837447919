#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// The outcome of a request to the admin API. `turned_away`: the client was rejected at the connection limit, and no
/// request was read.
enum class AdminOutcome : std::uint8_t { answered, refused, unauthorized, forbidden, failed, turned_away };

inline constexpr std::array<std::string_view, 6> admin_outcome_words{"answered",  "refused", "unauthorized",
                                                                     "forbidden", "failed",  "turned_away"};

/// Counts the outcomes of requests, over all endpoints. Any thread.
class AdminMeter {
public:
    void count(AdminOutcome outcome) { ++counts_[static_cast<std::size_t>(outcome)]; }

    void count_status(int status) {
        count(status < 400    ? AdminOutcome::answered
              : status == 401 ? AdminOutcome::unauthorized
              : status == 403 ? AdminOutcome::forbidden
              : status < 500  ? AdminOutcome::refused
                              : AdminOutcome::failed);
    }

    [[nodiscard]] std::uint64_t of(AdminOutcome outcome) const { return counts_[static_cast<std::size_t>(outcome)]; }

    /// Returns the counts by AdminOutcome.
    [[nodiscard]] std::array<std::uint64_t, admin_outcome_words.size()> counts() const {
        std::array<std::uint64_t, admin_outcome_words.size()> all{};
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = counts_[i];
        return all;
    }

private:
    std::array<std::atomic<std::uint64_t>, admin_outcome_words.size()> counts_{};
};

}  // namespace holdfast
