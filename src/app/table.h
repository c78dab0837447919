#pragma once

#include <string>
#include <vector>

namespace holdfast {

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::left;  ///< right for numbers
};

/// Returns the text of a cell, or "-" if there is none.
[[nodiscard]] std::string dash_if_empty(std::string text);

/// Rows of text under titles, in columns as wide as their widest cell. A value; printing does not change it.
/// Cells may come from devices: control characters are made visible, so that they cannot reach the terminal.
class Table {
public:
    explicit Table(std::vector<Column> columns);

    /// As many cells as there are columns.
    void add(std::vector<std::string> cells);

    [[nodiscard]] std::size_t size() const { return rows_.size(); }

    /// Lines, each ending in '\n', titles first, `indent` spaces before each; the titles in bold if asked.
    [[nodiscard]] std::string text(bool bold_titles, std::size_t indent = 0) const;

    /// On standard output, the titles in bold if that is a terminal and NO_COLOR is not set.
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
