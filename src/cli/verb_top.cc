#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "cli/client_request.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/units.h"
#include "top/top_feed.h"
#include "top/top_frame.h"
#include "top/top_screen.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// The frame size without a window.
constexpr TopSize without_window{120, 40};
constexpr std::size_t max_rows = 1'000;

/// Longest delay until new answers or a signal take effect. A key takes effect at once.
constexpr std::chrono::milliseconds glance = 50ms;

struct TopFlags {
    ClientFlags client;
    bool once = false;
    std::string interval = "1s";
    std::string sort = "age";
    bool reverse = false;
    std::string filter;
};

std::size_t number_in(const char* variable, std::size_t otherwise) {
    const char* const text = std::getenv(variable);
    const unsigned long number = text != nullptr ? std::strtoul(text, nullptr, 10) : 0;
    return number > 0 && number < 10'000 ? number : otherwise;
}

TopSize size_for_once() {
    winsize window{};
    const bool terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    if (terminal) return {window.ws_col, window.ws_row};
    return {number_in("COLUMNS", without_window.columns), number_in("LINES", without_window.lines)};
}

bool speaks_utf8() {
    std::setlocale(LC_CTYPE, "");
    return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
}

std::string or_null(const std::string& json) { return json.empty() ? "null" : printable_json(json); }

int print_once(const TopFlags& flags, const TopControls& controls) {
    const TopSize size = size_for_once();
    const TopAnswers answers = fetch_top(flags.client.admin, controls, size.lines);
    if (answers.failure) return print_failure(*answers.failure);
    if (flags.client.json) {
        std::cout << "{\"status\":" << or_null(answers.status) << ",\"trend\":" << or_null(answers.trend)
                  << ",\"recent\":" << or_null(answers.recent) << ",\"alarms\":" << or_null(answers.alarms)
                  << ",\"connections\":" << or_null(answers.connections) << "}\n";
        return exit_good;
    }
    const TopOptions options{.admin = flags.client.admin.address, .unicode = speaks_utf8(), .with_keys = false};
    for (const TopLine& line : render_frame(answers, controls, size, options)) std::cout << line.text << '\n';
    return exit_good;
}

/// Shows answers and handles keys and the window's size until the user quits.
TopAnswers watch(TopScreen& screen, TopAnswers answers, TopControls controls, const TopFlags& flags,
                 std::chrono::milliseconds interval) {
    const TopOptions options{.admin = flags.client.admin.address, .unicode = screen.unicode(), .with_keys = true};
    TopSize size = screen.size();
    TopFeed feed(flags.client.admin, interval, controls, size.lines, answers);
    for (bool changed = true; !controls.quit && !screen.interrupted();) {
        if (changed) screen.draw(render_frame(answers, controls, size, options));
        const TopControls before = controls;
        for (const int key : screen.keys(glance)) press(controls, key);
        const TopSize size_before = std::exchange(size, screen.size());
        if (controls != before || size != size_before) feed.want(controls, size.lines);
        auto fresh = feed.take();
        changed = fresh || controls != before || size != size_before;
        if (fresh) answers = std::move(*fresh);
    }
    return answers;
}

int watch_live(const TopFlags& flags, const TopControls& controls, std::chrono::milliseconds interval) {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
        print_error("standard output is not a terminal; use --once");
        return exit_wrong_usage;
    }
    TopAnswers answers = fetch_top(flags.client.admin, controls, max_rows);
    if (answers.failure) return print_failure(*answers.failure);
    {
        TopScreen screen;
        if (!screen.open()) {
            print_error("this terminal is unknown; set TERM, e.g. to xterm, or use --once");
            return exit_wrong_usage;
        }
        answers = watch(screen, std::move(answers), controls, flags, interval);
    }
    return answers.failure ? print_failure(*answers.failure) : exit_good;
}

int top_verb(const TopFlags& flags) {
    TopControls controls;
    const auto sort = parse_connection_sort(flags.sort);
    const auto interval = parse_duration(flags.interval);
    if (!is_admin_address(flags.client.admin.address)) {
        print_error("--admin: " + not_an_admin_address(flags.client.admin.address));
    } else if (!sort) {
        print_error("--sort: " + in_quotes(flags.sort) +
                    " is not a sort key; allowed are age, idle, items, bad_items, bytes_in, bytes_out, peer, key");
    } else if (!interval || interval.value() < 100ms || interval.value() > 1h) {
        print_error("--interval: " + (interval ? in_quotes(flags.interval) + " is out of range; write 100ms to 1h"
                                               : interval.error().message));
    } else if (flags.client.json && !flags.once) {
        print_error("--json prints one frame; add --once");
    } else {
        controls.sort = *sort;
        controls.reverse = flags.reverse;
        controls.filter = flags.filter;
        return flags.once ? print_once(flags, controls) : watch_live(flags, controls, interval.value());
    }
    return exit_wrong_usage;
}

}  // namespace

Verb make_top_verb() {
    const auto flags = std::make_shared<TopFlags>();
    return {.name = "top",
            .help = "watch the gateway live in the terminal",
            .arguments =
                Arguments{{"--once", &flags->once, "", "one frame only, for scripts"},
                          {"--interval", &flags->interval, "DURATION", "time between frames", {.shows_default = true}},
                          {"--sort",
                           &flags->sort,
                           "SORT",
                           "sort key: age, idle, items, bad_items, bytes_in, bytes_out, peer or key",
                           {.shows_default = true}},
                          {"--reverse", &flags->reverse, "", "reversed order"},
                          {"--filter", &flags->filter, "TEXT", "peer prefix or key of the connections"}} +
                client_arguments(flags->client),
            .run = [flags] { return top_verb(*flags); },
            .footer =
                "Keys: s next sort, or at once a age, i idle, n items, b bytes in, o bytes out, e peer, k key;\n"
                "r reverse; / filter by a peer prefix or a key; p pause; q quit."};
}

}  // namespace holdfast
