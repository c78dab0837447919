#include "spool/last_events.h"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>
#include <variant>

#include "codec/event_fields.h"
#include "codec/event_line.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds pause_after_failure{20};

}  // namespace

bool LastEvents::goes_on() const {
    return found_ < wanted_.size() && bytes_ < max_bytes && std::chrono::steady_clock::now() < until_;
}

void LastEvents::read() {
    until_ = std::chrono::steady_clock::now() + max_time;
    const auto segments = book_.all();
    for (auto segment = segments.rbegin(); segment != segments.rend() && goes_on(); ++segment) read_segment(*segment);
}

/// Opens the file and finds its newest position. Retries while reading fails and time remains.
std::optional<SegmentReader> LastEvents::open(const SegmentIndex::Segment& segment, SegmentReader::Tail& tail) const {
    while (goes_on()) {
        DbError error;
        auto reader = SegmentReader::open(directory_.segment_path(segment.first), error);
        if (!reader && error.fault == DbFault::damaged) return std::nullopt;
        if (reader && !reader->tail(segment.first, tail)) return reader;
        std::this_thread::sleep_for(pause_after_failure);
    }
    return std::nullopt;
}

void LastEvents::read_segment(const SegmentIndex::Segment& segment) {
    SegmentReader::Tail tail;
    auto reader = open(segment, tail);
    if (!reader) return;
    Position wanted = std::min(segment.last, tail.last);
    Position step = 1;  // over damaged rows, whose content stays unknown
    while (wanted >= segment.first && goes_on()) {
        const auto found = reader->find(wanted, wanted + 1);
        if (const auto* row = std::get_if<SegmentReader::Row>(&found)) {
            take(**row);
            wanted = (*row)->first - 1;
            step = 1;
        } else if (std::holds_alternative<DbError>(found)) {
            std::this_thread::sleep_for(pause_after_failure);
        } else {
            wanted -= std::min(wanted, step);
            step *= 2;
        }
    }
}

void LastEvents::take(const GoodRow& row) {
    bytes_ += row.lines.size();
    std::string_view lines = row.lines;
    while (!lines.empty()) {
        const std::size_t end = lines.find('\n');
        take_line(lines.substr(0, end), row.first);
        if (end == std::string_view::npos) return;
        lines.remove_prefix(end + 1);
    }
}

void LastEvents::take_line(std::string_view line, Position row) {
    const LifeLine life = life_line(line);
    if (life.event == LifeEvent::none || life.event == LifeEvent::closed) return;
    const auto wanted = wanted_.find(life.conn);
    if (wanted == wanted_.end()) return;
    Found& found = wanted->second;
    if (found.row != 0 && found.row != row) return;  // a newer row has a later event
    if (found.row == 0) ++found_;
    found.row = row;
    found.event = {.at = std::string(time_of_line(line)), .items = 0};
    if (life.event != LifeEvent::item && life.event != LifeEvent::bad_item) return;
    const std::string_view n = raw_field(line, life.event == LifeEvent::item ? field::n.name : field::items.name);
    std::uint64_t items = 0;
    const bool good = std::from_chars(n.data(), n.data() + n.size(), items).ec == std::errc() && !n.empty();
    found.event.items = good ? std::optional(items) : std::nullopt;
}

const LastEvents::Event* LastEvents::find(std::string_view conn) const {
    const auto wanted = wanted_.find(conn);
    return wanted == wanted_.end() || wanted->second.row == 0 ? nullptr : &wanted->second.event;
}

void visit_with_last_events(const std::function<void(const std::function<void(const Manifest::OpenRow&)>&)>& each,
                            LastEvents& last, const LostVisit& calls) {
    const auto each_lost = [&](const std::function<void(LostConnection)>& take) {
        each([&](const Manifest::OpenRow& row) {
            LostConnection lost{.conn = row.first,
                                .connected = row.second.connected,
                                .identified = row.second.identified,
                                .last_event_at = {},
                                .items = {}};
            if (!calls.is_kept || !calls.is_kept(lost)) take(std::move(lost));
        });
    };
    each_lost([&last](const LostConnection& lost) { last.want(lost.conn); });
    last.read();
    each_lost([&](LostConnection lost) {
        if (const LastEvents::Event* event = last.find(lost.conn)) {
            lost.last_event_at = event->at;
            lost.items = event->items;
        }
        calls.visit(lost);
    });
}

}  // namespace holdfast
