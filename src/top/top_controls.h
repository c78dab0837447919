#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <holdfast/status.h>

namespace holdfast {

/// Keys without a printable character.
enum TopKey : int { top_enter = '\n', top_escape = 27, top_backspace = 127 };

/// The settings that the user of `holdfast top` has chosen. A value.
struct TopControls {
    ConnectionSort sort = ConnectionSort::age;
    bool reverse = false;
    std::string filter;  ///< prefix, address, key or id; empty: all
    bool paused = false;
    bool typing = false;  ///< a filter is being typed; `typed` is its text so far
    std::string typed;
    bool quit = false;

    friend bool operator==(const TopControls&, const TopControls&) = default;
};

/// Applies a key: s, a i n b o e k, r, /, p, q; Control-C quits too. Ignores other keys. Pure.
void press(TopControls& controls, int key);

/// Returns the requests for the table of connections, in order. The first with a result has the answer, because an
/// address can be a peer's or a key. Pure.
[[nodiscard]] std::vector<std::string> connection_targets(const TopControls& controls, std::size_t rows);

}  // namespace holdfast
