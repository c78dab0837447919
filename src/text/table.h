#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::left;  ///< right for numbers
};

/// Returns the text of a cell, or "-" if there is none.
[[nodiscard]] std::string dash_if_empty(std::string text);

/// Marks around the titles of a table.
inline constexpr std::string_view bold_on = "\x1b[1m";
inline constexpr std::string_view bold_off = "\x1b[0m";

/// Rows of text in columns that are as wide as their widest cell. A value; printing does not change it. Control
/// characters become visible, because cells may come from devices and must not control the terminal.
class Table {
public:
    explicit Table(std::vector<Column> columns);

    /// Adds a row with one cell for each column.
    void add(std::vector<std::string> cells);

    [[nodiscard]] std::size_t size() const { return rows_.size(); }

    /// Returns the titles and the rows as lines that end in a line feed, with `indent` spaces in front. Titles are bold
    /// if `bold_titles`.
    [[nodiscard]] std::string text(bool bold_titles, std::size_t indent = 0) const;

    /// Prints to standard output, with bold titles if that is a terminal and NO_COLOR is not set.
    void print(std::size_t indent = 0) const;

private:
    [[nodiscard]] std::vector<std::size_t> widths() const;
    [[nodiscard]] std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                                   std::size_t indent) const;

    std::vector<Column> columns_;
    std::vector<std::string> titles_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace holdfast
