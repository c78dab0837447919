#include "top/top_controls.h"

#include <array>
#include <optional>
#include <utility>

#include "api/api_endpoint.h"
#include "net/url.h"

namespace holdfast {
namespace {

constexpr std::array<std::pair<char, ConnectionSort>, 7> sorts{{{'a', ConnectionSort::age},
                                                                {'i', ConnectionSort::idle},
                                                                {'n', ConnectionSort::items},
                                                                {'b', ConnectionSort::bytes_in},
                                                                {'o', ConnectionSort::bytes_out},
                                                                {'e', ConnectionSort::peer},
                                                                {'k', ConnectionSort::key}}};
constexpr int control_c = 3;
constexpr std::size_t longest_filter = 256;

ConnectionSort next_sort(ConnectionSort sort) {
    for (std::size_t i = 0; i < sorts.size(); ++i) {
        if (sorts[i].second == sort) return sorts[(i + 1) % sorts.size()].second;
    }
    return sort;
}

std::optional<ConnectionSort> sort_of(int key) {
    for (const auto& [letter, sort] : sorts) {
        if (letter == key) return sort;
    }
    return std::nullopt;
}

/// Removes the last character, with all of its UTF-8 bytes.
void drop_character(std::string& text) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
}

void type(TopControls& controls, int key) {
    if (key == top_enter || key == '\r') {
        controls.filter = controls.typed;
        controls.typing = false;
    } else if (key == top_escape) {
        controls.typing = false;
    } else if (key == top_backspace || key == '\b') {
        drop_character(controls.typed);
    } else if (key >= ' ' && key <= 0xff && controls.typed.size() < longest_filter) {
        controls.typed.push_back(static_cast<char>(key));
    }
}

}  // namespace

void press(TopControls& controls, int key) {
    if (key == control_c) {
        controls.quit = true;
    } else if (controls.typing) {
        type(controls, key);
    } else if (const auto sort = sort_of(key)) {
        controls.sort = *sort;
    } else if (key == 's') {
        controls.sort = next_sort(controls.sort);
    } else if (key == 'r') {
        controls.reverse = !controls.reverse;
    } else if (key == 'p') {
        controls.paused = !controls.paused;
    } else if (key == 'q') {
        controls.quit = true;
    } else if (key == '/') {
        controls.typing = true;
        controls.typed = controls.filter;
    }
}

std::vector<std::string> connection_targets(const TopControls& controls, std::size_t rows) {
    const auto filter_by = [&](std::string_view filter_name) {
        QueryTarget target{std::string(api_path::connections)};
        const bool descending = descends_by_itself(controls.sort) != controls.reverse;
        target.with("sort", to_string(controls.sort)).with("order", descending ? "desc" : "asc");
        return target.with("limit", std::to_string(rows)).with(filter_name, controls.filter).text();
    };
    if (controls.filter.empty()) return {filter_by("key")};
    if (!parse_prefix(controls.filter)) return {filter_by("key"), filter_by("id")};
    return {filter_by("peer"), filter_by("key"), filter_by("id")};
}

}  // namespace holdfast
