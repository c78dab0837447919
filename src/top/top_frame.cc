#include "top/top_frame.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "model/gateway_faults.h"
#include "text/printable.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

constexpr std::size_t max_alarms = 3;    // further ones are only counted
constexpr std::size_t longest_key = 40;  // in characters

std::string clipped(std::string text, std::size_t columns) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
        if (++width > columns) {
            text.resize(i);
            break;
        }
    }
    return text;
}

std::uint64_t sum(const std::vector<AnswerView>& points, std::string_view pointer) {
    std::uint64_t total = 0;
    for (const AnswerView& point : points) total += point.count(pointer);
    return total;
}

using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

/// Returns the closes by reason, largest first.
Counts closed_in(const std::vector<AnswerView>& points) {
    Counts all;
    for (const AnswerView& point : points) {
        for (const auto& [reason, count] : point.counts("/closed")) {
            const auto same = [&name = reason](const auto& one) { return one.first == name; };
            const auto known = std::find_if(all.begin(), all.end(), same);
            if (known == all.end()) {
                all.emplace_back(reason, count);
            } else {
                known->second += count;
            }
        }
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return all;
}

/// Returns "0.3", "12" or "1,532".
std::string human_rate(std::uint64_t count, std::uint64_t seconds) {
    const double rate = static_cast<double>(count) / static_cast<double>(std::max<std::uint64_t>(seconds, 1));
    if (rate > 0 && rate < 10) {
        const auto tenths = static_cast<std::uint64_t>(std::llround(rate * 10));
        return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
    }
    return human_count(static_cast<std::uint64_t>(std::llround(rate)));
}

/// A JSON document and a view of it. Malformed text gives an empty document.
class Document {
public:
    explicit Document(const std::string& json) {
        if (parser_.parse(json).get(root_)) root_ = parser_.parse(std::string_view("{}")).value();
    }
    [[nodiscard]] AnswerView view() const { return AnswerView(root_); }

private:
    simdjson::dom::parser parser_;
    simdjson::dom::element root_;
};

/// A column of the table of connections.
struct TableField {
    std::string_view title;
    Align align;
    std::string (*cell)(const AnswerView& row);
};

std::string key_of(const AnswerView& row) {
    const std::string key = row.text("/key");
    return key.empty() ? "-" : clipped(key, longest_key);
}

std::string id_of(const AnswerView& row) {
    const std::string id = row.text("/id");
    return id.empty() ? "-" : clipped(id, longest_key);
}

constexpr std::string_view id_title = "ID";
constexpr std::string_view suspect_title = "SUSPECT";

/// Returns "16:02:03", or "-" if the connection is not suspect.
std::string suspect_of(const AnswerView& row) {
    const std::string since = row.text("/suspect_since");
    const std::size_t time = since.find('T');
    return time == std::string::npos ? "-" : since.substr(time + 1, 8);
}

constexpr std::array<TableField, 11> fields{
    {{"CONN", Align::left, [](const AnswerView& row) { return row.text("/conn"); }},
     {"PEER", Align::left, [](const AnswerView& row) { return row.text("/peer"); }},
     {id_title, Align::left, id_of},
     {"KEY", Align::left, key_of},
     {suspect_title, Align::left, suspect_of},
     {"AGE", Align::right, [](const AnswerView& row) { return human_seconds(row.real("/age_s")); }},
     {"SINCE ITEM", Align::right, [](const AnswerView& row) { return human_seconds(row.real("/since_item_s")); }},
     {"ITEMS", Align::right, [](const AnswerView& row) { return human_count(row.count("/items")); }},
     {"RECEIVED", Align::right, [](const AnswerView& row) { return human_bytes(row.count("/bytes_in")); }},
     {"SENT", Align::right, [](const AnswerView& row) { return human_bytes(row.count("/bytes_out")); }},
     {"LISTENER", Align::left, [](const AnswerView& row) { return row.text("/listener"); }}}};

/// Columns that a narrow window omits, the first one first.
constexpr std::array<std::string_view, 6> dispensables{"LISTENER", "SENT", "RECEIVED", "SINCE ITEM", "CONN", "ITEMS"};

/// Removes a column if none of the rows has the field.
void drop_if_none_has(std::vector<TableField>& shown, std::string_view title, const std::vector<AnswerView>& rows,
                      std::string_view pointer) {
    if (std::any_of(rows.begin(), rows.end(), [=](const AnswerView& row) { return row.has(pointer); })) return;
    std::erase_if(shown, [=](const TableField& field) { return field.title == title; });
}

std::string table_text(const std::vector<AnswerView>& rows, const std::vector<TableField>& shown) {
    std::vector<Column> columns;
    for (const TableField& field : shown) columns.push_back({std::string(field.title), field.align});
    Table table(std::move(columns));
    for (const AnswerView& row : rows) {
        std::vector<std::string> cells;
        for (const TableField& field : shown) cells.push_back(field.cell(row));
        table.add(std::move(cells));
    }
    return table.text(false);
}

std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::size_t width = 0;
    for (const char c : text) {
        if (c == '\n')
            width = 0;
        else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80)
            widest = std::max(widest, ++width);
    }
    return widest;
}

