#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/watch.h>

namespace holdfast {

/// Whom to ask, because some of them fell silent.
struct Suspect {
    std::uint8_t listener = 0;            ///< ListenerStatus::number
    std::optional<Prefix> peer;           ///< nothing: all of the listener
    std::chrono::milliseconds timeout{};  ///< to wait for answers
    std::size_t silent = 0;               ///< signs that made it one
    std::size_t answered = 0;             ///< signs against it

    friend bool operator==(const Suspect&, const Suspect&) = default;
};

/// Tells a partition from single deaths. A listener, or a prefix of it (an address, /24, /16, /8; in IPv6 /64, /48,
/// /32), is suspect when, within a few seconds, eight of its connections in a row (but for one) were found silent or
/// more of many than answered; the widest that is so is asked. Where devices often do not answer at once, as those that
/// sleep, nobody is suspected. Those that do not answer the question are marked, and give no sign until they answer.
/// Pure: time comes in; one thread.
class Suspicion {
public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr std::size_t least_signs = 8;
    static constexpr std::chrono::milliseconds window{3'000};
    /// Four probes at the spacing that receivers answer at, and a little.
    static constexpr std::chrono::milliseconds usual_timeout{1'700};
    static constexpr std::chrono::milliseconds longest_timeout{10'000};
    static constexpr std::size_t most_signs = 65'536;

    void note(const Observation& observation);
    /// Those to ask now. Each is under way from here until settled().
    [[nodiscard]] std::vector<Suspect> decide(Time now);
    /// It was asked; so many did not answer. One that was suspected for nothing is left alone for a while, each time
    /// for longer.
    void settled(const Suspect& suspect, std::size_t asked, std::size_t silent, Time now);

private:
    struct Sign {
        Time at;
        IpAddress peer;
        std::uint8_t listener = 0;
        bool silent = false;
        bool late = false;  ///< answered, but not at once
    };
    /// A group of a listener's connections that may be suspect: the narrower of two has the higher rank.
    struct Group {
        unsigned rank = 0;
        std::uint8_t listener = 0;
        Prefix prefix;  ///< ::/0 is all

        friend bool operator<(const Group& a, const Group& b) {
            return std::tie(a.rank, a.listener, a.prefix.address, a.prefix.bits) <
                   std::tie(b.rank, b.listener, b.prefix.address, b.prefix.bits);
        }
    };
    struct Tally {
        std::size_t silent = 0;
        std::size_t answered = 0;
        std::size_t row = 0;     ///< silent ones, the latest, and at most one answer among them
        std::size_t breaks = 0;  ///< answers in that row
    };
    struct Rest {
        bool under_way = false;
        Time settled{};
        Time until{};
        std::chrono::milliseconds pause{};
    };
    /// How devices of a listener answer. Late ones are a slow network's if they are many; where many do not answer at
    /// once, as they sleep, silence says nothing. Learned from what has left the window.
    struct Tempo {
        double on_time = 0;
        double late = 0;
        double overdue = 0;
        std::chrono::milliseconds slowest{};

        [[nodiscard]] bool silence_tells() const;
        void fade();
    };
    static constexpr unsigned ranks = 5;

    [[nodiscard]] static Group group_of(const Sign& sign, unsigned rank);
    [[nodiscard]] static bool belongs(const Sign& sign, const Group& group);
    [[nodiscard]] static bool covers(const Group& wide, const Group& narrow);
    [[nodiscard]] std::map<Group, Tally> tally() const;
    [[nodiscard]] static bool is_suspect(const Tally& tally);
    [[nodiscard]] bool rests(const Group& group, Time now) const;
    [[nodiscard]] std::optional<std::chrono::milliseconds> timeout_for(std::uint8_t listener) const;
    [[nodiscard]] static Suspect suspect_of(const Group& group, const Tally& tally, std::chrono::milliseconds timeout);
    [[nodiscard]] static Group group_of(const Suspect& suspect);
    void forget_old(Time now);
    [[nodiscard]] bool is_of_an_outage(const Sign& sign) const;
    void learn_late(const Observation& observation);
    void learn_tempo(const Sign& sign);

    std::deque<Sign> signs_;
    std::size_t silent_ = 0;  // of signs_
    std::map<Group, Rest> rests_;
    std::vector<Suspect> again_;  // proved right: once more, for those that answered just before they fell silent
    std::array<Tempo, 256> tempo_{};
};

}  // namespace holdfast
