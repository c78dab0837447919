#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "app/top_frame.h"

namespace holdfast {

/// The terminal in full-screen mode, by ncurses: owns it from open() to the destructor, which puts it back as it was.
/// One at a time, one thread. SIGINT, SIGTERM and SIGHUP become interrupted().
class TopScreen {
public:
    TopScreen();
    TopScreen(const TopScreen&) = delete;
    TopScreen& operator=(const TopScreen&) = delete;
    ~TopScreen();

    /// False if ncurses does not know the terminal ($TERM).
    [[nodiscard]] bool open();
    /// Whether text may be UTF-8 ($LANG).
    [[nodiscard]] bool unicode() const { return unicode_; }
    [[nodiscard]] TopSize size() const;
    void draw(const std::vector<TopLine>& lines);
    /// The keys pressed meanwhile, as press() takes them; waits up to `patience` for the first. A change of the
    /// window's size comes at once, without a key.
    [[nodiscard]] std::vector<int> keys(std::chrono::milliseconds patience);
    /// A signal asked for the end, or the terminal has gone.
    [[nodiscard]] bool interrupted() const;

private:
    struct Terminal;
    std::unique_ptr<Terminal> terminal_;  // while it is open
    bool unicode_ = false;
    bool gone_ = false;
};

}  // namespace holdfast
