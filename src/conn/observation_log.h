#pragma once

#include <utility>

#include <holdfast/watch.h>

namespace holdfast {

/// Collects what one reactor observed since the last take(). Bounded: beyond the bound it only counts. The reactor's
/// thread.
class ObservationLog {
public:
    static constexpr std::size_t max = 65'536;

    explicit ObservationLog(bool wanted) : wanted_(wanted) {}

    [[nodiscard]] bool wanted() const noexcept { return wanted_; }
    void add(const Observation& observation) {
        if (!wanted_) return;
        if (noticed_.seen.size() >= max) {
            ++noticed_.dropped;
            return;
        }
        noticed_.seen.push_back(observation);
    }
    [[nodiscard]] Observations take() { return std::exchange(noticed_, {}); }

private:
    bool wanted_;
    Observations noticed_;
};

}  // namespace holdfast
