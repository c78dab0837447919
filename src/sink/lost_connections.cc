#include "sink/lost_connections.h"

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "codec/event_fields.h"
#include "codec/event_writer.h"

namespace holdfast {

namespace {

constexpr std::size_t batch_bytes = std::size_t{128} << 10;
constexpr std::size_t max_waiting = std::size_t{4} << 20;  // memory limit at the start, e.g. with 100,000 connections

std::string_view unquoted(std::string_view value) {
    return value.size() < 2 || value.front() != '"' ? std::string_view() : value.substr(1, value.size() - 2);
}

EventLines lines_of(const LostConnection& lost) { return {lost.identified, lost.connected}; }

/// Collects lines by listener and appends them in batches, so that few lines wait.
class Batches {
public:
    explicit Batches(Spool& spool) : spool_(spool) {}

    void add(std::string_view listener, std::string_view line) {
        batch_.lines += line;
        ++batch_.events;
        if (batch_.listeners.empty() || batch_.listeners.back().first != listener)
            batch_.listeners.emplace_back(listener, 0);
        ++batch_.listeners.back().second;
        if (batch_.lines.size() >= batch_bytes) flush();
    }
    void flush() {
        if (batch_.events == 0) return;
        spool_.append(std::exchange(batch_, {}));
        wait_for(max_waiting);
    }
    /// Waits at most five seconds in all: a disk that accepts nothing must not prevent the start of the gateway.
    void wait_for(std::size_t bytes) {
        for (; waits_left_ > 0 && spool_.waiting_bytes() > bytes; --waits_left_)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }

private:
    Spool& spool_;
    SpoolBatch batch_;
    int waits_left_ = 1'000;  // of 5 ms each
};

}  // namespace

std::string lost_closed_line(const LostConnection& lost, WallTime at) {
    std::string line;
    append_event(line, ClosedAfterRestart{.conn = lost.conn,
                                          .lines = lines_of(lost),
                                          .items = lost.items,
                                          .connected_at = time_of_line(lost.connected),
                                          .last_event_at = lost.last_event_at,
                                          .at = at});
    return line;
}

LostConnections close_lost(Spool& spool, WallTime now, bool in_fleet, const IsKept& is_kept) {
    LostConnections done;
    Batches batches(spool);
    const auto has_id = [](const LostConnection& lost) { return !lines_of(lost).value(field::id.name).empty(); };
    const auto close_one = [&](const LostConnection& lost) {
        std::string line = lost_closed_line(lost, now);
        const std::string_view listener = unquoted(lines_of(lost).value(field::listener.name));
        if (in_fleet && has_id(lost)) {
            done.former.push_back({lost.conn, std::string(listener), std::move(line)});
            return;
        }
        batches.add(listener, line);
        ++done.closed;
    };
    spool.visit_lost(close_one,
                     [&](const LostConnection& lost) { return is_kept && is_kept(lost.conn, has_id(lost)); });
    batches.flush();
    batches.wait_for(0);  // so that is_open() includes them
    return done;
}

}  // namespace holdfast
