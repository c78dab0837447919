// Runs random worlds of the gateway in simulated time and checks the promises P0 to P7.
//   holdfast_simulator [--violent | --small | --fleet] [--hours CONNECTION_HOURS] [--seconds REAL_SECONDS] [--jobs N]
//   [--seed SEED] [--worlds N] [--verbose]
// Without a class, each world is drawn as a small one, a violent one or a fleet. Exits 1 at the first violation, with
// the seed of its world: --seed SEED --worlds 1 repeats it. tests/power/live_disk.py runs worlds with a spool: --disk
// SPOOL RECORDING.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "world.h"

namespace holdfast {
namespace {

struct Options {
    double hours = 1e12;
    double seconds = 1e9;
    std::uint64_t worlds = ~std::uint64_t{0};
    std::uint64_t seed = 0;
    unsigned jobs = 1;
    bool verbose = false;
    WorldClass wanted = WorldClass::mixed;
    std::string spool;
    std::string recording;
};

const char* word_of(WorldClass wanted) {
    switch (wanted) {
        case WorldClass::violent:
            return " --violent";
        case WorldClass::small:
            return " --small";
        case WorldClass::fleet:
            return " --fleet";
        case WorldClass::spool:
        case WorldClass::mixed:
            break;
    }
    return "";
}

constexpr const char* usage =
    "usage: holdfast_simulator [--small | --violent | --fleet] [--seed SEED] [--jobs N] [--verbose]\n"
    "                          [--worlds N | --seconds N | --hours CONNECTION_HOURS]\n"
    "       holdfast_simulator --disk SPOOL RECORDING [--seed SEED]\n"
    "Runs simulated worlds until a promise is broken, or until as many have passed. The seed repeats them.\n";

[[noreturn]] void refuse(const std::string& word) {
    std::fprintf(stderr, "holdfast_simulator: \"%s\" is unknown, or lacks its value\n%s", word.c_str(), usage);
    std::exit(2);
}

/// Returns the number that follows `word`.
template <typename Number>
Number number_after(const std::string& word, const std::string& text) {
    Number number{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) refuse(word);
    return number;
}

Options parse(int argc, char** argv) {
    Options options;
    const char* const given = std::getenv("HOLDFAST_SEED");
    options.seed = given != nullptr ? number_after<std::uint64_t>("HOLDFAST_SEED", given) : std::random_device{}();
    const std::vector<std::string> words(argv + 1, argv + argc);
    auto word = words.begin();
    const auto value = [&]() -> const std::string& {
        if (word + 1 == words.end()) refuse(*word);
        return *++word;
    };
    const auto read = [&](auto& number) {
        const std::string& option = *word;
        number = number_after<std::remove_reference_t<decltype(number)>>(option, value());
    };
    const auto run = [&options](WorldClass wanted) { options.wanted = wanted; };
    const std::map<std::string, std::function<void()>> meanings{
        {"--help", [] { std::printf("%s", usage), std::exit(0); }},
        {"--verbose", [&] { options.verbose = true; }},
        {"--violent", [&] { run(WorldClass::violent); }},
        {"--small", [&] { run(WorldClass::small); }},
        {"--fleet", [&] { run(WorldClass::fleet); }},
        {"--hours", [&] { read(options.hours); }},
        {"--seconds", [&] { read(options.seconds); }},
        {"--worlds", [&] { read(options.worlds); }},
        {"--seed", [&] { read(options.seed); }},
        {"--jobs", [&] { read(options.jobs); }},
        {"--disk", [&] { run(WorldClass::spool), options.spool = value(), options.recording = value(); }},
    };
    for (; word != words.end(); ++word) {
        const auto meaning = meanings.find(*word);
        meaning != meanings.end() ? meaning->second() : refuse(*word);
    }
    return options;
}

/// Runs worlds on several threads until enough connection-hours have passed, or a promise is broken.
class Run {
public:
    explicit Run(const Options& options) : options_(options) {
        if (options_.wanted == WorldClass::spool) disk_.emplace(options_.spool, options_.recording);
    }

    int all() {
        std::vector<std::thread> threads;
        for (unsigned job = 0; job < (disk_ ? 1 : options_.jobs); ++job) threads.emplace_back([this] { work(); });
        for (std::thread& thread : threads) thread.join();
        const double seconds = since();
        std::printf("%llu worlds, %.0f connection-hours, %llu connections, %llu items, %llu ends",
                    static_cast<unsigned long long>(worlds_), sum_.connection_hours,
                    static_cast<unsigned long long>(sum_.connections), static_cast<unsigned long long>(sum_.items),
                    static_cast<unsigned long long>(sum_.ends));
        if (disk_) std::printf(", %llu crashes", static_cast<unsigned long long>(sum_.crashes));
        const double cpu = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
        std::printf(" in %.1f s (%.1f s of CPU time): %.0f connection-hours per minute, %.0f per minute of CPU time\n",
                    seconds, cpu, sum_.connection_hours * 60 / seconds, sum_.connection_hours * 60 / cpu);
        if (options_.worlds > 1) {
            for (const auto& [reason, ends] : sum_.ends_by_reason)
                std::printf("  %-20s %llu\n", reason.c_str(), static_cast<unsigned long long>(ends));
        }
        return is_broken_ ? 1 : 0;
    }

private:
    [[nodiscard]] double since() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }
    void work() {
        while (!is_broken_) {
            const std::uint64_t number = next_++;
            if (number >= options_.worlds) return;
            const WorldPlan plan = draw_world(options_.seed + number, options_.wanted);
            if (options_.verbose) std::printf("%s\n", plan.text().c_str());
            WorldResult result;
            {
                World world(plan, disk_ ? &*disk_ : nullptr);
                result = world.run();
            }
            add(plan, result);
            if (since() > options_.seconds) return;
        }
    }
    void add(const WorldPlan& plan, const WorldResult& result) {
        const std::lock_guard lock(mutex_);
        ++worlds_;
        sum_.connection_hours += result.connection_hours;
        sum_.connections += result.connections;
        sum_.items += result.items;
        sum_.ends += result.ends;
        sum_.crashes += result.crashes;
        for (const auto& [reason, ends] : result.ends_by_reason) sum_.ends_by_reason[reason] += ends;
        if (sum_.connection_hours >= options_.hours) next_ = options_.worlds;
        if (!result.violation || is_broken_.exchange(true)) return;
        const std::string command = disk_ ? "tests/power/live_disk.py" : std::string("holdfast_simulator");
        std::printf("VIOLATION: %s\n  %s\n  %s --worlds 1%s --seed %llu\n", result.violation->c_str(),
                    plan.text().c_str(), command.c_str(), word_of(options_.wanted),
                    static_cast<unsigned long long>(plan.seed));
    }

    const Options options_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::optional<SpoolDisk> disk_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<bool> is_broken_{false};
    std::mutex mutex_;
    WorldResult sum_;           // guarded by mutex_
    std::uint64_t worlds_ = 0;  // guarded by mutex_
};

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const holdfast::Options options = holdfast::parse(argc, argv);
    std::printf("HOLDFAST_SEED=%llu\n", static_cast<unsigned long long>(options.seed));
    return holdfast::Run(options).all();
}
