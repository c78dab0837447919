#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <holdfast/events.h>

#include "sink/spool_sink.h"
#include "spool/spool.h"

namespace holdfast {

/// Every event of a spool, read from the first to the last.
struct SpoolContent {
    std::map<std::string, std::uint64_t> last_item;  ///< by id of the device
    std::vector<std::size_t> lines;                  ///< hash of the event at position 1, 2, ...
    std::set<std::string> open;                      ///< connections without `closed`
    std::string fault;                               ///< the first contradiction; empty: none
};

/// The disk of a simulated gateway, with its spool. tests/power/live_disk.py runs the simulator and records the
/// operations on the files. At a crash it leaves one of the states that tests/power/disk.py draws. The two talk by
/// lines on standard input and output. One per process; one thread.
class SpoolDisk {
public:
    enum class Cut : std::uint8_t { process, power };

    /// Takes the directory of the spool, and the file of records that live_disk.py reads.
    SpoolDisk(std::string directory, std::string recording)
        : directory_(std::move(directory)), recording_(std::move(recording)) {}

    /// Empties the disk, for a new world.
    void format();
    /// Opens the spool. Returns what went wrong, or an empty text.
    [[nodiscard]] std::string open(WallTime now);
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() { return sink_->make_handler(); }
    /// Notes that the gateway has made promises that rest on what is durable now.
    void promise();
    /// Closes the spool, and leaves the files as they were at a random moment since the latest promise().
    void cut(Cut how, std::uint64_t seed);
    void close();

    [[nodiscard]] Position last() const { return spool_->status().last; }
    /// Reads all events.
    [[nodiscard]] SpoolContent read() const;

private:
    [[nodiscard]] std::uint64_t recorded() const;
    static void command(const std::string& words);
    void read_line(const SpooledEvent& event, SpoolContent& content) const;

    const std::string directory_;
    const std::string recording_;
    std::uint64_t promised_ = 0;  // length of the recording
    std::string trouble_;
    std::unique_ptr<Spool> spool_;
    std::unique_ptr<SpoolSink> sink_;
};

}  // namespace holdfast