class Screen {
public:
    Screen(const TopAnswers& answers, const TopControls& controls, TopSize size, const TopOptions& options)
        : answers_(answers), controls_(controls), size_(size), options_(options), status_(answers.status) {}

    std::vector<TopLine> render() {
        if (size_.lines == 0) return {};
        add_title();
        add_failure();
        if (!answers_.failure || !answers_.status.empty()) add_figures();
        const std::size_t room = size_.lines - (options_.with_keys ? 1 : 0);
        if (lines_.size() > room) lines_.resize(room);
        if (options_.with_keys) {
            lines_.resize(room);  // the key help is at the bottom
            add(keys(), TopStyle::footer);
        }
        return std::move(lines_);
    }

private:
    void add_figures() {
        add_population();
        add_rates();
        add_warnings();
        add_alarms();
        add("");
        add_connections();
    }

    void add(std::string text, TopStyle style = TopStyle::plain) {
        const bool old = stale_ && style != TopStyle::heading && style != TopStyle::footer;
        lines_.push_back({clipped(std::move(text), size_.columns), old ? TopStyle::stale : style});
    }

    void add_title() {
        const AnswerView status = status_.view();
        std::string title = "holdfast";
        if (status.has("/version")) {
            title += " " + printable(status.text("/version")) + ", up " + human_seconds(status.real("/uptime_s"));
        }
        title += ", " + printable(options_.admin);
        if (controls_.paused) title += ", PAUSED";
        if (status.flag("/draining")) title += ", DRAINING";
        if (status.flag("/out_of_service")) title += ", OUT OF SERVICE";
        add(title, TopStyle::title);
    }

    /// Adds why the gateway's state is not known. The lines that follow are of an earlier time.
    void add_failure() {
        if (!answers_.failure) return;
        add("! " + printable(answers_.failure->text()), TopStyle::alarm);
        if (answers_.at.empty()) return;
        add("! not known since " + answers_.at + " UTC: all below is of that time", TopStyle::alarm);
        stale_ = true;
    }

    void add_population() {
        const AnswerView status = status_.view();
        std::string line = human_count(status.count("/connections")) + " of at most " +
                           human_count(status.count("/max_connections")) + " connections";
        if (status.count("/identified") > 0) line += ", " + human_count(status.count("/identified")) + " by id";
        const Document trend(answers_.trend);
        const auto points = trend.view().list("/points");
        if (points.empty()) return add(line);
        std::vector<std::uint64_t> values;
        std::uint64_t fewest = points.front().count("/fewest");
        std::uint64_t max = 0;
        for (const AnswerView& point : points) {
            values.push_back(point.count("/connections"));
            fewest = std::min(fewest, point.count("/fewest"));
            max = std::max(max, point.count("/most"));
        }
        const std::string window = human_window(trend.view().count("/window_s"));
        const std::string range = "  " + human_count(fewest) + " to " + human_count(max) + " in " + window;
        const std::size_t used = line.size() + 2 + range.size();
        const std::size_t room = size_.columns > used ? size_.columns - used : 0;
        const BarRange bars{fewest, std::max(fewest, max)};
        add(line + "  " + spark_line(values, bars, std::min<std::size_t>(room, 60), options_.unicode) + range);
        add("closed in " + window + ": " + reasons_text(closed_in(points)));
    }

    static std::string human_window(std::uint64_t seconds) {
        return seconds % 60 == 0 ? std::to_string(seconds / 60) + " min" : std::to_string(seconds) + " s";
    }

    static std::string reasons_text(const Counts& closed) {
        std::string out;
        for (const auto& [reason, count] : closed) {
            out += (out.empty() ? "" : ", ") + human_count(count) + " " + printable(reason);
        }
        return out.empty() ? "none" : out;
    }

    void add_rates() {
        const Document recent(answers_.recent);
        const auto points = recent.view().list("/points");
        if (points.empty()) return;
        const std::uint64_t seconds = points.size() * recent.view().count("/step_s");
        std::uint64_t closed = 0;
        for (const auto& [reason, count] : closed_in(points)) closed += count;
        const auto rate = [&](std::uint64_t count, const char* what) { return human_rate(count, seconds) + what; };
        add("per second: " + rate(sum(points, "/accepted"), " accepted, ") + rate(closed, " closed, ") +
            rate(sum(points, "/refused"), " refused, ") + rate(sum(points, "/items"), " items, ") +
            rate(sum(points, "/bad_items"), " bad items"));
    }

