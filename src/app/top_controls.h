#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <holdfast/server.h>

namespace holdfast {

/// Keys that are no character.
enum TopKey : int { top_enter = '\n', top_escape = 27, top_backspace = 127 };

/// What somebody at `holdfast top` has chosen. A value.
struct TopControls {
    ConnectionSort sort = ConnectionSort::age;
    bool reverse = false;
    std::string filter;  ///< a prefix, an address, a key or an id; empty: all
    bool paused = false;
    bool typing = false;  ///< a filter, which is `typed` so far
    std::string typed;
    bool quit = false;

    friend bool operator==(const TopControls&, const TopControls&) = default;
};

/// What a key does: s, a i n b o e k, r, /, p, q; Control-C quits too. Others do nothing. Pure.
void press(TopControls& controls, int key);

/// The questions for the table of connections, in the order in which to ask: the first that finds any has the answer.
/// An address can be a peer's or a key. Pure.
[[nodiscard]] std::vector<std::string> connection_targets(const TopControls& controls, std::size_t rows);

}  // namespace holdfast
