// Runs random worlds of the gateway in simulated time and checks the promises P0 to P7.
//   holdfast_simulator [--hours CONNECTION_HOURS] [--seconds REAL_SECONDS] [--jobs N] [--seed SEED] [--worlds N]
//   [--small | --quiet] [--verbose]
// Exits 1 at the first violation, with the seed of its world: --seed SEED --worlds 1 repeats it.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
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
    Size size = Size::usual;
};

const char* word_of(Size size) { return size == Size::small ? " --small" : size == Size::quiet ? " --quiet" : ""; }

Options parse(int argc, char** argv) {
    Options options;
    const char* const given = std::getenv("HOLDFAST_SEED");
    options.seed = given != nullptr ? std::stoull(given) : std::random_device{}();
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : "0";
        if (word == "--verbose") options.verbose = true;
        if (word == "--small") options.size = Size::small;
        if (word == "--quiet") options.size = Size::quiet;
        if (word == "--hours") options.hours = std::stod(value);
        if (word == "--seconds") options.seconds = std::stod(value);
        if (word == "--worlds") options.worlds = std::stoull(value);
        if (word == "--seed") options.seed = std::stoull(value);
        if (word == "--jobs") options.jobs = static_cast<unsigned>(std::stoul(value));
    }
    return options;
}

/// Runs worlds on several threads until enough connection-hours have passed, or a promise is broken.
class Run {
public:
    explicit Run(const Options& options) : options_(options) {}

    int all() {
        std::vector<std::thread> threads;
        for (unsigned job = 0; job < options_.jobs; ++job) threads.emplace_back([this] { work(); });
        for (std::thread& thread : threads) thread.join();
        const double seconds = since();
        std::printf(
            "%llu worlds, %.0f connection-hours, %llu connections, %llu items, %llu ends in %.1f s: "
            "%.0f connection-hours per minute\n",
            static_cast<unsigned long long>(worlds_), sum_.connection_hours,
            static_cast<unsigned long long>(sum_.connections), static_cast<unsigned long long>(sum_.items),
            static_cast<unsigned long long>(sum_.ends), seconds, sum_.connection_hours * 60 / seconds);
        return 0;
    }

private:
    [[nodiscard]] double since() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }
    void work() {
        while (next_ < options_.worlds) {
            const WorldPlan plan = draw_world(options_.seed + next_++, options_.size);
            if (options_.verbose) std::printf("%s\n", plan.text().c_str());
            World world(plan);
            const WorldResult result = world.run();
            const std::lock_guard lock(mutex_);
            ++worlds_;
            sum_.connection_hours += result.connection_hours;
            sum_.connections += result.connections;
            sum_.items += result.items;
            sum_.ends += result.ends;
            if (result.violation) {
                std::printf("VIOLATION: %s\n  %s\n  holdfast_simulator --worlds 1%s --seed %llu\n",
                            result.violation->c_str(), plan.text().c_str(), word_of(options_.size),
                            static_cast<unsigned long long>(plan.seed));
                std::fflush(stdout);
                std::_Exit(1);  // a broken world need not end in order
            }
            if (sum_.connection_hours >= options_.hours || since() > options_.seconds) return;
        }
    }

    const Options options_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::atomic<std::uint64_t> next_{0};
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
