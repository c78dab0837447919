#include "text/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::string_view gap = "  ";

/// Returns the width in characters, counted as code points.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool wants_bold() { return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace

std::string dash_if_empty(std::string text) { return text.empty() ? "-" : text; }

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    for (const Column& column : columns_) titles_.push_back(column.title);
}

void Table::add(std::vector<std::string> cells) {
    HOLDFAST_CHECK(cells.size() == columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
    std::vector<std::size_t> out;
    for (const std::string& title : titles_) out.push_back(width_of(title));
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) out[i] = std::max(out[i], width_of(row[i]));
    }
    return out;
}

std::string Table::line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                        std::size_t indent) const {
    std::string out(indent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string padding(widths[i] - width_of(cells[i]), ' ');
        if (i > 0) out += gap;
        out += columns_[i].align == Align::right ? padding + cells[i] : cells[i] + padding;
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
}

std::string Table::text(bool bold_titles, std::size_t indent) const {
    const auto wide = widths();
    const std::string head = line(titles_, wide, indent);
    std::string out = bold_titles ? std::string(bold_on) + head + std::string(bold_off) + "\n" : head + "\n";
    for (const auto& row : rows_) out += line(row, wide, indent) + "\n";
    return out;
}

void Table::print(std::size_t indent) const { std::cout << text(wants_bold(), indent); }

}  // namespace holdfast
