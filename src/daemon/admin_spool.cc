#include "daemon/admin_spool.h"

namespace holdfast {

Result<SpoolExtract> AdminSpool::read(std::uint64_t after, std::size_t most_events, std::size_t most_bytes) {
    const auto page = spool_.read(after, most_events, most_bytes);
    if (!page) return page.error();
    SpoolExtract extract;
    extract.next_after = page.value().next_after;
    extract.newest = page.value().last;
    for (const MissingRange& gone : page.value().missing) extract.missing.push_back({gone.first, gone.last, gone.why});
    const auto& events = page.value().events;
    if (events.empty()) return extract;
    extract.first = events.front().position;
    extract.last = events.back().position;
    std::size_t bytes = 0;
    for (const SpooledEvent& event : events) bytes += event.line.size() + 1;
    extract.events.reserve(bytes);
    for (const SpooledEvent& event : events) {
        if (!extract.events.empty()) extract.events += ',';
        extract.events += event.line;
    }
    return extract;
}

bool AdminSpool::wait_for(std::uint64_t after, std::chrono::milliseconds timeout) {
    return spool_.wait_for(after, timeout);
}

std::uint64_t AdminSpool::newest() { return spool_.status().last; }

std::vector<SpoolGroupRow> AdminSpool::groups() {
    std::vector<SpoolGroupRow> rows;
    for (const SpoolGroup& group : spool_.groups())
        rows.push_back({group.name, group.position, group.required, group.moved_at});
    return rows;
}

std::optional<Error> AdminSpool::set_position(const std::string& group, std::uint64_t position) {
    return spool_.set_position(group, position);
}

std::optional<Error> AdminSpool::remove_group(const std::string& group) { return spool_.remove_group(group); }

}  // namespace holdfast
