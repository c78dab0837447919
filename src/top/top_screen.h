#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "top/top_frame.h"

namespace holdfast {

/// The terminal in full-screen mode, by ncurses, in colour unless NO_COLOR is set. Owns it from open() to the
/// destructor, which restores it. One instance at a time, one thread. SIGINT, SIGTERM and SIGHUP set interrupted().
class TopScreen {
public:
    TopScreen();
    TopScreen(const TopScreen&) = delete;
    TopScreen& operator=(const TopScreen&) = delete;
    ~TopScreen();

    /// Returns false if ncurses does not know the terminal ($TERM).
    [[nodiscard]] bool open();
    /// Returns true if the locale ($LANG) is UTF-8.
    [[nodiscard]] bool unicode() const { return unicode_; }
    [[nodiscard]] TopSize size() const;
    void draw(const std::vector<TopLine>& lines);
    /// Returns the keys pressed since the last call, as press() takes them. Waits up to `timeout` for the first.
    /// Returns at once, without a key, if the window's size changes.
    [[nodiscard]] std::vector<int> keys(std::chrono::milliseconds timeout);
    /// Returns true after a signal, or after the terminal was closed.
    [[nodiscard]] bool interrupted() const;

private:
    struct Terminal;
    std::unique_ptr<Terminal> terminal_;  // set while it is open
    bool unicode_ = false;
    bool colored_ = false;
    bool gone_ = false;
};

}  // namespace holdfast
