#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/admin_reply.h"
#include "top/top_controls.h"

namespace holdfast {

/// The API's answers that a frame shows, unchanged. Empty without an answer.
struct TopAnswers {
    std::string status;
    std::string trend;   ///< trend of the last minutes
    std::string recent;  ///< trend of the last seconds
    std::string alarms;
    std::string connections;
    std::string at;                       ///< time of the answers, UTC: "08:00:09"; empty without answers
    std::optional<AdminFailure> failure;  ///< why the answers are old or absent; nullopt while they are fresh
};

struct TopSize {
    std::size_t columns = 0;
    std::size_t lines = 0;

    friend bool operator==(const TopSize&, const TopSize&) = default;
};

/// `alarm` is for what needs an operator now, `warning` for doubts, and `stale` for figures of an earlier time.
enum class TopStyle : std::uint8_t { plain, title, heading, alarm, warning, stale, footer };

struct TopLine {
    std::string text;
    TopStyle style = TopStyle::plain;
};

struct TopOptions {
    std::string admin;      ///< admin address of the gateway
    bool unicode = true;    ///< the terminal supports UTF-8
    bool with_keys = true;  ///< show the key help on the last line
};

/// Returns at most size.lines lines of at most size.columns characters, without line ends. Text from devices is made
/// printable. Pure.
[[nodiscard]] std::vector<TopLine> render_frame(const TopAnswers& answers, const TopControls& controls, TopSize size,
                                                const TopOptions& options);

/// The range that bars are scaled to.
struct BarRange {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

/// Returns at most `width` bars for all values. A bar that stands for several values shows the lowest, so that no fall
/// is lost. Pure.
[[nodiscard]] std::string spark_line(const std::vector<std::uint64_t>& values, BarRange range, std::size_t width,
                                     bool unicode);

}  // namespace holdfast
