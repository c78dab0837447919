#include "top/top_screen.h"

#define NCURSES_NOMACROS
#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "text/printable.h"

namespace holdfast {
namespace {

volatile std::sig_atomic_t end_requested = 0;

constexpr std::array ending_signals{SIGINT, SIGTERM, SIGHUP};

void request_end(int) { end_requested = 1; }

/// Returns true unless NO_COLOR is set and not empty (https://no-color.org), or the terminal has no colours.
bool wants_color() {
    const char* const no_color = std::getenv("NO_COLOR");
    return (no_color == nullptr || *no_color == '\0') && ::has_colors();
}

/// Pairs of ncurses with the terminal's own background; 0 is its default.
enum ColorPair : short { pair_plain, pair_title, pair_alarm, pair_warning };

void start_colors() {
    ::start_color();
    ::use_default_colors();
    ::init_pair(pair_title, COLOR_CYAN, -1);
    ::init_pair(pair_alarm, COLOR_RED, -1);
    ::init_pair(pair_warning, COLOR_YELLOW, -1);
}

ColorPair color_of(TopStyle style) {
    switch (style) {
        case TopStyle::title:
            return pair_title;
        case TopStyle::alarm:
            return pair_alarm;
        case TopStyle::warning:
            return pair_warning;
        default:
            return pair_plain;
    }
}

/// Returns the attributes with which styles differ without colour, too.
attr_t attribute_of(TopStyle style) {
    switch (style) {
        case TopStyle::title:
        case TopStyle::alarm:
        case TopStyle::warning:
            return A_BOLD;
        case TopStyle::heading:
            return A_REVERSE;
        case TopStyle::stale:
        case TopStyle::footer:
            return A_DIM;
        case TopStyle::plain:
            break;
    }
    return A_NORMAL;
}

/// Returns the key as press() takes it, or nullopt for a key without a function here.
std::optional<int> plain_key(int key) {
    if (key == KEY_ENTER) return top_enter;
    if (key == KEY_BACKSPACE || key == KEY_DC) return top_backspace;
    return key >= 0 && key <= 0xff ? std::optional(key) : std::nullopt;
}

/// Handles the terminating signals during its lifetime. ncurses would end the process on those without a handler.
class EndingSignals {
public:
    EndingSignals() {
        struct sigaction action {};
        action.sa_handler = request_end;
        for (std::size_t i = 0; i < before_.size(); ++i) ::sigaction(ending_signals[i], &action, &before_[i]);
    }
    EndingSignals(const EndingSignals&) = delete;
    EndingSignals& operator=(const EndingSignals&) = delete;
    ~EndingSignals() {
        for (std::size_t i = 0; i < before_.size(); ++i) ::sigaction(ending_signals[i], &before_[i], nullptr);
    }

private:
    std::array<struct sigaction, ending_signals.size()> before_{};
};

}  // namespace

struct TopScreen::Terminal {
    EndingSignals signals;
    SCREEN* screen = ::newterm(nullptr, stdout, stdin);

    ~Terminal() {
        if (screen == nullptr) return;
        ::endwin();
        ::delscreen(screen);
    }
};

TopScreen::TopScreen() = default;
TopScreen::~TopScreen() = default;

bool TopScreen::open() {
    std::setlocale(LC_CTYPE, "");
    unicode_ = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
    terminal_ = std::make_unique<Terminal>();
    if (terminal_->screen == nullptr) {
        terminal_.reset();
        return false;
    }
    ::cbreak();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, true);
    ::set_escdelay(50);
    ::nodelay(stdscr, true);
    ::curs_set(0);
    colored_ = wants_color();
    if (colored_) start_colors();
    return true;
}

TopSize TopScreen::size() const {
    return {static_cast<std::size_t>(::getmaxx(stdscr)), static_cast<std::size_t>(::getmaxy(stdscr))};
}

void TopScreen::draw(const std::vector<TopLine>& lines) {
    ::erase();
    for (std::size_t i = 0; i < lines.size(); ++i) {
        // From the top down, so that the next line overwrites the overflow of a line. A character of two columns makes
        // a line wider than its count.
        ::move(static_cast<int>(i), 0);
        ::clrtoeol();
        ::attrset(static_cast<int>(attribute_of(lines[i].style)));
        if (colored_) ::attron(static_cast<int>(COLOR_PAIR(color_of(lines[i].style))));
        ::addstr(printable_lines(lines[i].text).c_str());
    }
    ::refresh();
}

std::vector<int> TopScreen::keys(std::chrono::milliseconds timeout) {
    pollfd typed{STDIN_FILENO, POLLIN, 0};
    ::poll(&typed, 1, static_cast<int>(timeout.count()));  // a signal ends the wait too
    gone_ = (typed.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    std::vector<int> keys;
    for (int key = 0; !gone_ && (key = ::getch()) != ERR;) {
        if (const auto plain = plain_key(key)) keys.push_back(*plain);
    }
    return keys;
}

bool TopScreen::interrupted() const { return gone_ || end_requested != 0; }

}  // namespace holdfast
