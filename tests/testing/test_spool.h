#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spool/spool.h"
#include "testing/temporary_directory.h"

namespace holdfast {

/// Simulated clocks of a machine, which any thread may read while the test moves them.
class SharedClock {
public:
    void advance(std::chrono::milliseconds by) {
        const std::lock_guard lock(mutex_);
        now_.since_boot += by;
        now_.wall += by;
    }
    void step(std::chrono::milliseconds by) {
        const std::lock_guard lock(mutex_);
        now_.wall += by;
    }
    /// Restarts the machine after it was off for that time.
    void reboot(std::chrono::milliseconds off) {
        const std::lock_guard lock(mutex_);
        now_.boot += "'";
        now_.since_boot = std::chrono::seconds(20);
        now_.wall += off;
    }
    [[nodiscard]] ClockReading read() const {
        const std::lock_guard lock(mutex_);
        return now_;
    }
    [[nodiscard]] WallTime wall() const { return read().wall; }

private:
    mutable std::mutex mutex_;
    ClockReading now_{"boot", std::chrono::hours(30), WallTime(std::chrono::milliseconds(1'795'334'400'000))};
};

inline std::unique_ptr<Spool> open_spool(SpoolOptions options) {
    auto spool = Spool::open(std::move(options));
    EXPECT_TRUE(spool) << spool.error().message;
    return spool ? std::move(spool).value() : nullptr;
}

/// Returns the line of the Nth event, whose device is "device-N".
inline std::string test_line(std::uint64_t n, std::size_t size = 0) {
    std::string line = "{\"n\":" + std::to_string(n) + ",\"fill\":\"";
    line.append(size, static_cast<char>('a' + n % 26));
    return line + "\"}";
}

/// Appends events `first` to `last` in batches of `in_batch`, each event with `size` bytes of filling. Returns when
/// they are durable.
inline void append_and_wait(Spool& spool, std::uint64_t first, std::uint64_t last, std::uint64_t in_batch = 1,
                            std::size_t size = 0) {
    std::mutex mutex;
    std::condition_variable news;
    std::uint64_t durable = 0;
    std::uint64_t batches = 0;
    for (std::uint64_t n = first; n <= last;) {
        SpoolBatch batch;
        for (; n <= last && batch.events < in_batch; ++n, ++batch.events) batch.lines += test_line(n, size) + "\n";
        batch.listeners = {{"devices", batch.events}};
        batch.durable = [&] {
            const std::lock_guard lock(mutex);
            ++durable;
            news.notify_all();
        };
        ++batches;
        spool.append(std::move(batch));
    }
    std::unique_lock lock(mutex);
    ASSERT_TRUE(news.wait_for(lock, std::chrono::seconds(60), [&] { return durable == batches; }));
}

/// All events that can be read after `after`, and the missing positions.
struct ReadBack {
    std::vector<std::pair<Position, std::string>> events;
    std::vector<MissingRange> missing;
};
inline ReadBack read_all(Spool& spool, Position after = 0, std::size_t max_events = 100) {
    ReadBack all;
    for (;;) {
        auto page = spool.read(after, max_events, std::size_t{1} << 20);
        EXPECT_TRUE(page) << page.error().message;
        if (!page || page.value().next_after == after) return all;
        for (const SpooledEvent& event : page.value().events) all.events.emplace_back(event.position, event.line);
        for (const MissingRange& range : page.value().missing) all.missing.push_back(range);
        after = page.value().next_after;
    }
}

}  // namespace holdfast
