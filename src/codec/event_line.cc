#include "codec/event_line.h"

#include <array>
#include <string>
#include <utility>

#include "codec/event_fields.h"

namespace holdfast {

namespace {

constexpr std::string_view head = R"({"event":")";
constexpr std::string_view between = R"(","conn":")";

constexpr std::array<std::pair<std::string_view, LifeEvent>, 5> events{{
    {connected_kind.word, LifeEvent::connected},
    {identified_kind.word, LifeEvent::identified},
    {item_kind.word, LifeEvent::item},
    {bad_item_event_kind.word, LifeEvent::bad_item},
    {closed_kind.word, LifeEvent::closed},
}};

/// Returns the end of the string that begins at `text[at]`, after its closing quote, or npos if it is unterminated.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

}  // namespace

std::string_view to_string(LifeEvent event) {
    for (const auto& [word, each] : events) {
        if (each == event) return word;
    }
    return item_kind.word;
}

LifeLine life_line(std::string_view line) {
    if (!line.starts_with(head)) return {};
    line.remove_prefix(head.size());
    for (const auto& [word, event] : events) {
        if (!line.starts_with(word) || !line.substr(word.size()).starts_with(between)) continue;
        const std::string_view conn = line.substr(word.size() + between.size());
        const std::size_t end = conn.find('"');
        if (end == std::string_view::npos) return {};
        return {event, conn.substr(0, end)};
    }
    return {};
}

std::string_view raw_field(std::string_view line, std::string_view name) {
    // Within a JSON string, the quote after the comma would be escaped.
    const std::string wanted = ",\"" + std::string(name) + "\":";
    const std::size_t found = line.find(wanted);
    if (found == std::string_view::npos) return {};
    const std::size_t begin = found + wanted.size();
    if (begin >= line.size()) return {};
    const std::size_t end = line[begin] == '"' ? end_of_string(line, begin) : line.find_first_of(",}", begin);
    return end == std::string_view::npos ? std::string_view() : line.substr(begin, end - begin);
}

std::string_view time_of_line(std::string_view line) {
    constexpr std::string_view before = R"(,"at":")";
    constexpr std::string_view after = R"("})";
    const std::size_t found = line.rfind(before);
    if (found == std::string_view::npos || !line.ends_with(after)) return {};
    const std::size_t begin = found + before.size();
    return begin + after.size() > line.size() ? std::string_view()
                                              : line.substr(begin, line.size() - after.size() - begin);
}

std::string_view EventLines::value(std::string_view name) const {
    std::string_view found = raw_field(latest, name);
    if (found.empty()) found = raw_field(earlier, name);
    return found.size() > max_bytes ? std::string_view() : found;
}

}  // namespace holdfast
