#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/top_controls.h"

namespace holdfast {

/// The API's answers that a frame shows, as they came; empty where one did not come.
struct TopAnswers {
    std::string status;
    std::string trend;   ///< of the last minutes
    std::string recent;  ///< the trend of the last seconds
    std::string alarms;
    std::string connections;
    std::string trouble;  ///< why they are old, or not there; empty while they are fresh
};

struct TopSize {
    std::size_t columns = 0;
    std::size_t lines = 0;

    friend bool operator==(const TopSize&, const TopSize&) = default;
};

enum class TopStyle : std::uint8_t { plain, title, heading, warning, footer };

struct TopLine {
    std::string text;
    TopStyle style = TopStyle::plain;
};

struct TopOptions {
    std::string admin;      ///< the gateway's admin address
    bool unicode = true;    ///< the terminal shows UTF-8
    bool with_keys = true;  ///< a last line that tells the keys
};

/// At most size.lines lines of at most size.columns characters, without line ends. What devices said is made printable.
/// Pure.
[[nodiscard]] std::vector<TopLine> render_frame(const TopAnswers& answers, const TopControls& controls, TopSize size,
                                                const TopOptions& options);

/// Bars for the latest `width` values between the smallest and the largest of them. Pure.
[[nodiscard]] std::string spark_line(const std::vector<std::uint64_t>& values, std::size_t width, bool unicode);

}  // namespace holdfast
