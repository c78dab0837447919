#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace holdfast {

/// Monotonic time. All decisions use it.
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Source of time. A reactor reads it once per turn and passes the value on; tests have one of their own.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual SteadyTime steady() const = 0;
    [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    [[nodiscard]] WallTime wall() const override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
};

/// Point on the reactor's time line in tenths of a second, in four bytes: sufficient for 13 years of uptime. Coarse,
/// since every connection stores some of them (src/conn/connection.h).
struct Tick {
    std::uint32_t tenths = 0;

    friend auto operator<=>(Tick, Tick) = default;
    [[nodiscard]] std::chrono::milliseconds since(Tick earlier) const {
        return std::chrono::milliseconds(100) *
               (static_cast<std::int64_t>(tenths) - static_cast<std::int64_t>(earlier.tenths));
    }
};

/// Time line on which Ticks are counted. 0 is reserved for "not set".
class TickLine {
public:
    explicit TickLine(SteadyTime start) : start_(start - std::chrono::milliseconds(100)) {}
    [[nodiscard]] Tick at(SteadyTime time) const {
        return Tick{static_cast<std::uint32_t>((time - start_) / std::chrono::milliseconds(100))};
    }

private:
    SteadyTime start_;
};

}  // namespace holdfast
