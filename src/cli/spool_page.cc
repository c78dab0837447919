#include "cli/spool_page.h"

#include <simdjson.h>

#include "text/printable.h"

namespace holdfast {
namespace {

using simdjson::ondemand::document;
using simdjson::ondemand::value;

std::string said(std::uint64_t first, std::uint64_t last, std::string_view why) {
    const bool one = first == last;
    return (one ? "event " : "events ") + std::to_string(first) + (one ? "" : " to " + std::to_string(last)) +
           (one ? " is missing: " : " are missing: ") + printable(why);
}

/// Reads a range of missing events. Returns false if it is malformed.
bool read_missing(value gap, ReadPage& page) {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::string_view why;
    if (gap["first"].get(first) || gap["last"].get(last) || gap["why"].get(why)) return false;
    page.missing.push_back(said(first, last, why));
    return true;
}

bool read_event(value event, ReadPage& page) {
    simdjson::ondemand::object object;
    std::string_view text;
    if (event.get(object) || object.raw_json().get(text)) return false;
    page.lines += text;
    page.lines += '\n';
    ++page.events;
    return true;
}

bool read(document& answer, ReadPage& page) {
    simdjson::ondemand::array gaps;
    simdjson::ondemand::array events;
    if (answer["next_after"].get(page.next_after) || answer["newest"].get(page.newest)) return false;
    if (answer["missing"].get(gaps)) return false;
    for (auto gap : gaps) {
        if (gap.error() || !read_missing(gap.value_unsafe(), page)) return false;
    }
    if (answer["events"].get(events)) return false;
    for (auto event : events) {
        if (event.error() || !read_event(event.value_unsafe(), page)) return false;
    }
    return true;
}

}  // namespace

std::optional<ReadPage> read_spool_page(const std::string& body) {
    simdjson::ondemand::parser parser;
    const simdjson::padded_string padded(body);
    document answer;
    ReadPage page;
    page.lines.reserve(body.size());
    if (parser.iterate(padded).get(answer) || !read(answer, page)) return std::nullopt;
    return page;
}

std::optional<std::uint64_t> read_group_position(const std::string& body, const std::string& group) {
    simdjson::dom::parser parser;
    simdjson::dom::array groups;
    if (parser.parse(body)["groups"].get(groups)) return std::nullopt;
    for (const simdjson::dom::element row : groups) {
        std::string_view name;
        std::uint64_t position = 0;
        if (row["name"].get(name) || row["position"].get(position)) return std::nullopt;
        if (name == group) return position;
    }
    return std::uint64_t{0};
}

}  // namespace holdfast
