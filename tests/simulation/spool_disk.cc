#include "spool_disk.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string_view>

#include "sink/lost_connections.h"

namespace holdfast {

namespace {

constexpr std::size_t queue_bytes = std::size_t{16} << 20;

/// Returns the text between two others, empty if they are missing.
std::string_view text_between(std::string_view text, std::string_view before, std::string_view behind) {
    const std::size_t from = text.find(before);
    if (from == std::string_view::npos) return {};
    const std::size_t end = text.find(behind, from + before.size());
    if (end == std::string_view::npos) return {};
    return text.substr(from + before.size(), end - from - before.size());
}

void note_fault(SpoolContent& content, const std::string& fault) {
    if (content.fault.empty()) content.fault = fault;
}

void read_numbered_item(std::string_view line, SpoolContent& content) {
    const std::string_view number = text_between(line, "\"seq\":", ",");
    if (number.empty()) return;
    const std::string id(text_between(line, "\"id\":\"", "\""));
    const std::uint64_t seq = std::stoull(std::string(number));
    std::uint64_t& last = content.last_item[id];
    if (seq != last + 1)
        note_fault(content, "item " + std::to_string(seq) + " of " + id + " behind " + std::to_string(last));
    if (text_between(line, "\"item\":{\"ip\":\"", "\"") != id + "/" + std::to_string(seq))
        note_fault(content, "item " + std::to_string(seq) + " of " + id + " has another content");
    last = seq;
}

}  // namespace

std::uint64_t SpoolDisk::recorded() const { return std::filesystem::file_size(recording_); }

/// Passes a command to live_disk.py, and waits until it is done.
void SpoolDisk::command(const std::string& words) {
    std::printf("disk %s\n", words.c_str());
    std::fflush(stdout);
    std::string answer;
    if (std::getline(std::cin, answer) && answer == "ok") return;
    std::fprintf(stderr, "no answer to \"disk %s\"; run the simulator by tests/power/live_disk.py\n", words.c_str());
    std::_Exit(2);
}

void SpoolDisk::format() {
    close();
    command("format");
    promised_ = 0;
}

std::string SpoolDisk::open(WallTime now) {
    trouble_.clear();
    SpoolOptions options;
    options.directory = directory_;
    options.commit_interval = std::chrono::milliseconds(0);
    options.on_quarantine = [this](const std::string& report) { trouble_ = report; };
    auto opened = Spool::open(std::move(options));
    if (!opened) return "the spool does not open: " + opened.error().message;
    spool_ = std::move(opened).value();
    static_cast<void>(close_lost(*spool_, now, false));
    sink_ = std::make_unique<SpoolSink>(*spool_, queue_bytes);
    promise();
    return trouble_;
}

void SpoolDisk::promise() { promised_ = recorded(); }

void SpoolDisk::cut(Cut how, std::uint64_t seed) {
    const std::uint64_t until = recorded();
    close();
    command(std::string(how == Cut::power ? "power " : "process ") + std::to_string(promised_) + " " +
            std::to_string(until) + " " + std::to_string(seed));
    promised_ = 0;
}

void SpoolDisk::close() {
    sink_.reset();
    spool_.reset();
}

SpoolContent SpoolDisk::read() const {
    constexpr std::size_t page_events = 10'000;
    constexpr std::size_t page_bytes = std::size_t{4} << 20;
    SpoolContent content;
    for (Position after = 0;;) {
        const auto page = spool_->read(after, page_events, page_bytes);
        if (!page) {
            note_fault(content, "the spool cannot be read: " + page.error().message);
            return content;
        }
        for (const MissingRange& range : page.value().missing)
            note_fault(content, "position " + std::to_string(range.first) + " is missing: " + range.why);
        for (const SpooledEvent& event : page.value().events) read_line(event, content);
        if (page.value().next_after == after) return content;
        after = page.value().next_after;
    }
}

void SpoolDisk::read_line(const SpooledEvent& event, SpoolContent& content) const {
    if (event.position != content.lines.size() + 1) note_fault(content, "positions have a gap");
    content.lines.push_back(std::hash<std::string_view>()(event.line));
    const std::string_view kind = text_between(event.line, "\"event\":\"", "\"");
    const std::string conn(text_between(event.line, "\"conn\":\"", "\""));
    if (kind == "item") return read_numbered_item(event.line, content);
    if (kind == "connected" && !content.open.insert(conn).second) note_fault(content, conn + " is connected twice");
    if (kind == "closed" && content.open.erase(conn) == 0)
        note_fault(content, conn + " is closed twice, or never connected");
}

}  // namespace holdfast