    void add_warnings() {
        const AnswerView status = status_.view();
        const std::uint64_t suspects = status.count("/suspects");
        if (suspects > 0) {
            add("! " + human_count(suspects) + " suspect: probed and silent since; see holdfast list --suspect",
                TopStyle::warning);
        }
        if (status.flag("/reading_paused")) add("! the sink is full, and devices wait", TopStyle::alarm);
        const std::string trouble = status.text("/sink/error");
        if (!trouble.empty()) add("! " + sink_fault_text(trouble), TopStyle::alarm);
        for (const AnswerView& listener : status.list("/listeners")) {
            if (listener.flag("/accept_paused"))
                add("! " + accept_paused_text(listener.text("/name")), TopStyle::warning);
        }
    }

    void add_alarms() {
        const Document board(answers_.alarms);
        const auto active = board.view().list("/active");
        for (std::size_t i = 0; i < std::min(active.size(), max_alarms); ++i) {
            const AnswerView& alarm = active[i];
            const std::string listener = printable(alarm.text("/listener"));
            add("! " + printable(alarm.text("/alarm")) + (listener.empty() ? "" : " on " + listener) + ": " +
                    printable(alarm.text("/summary")),
                TopStyle::alarm);
            add("  " + printable(alarm.text("/cause")));
        }
        if (active.size() <= max_alarms) return;
        add("! " + std::to_string(active.size() - max_alarms) + " more; see holdfast alarms", TopStyle::alarm);
    }

    void add_connections() {
        const Document page(answers_.connections);
        total_ = page.view().count("/total");
        const auto rows = page.view().list("/connections");
        if (rows.empty()) {
            return add(controls_.filter.empty() ? "no connections" : "no connection matches the filter");
        }
        std::vector<TableField> shown(fields.begin(), fields.end());
        drop_if_none_has(shown, id_title, rows, "/id");
        drop_if_none_has(shown, suspect_title, rows, "/suspect_since");
        std::string text = table_text(rows, shown);
        for (const std::string_view dispensable : dispensables) {
            if (widest_line(text) <= size_.columns) break;
            std::erase_if(shown, [&](const TableField& field) { return field.title == dispensable; });
            text = table_text(rows, shown);
        }
        TopStyle style = TopStyle::heading;
        for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
            add(text.substr(begin, end - begin), std::exchange(style, TopStyle::plain));
        }
    }

    [[nodiscard]] std::string keys() const {
        if (controls_.typing) {
            return "filter by peer prefix, key or id (Enter applies, Esc cancels): " + printable(controls_.typed);
        }
        std::string out = controls_.paused ? "q quit  p resume  s sort: " : "q quit  p pause  s sort: ";
        out +=
            std::string(to_string(controls_.sort)) + (controls_.reverse ? " reversed" : "") + "  r reverse  / filter: ";
        if (controls_.filter.empty()) return out + "none";
        return out + printable(controls_.filter) + " (" + human_count(total_) + ")";
    }

    const TopAnswers& answers_;
    const TopControls& controls_;
    const TopSize size_;
    const TopOptions& options_;
    const Document status_;
    std::vector<TopLine> lines_;
    std::uint64_t total_ = 0;  // connections that match the filter
    bool stale_ = false;       // the next lines are of an earlier time
};

}  // namespace

std::vector<TopLine> render_frame(const TopAnswers& answers, const TopControls& controls, TopSize size,
                                  const TopOptions& options) {
    return Screen(answers, controls, size, options).render();
}

std::string spark_line(const std::vector<std::uint64_t>& values, BarRange range, std::size_t width, bool unicode) {
    constexpr std::array<std::string_view, 8> bars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::array<std::string_view, 8> plain{"_", ".", ",", "-", "~", "=", "+", "#"};
    const std::size_t shown = std::min(width, values.size());
    std::string out;
    for (std::size_t bar = 0; bar < shown; ++bar) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>(bar * values.size() / shown);
        const auto end = values.begin() + static_cast<std::ptrdiff_t>((bar + 1) * values.size() / shown);
        const std::uint64_t value = std::clamp(*std::min_element(begin, end), range.low, range.high);
        const double span = static_cast<double>(range.high - range.low);
        const double flat = range.high == 0 ? 0.0 : 0.5;
        const double height = span > 0 ? static_cast<double>(value - range.low) / span : flat;
        const auto level = static_cast<std::size_t>(std::lround(height * 7));
        out += unicode ? bars[level] : plain[level];
    }
    return out;
}

}  // namespace holdfast
