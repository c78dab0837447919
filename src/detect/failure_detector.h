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

/// Connections to probe, because some of them fell silent.
struct Suspect {
    std::uint8_t listener = 0;            ///< ListenerStatus::number
    std::optional<Prefix> peer;           ///< nullopt: the whole listener
    std::chrono::milliseconds timeout{};  ///< for the answers
    std::size_t silent = 0;               ///< observations of silence that raised the suspicion
    std::size_t answered = 0;             ///< observations of answers against it

    friend bool operator==(const Suspect&, const Suspect&) = default;
};

/// Distinguishes a partition from single failures. A listener or a prefix is suspect if eight consecutive connections
/// but one were silent within seconds, or more of many than answered. The widest such prefix is probed. No suspicion
/// arises where devices often answer late. Pure; one thread.
class FailureDetector {
public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr std::size_t min_signs = 8;
    static constexpr std::chrono::milliseconds window{3'000};
    /// Four probes at the spacing at which receivers answer, and a margin.
    static constexpr std::chrono::milliseconds usual_timeout{1'700};
    static constexpr std::chrono::milliseconds longest_timeout{10'000};
    static constexpr std::size_t max_signs = 65'536;

    void note(const Observation& observation);
    /// Returns the suspects to probe now. Each is under way until settled().
    [[nodiscard]] std::vector<Suspect> decide(Time now);
    /// Reports the result of a probe. A prefix that was suspected without cause is not suspected again for a while,
    /// longer each time.
    void settled(const Suspect& suspect, std::size_t asked, std::size_t silent, Time now);

private:
    struct Sign {
        Time at;
        IpAddress peer;
        std::uint8_t listener = 0;
        bool silent = false;
        bool late = false;  ///< answered, but late
    };
    /// A group of a listener's connections that may be suspect. The narrower of two has the higher rank.
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
        std::size_t row = 0;     ///< length of the latest run of silences, with at most one answer among them
        std::size_t breaks = 0;  ///< answers in that run
    };
    struct Rest {
        bool under_way = false;
        Time settled{};
        Time until{};
        std::chrono::milliseconds pause{};
    };
    /// How a listener's devices answer. Many late answers indicate a slow network; if many devices do not answer at
    /// once, since they sleep, silence says nothing. Learned from observations that left the window.
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
    std::vector<Suspect> again_;  // confirmed suspects, to be probed once more for connections that answered just
                                  // before they fell silent
    std::array<Tempo, 256> tempo_{};
};

}  // namespace holdfast
