#include "api/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "api/metric_table.h"

namespace holdfast {
namespace {

/// Returns name="value" with the escapes of the text format.
std::string label_text(std::string_view name, std::string_view value) {
    std::string text = std::string(name) + "=\"";
    for (const char c : value) {
        if (c == '\\' || c == '"') text += '\\';
        c == '\n' ? void(text += "\\n") : void(text += c);
    }
    return text + '"';
}

std::string joined(const std::string& one, const std::string& other) {
    return one.empty() || other.empty() ? one + other : one + "," + other;
}

/// Writes the Prometheus text format 0.0.4: families in the order of begin(), each with its samples.
class MetricsText {
public:
    /// Writes HELP and TYPE unless the family is open already.
    void begin(std::string_view name, MetricType type, std::string_view help) {
        if (name == name_) return;
        name_ = name;
        const std::string_view word = type == MetricType::counter     ? "counter"
                                      : type == MetricType::histogram ? "histogram"
                                                                      : "gauge";
        text_.append("# HELP ").append(name).append(" ");
        for (const char c : help) c == '\\' ? text_ += "\\\\" : c == '\n' ? text_ += "\\n" : text_ += c;
        text_.append("\n# TYPE ").append(name).append(" ").append(word).append("\n");
    }

    template <typename Number>
    void sample(std::string_view suffix, const std::string& labels, Number value) {
        text_.append(name_).append(suffix);
        if (!labels.empty()) text_.append("{").append(labels).append("}");
        text_.append(" ").append(number(value)).append("\n");
    }

    /// Returns the shortest text that parses to the same value.
    template <typename Number>
    static std::string number(Number value) {
        if constexpr (std::is_floating_point_v<Number>) {
            if (std::isnan(value)) return "NaN";
            if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
        }
        std::array<char, 32> text{};
        return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
    }

    [[nodiscard]] std::string take() && { return std::move(text_); }

private:
    std::string text_;
    std::string_view name_;
};

/// Writes the samples of one row for one part, by the type of the value.
class Samples {
public:
    Samples(MetricsText& out, MetricType type, MetricLabel label) : out_(out), type_(type), label_(label) {}

    template <typename Value>
    void write(const std::string& part, const Value& value) {
        value_of(label_.word == nullptr && !label_.value.empty() ? with(part, label_.value) : part, value);
    }

private:
    [[nodiscard]] std::string with(const std::string& labels, std::string_view value) const {
        return joined(labels, label_text(label_.name, value));
    }

    template <std::integral Value>
    void value_of(const std::string& labels, Value value) {
        out_.sample("", labels, type_ == MetricType::flag ? std::uint64_t{value != 0} : std::uint64_t{value});
    }
    void value_of(const std::string& labels, double value) { out_.sample("", labels, value); }
    void value_of(const std::string& labels, const std::string& text) { value_of(labels, !text.empty()); }
    template <typename Rep, typename Period>
    void value_of(const std::string& labels, std::chrono::duration<Rep, Period> time) {
        value_of(labels, std::chrono::duration<double>(time).count());
    }
    void value_of(const std::string& labels, EventTime time) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
        out_.sample("", labels, seconds);
    }
    /// Writes NaN for an unknown value, which differs from zero.
    template <typename Value>
    void value_of(const std::string& labels, const std::optional<Value>& value) {
        value ? value_of(labels, *value) : value_of(labels, std::numeric_limits<double>::quiet_NaN());
    }
    void value_of(const std::string& labels, BuildInfo) {
        const std::string build = label_text("version", version()) + "," + label_text("compiler", __VERSION__);
        value_of(joined(labels, build), std::uint64_t{1});
    }
    void value_of(const std::string& labels, const DurationHistogram& histogram) {
        for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
            const double bound = i < duration_bounds_s.size() ? duration_bounds_s[i] : HUGE_VAL;
            out_.sample("_bucket", joined(labels, label_text("le", MetricsText::number(bound))), histogram.counts[i]);
        }
        out_.sample("_sum", labels, histogram.sum_s);
        out_.sample("_count", labels, histogram.counts.back());
    }
    template <typename Value, std::size_t size>
    void value_of(const std::string& labels, const std::array<Value, size>& values) {
        for (std::size_t i = 0; i < size; ++i) value_of(with(labels, label_.word(i)), values[i]);
    }

    MetricsText& out_;
    MetricType type_;
    MetricLabel label_;
};

/// Lists the parts of one table, each with its label.
template <typename Part>
using Parts = std::vector<std::pair<std::string, const Part*>>;

template <typename Part, typename PartsOf>
void add_rows(MetricsText& out, const PartsOf& parts_of) {
    each_row<Part>([&](const auto& row) {
        if (row.name.empty()) return;
        out.begin(row.name, row.type, row.help);
        Samples samples(out, row.type, row.label);
        for (const auto& [label, part] : parts_of(row.scope)) samples.write(label, std::invoke(row.get, *part));
    });
}

template <typename Part>
void add_part(MetricsText& out, const Part& part) {
    add_rows<Part>(out, [&part](MetricScope) { return Parts<Part>{{"", &part}}; });
}

template <typename Part, typename Name>
void add_parts(MetricsText& out, const std::vector<Part>& parts, const Name& name_of) {
    add_rows<Part>(out, [&](MetricScope) {
        Parts<Part> named;
        for (const Part& part : parts)
            named.emplace_back(label_text(MetricTable<Part>::part.label, name_of(part)), &part);
        return named;
    });
}

void add_listeners(MetricsText& out, const std::vector<ListenerStatus>& listeners) {
    ListenerStatus sum;
    for (const ListenerStatus& listener : listeners) add_figures(sum, listener);
    add_rows<ListenerStatus>(out, [&](MetricScope scope) {
        if (scope == MetricScope::summed) return Parts<ListenerStatus>{{"", &sum}};
        Parts<ListenerStatus> named;
        for (const ListenerStatus& each : listeners) {
            if (scope == MetricScope::tls && !each.tls_good_until) continue;
            named.emplace_back(label_text(MetricTable<ListenerStatus>::part.label, each.name), &each);
        }
        return named;
    });
}

}  // namespace

std::string render_metrics(const MetricsParts& parts) {
    MetricsText out;
    add_listeners(out, parts.status.listeners);
    add_part(out, parts.status);
    const auto& turns = parts.status.turns;
    add_parts(out, turns, [&](const TurnStatus& each) { return std::to_string(&each - turns.data()); });
    if (parts.sink != nullptr) {
        add_part(out, *parts.sink);
        if (parts.sink->spool) {
            add_part(out, *parts.sink->spool);
            add_parts(out, parts.sink->spool->groups, [](const auto& group) { return group.name; });
        }
        if (parts.sink->nats) add_part(out, *parts.sink->nats);
    }
    if (parts.watch != nullptr) add_part(out, *parts.watch);
    if (parts.process != nullptr) add_part(out, *parts.process);
    if (parts.admin != nullptr) add_part(out, *parts.admin);
    if (parts.reloads != nullptr) add_part(out, parts.reloads->figures());
    if (parts.fleet != nullptr) add_part(out, *parts.fleet);
    return std::move(out).take();
}

namespace {

/// A line of docs/reference/metrics.md: the rows of one family, or one figure without a metric.
struct PageLine {
    std::string metric;
    std::string type;
    std::string help;
    std::string labels;
    std::string json;
};

/// Returns the values of a label, or the page that lists them.
template <typename Value>
std::string values_of(const MetricLabel& label) {
    if (label.word == nullptr) return label.value.empty() ? "" : "`" + std::string(label.value) + "`";
    if (label.name == "reason") return "[reasons](reasons.md)";
    if (label.name == "alarm") return "[alarms](../tasks/alarms.md)";
    std::string values;
    if constexpr (requires { std::tuple_size<Value>::value; }) {
        for (std::size_t i = 0; i < std::tuple_size_v<Value>; ++i) {
            values += (i == 0 ? "`" : ", `") + std::string(label.word(i)) + "`";
        }
    }
    return values;
}

template <typename Part, typename Row>
void add_line(std::vector<PageLine>& lines, const Row& row) {
    using Value = std::remove_cvref_t<decltype(std::invoke(row.get, std::declval<const Part&>()))>;
    constexpr std::array types{"", "counter", "gauge", "gauge", "histogram"};
    const std::string part(row.scope == MetricScope::summed ? "" : MetricTable<Part>::part.label);
    const std::string labels = joined(part, std::string(row.label.name));
    const std::string values = values_of<Value>(row.label);
    const std::string json =
        row.json.empty() ? "" : "`" + std::string(MetricTable<Part>::part.json) + std::string(row.json) + "`";
    if (row.help.empty()) {
        lines.back().labels += ", " + values;
        lines.back().json += json.empty() ? "" : ", " + json;
        return;
    }
    const std::string metric = std::string(row.name) + (labels.empty() ? "" : "{" + labels + "}");
    lines.push_back({.metric = row.name.empty() ? "" : "`" + metric + "`",
                     .type = types[static_cast<std::size_t>(row.type)],
                     .help = std::string(row.help),
                     .labels = values.empty() ? "" : "`" + std::string(row.label.name) + "`: " + values,
                     .json = json});
}

template <typename Part>
void add_section(std::string& page) {
    constexpr MetricPart part = MetricTable<Part>::part;
    page.append("\n## ").append(part.title).append("\n\n");
    if (!part.where.empty()) page.append(part.where).append("\n\n");
    page += "| metric | type | meaning | values of labels | `/v1/status` |\n|---|---|---|---|---|\n";
    std::vector<PageLine> lines;
    each_row<Part>([&lines](const auto& row) { add_line<Part>(lines, row); });
    for (const PageLine& line : lines) {
        for (const std::string* cell : {&line.metric, &line.type, &line.help, &line.labels, &line.json}) {
            page.append(cell == &line.metric ? "| " : " | ").append(*cell);
        }
        page += " |\n";
    }
}

template <typename... Parts>
void add_sections(std::string& page) {
    (add_section<Parts>(page), ...);
}

}  // namespace

std::string metrics_page() {
    std::string page =
        "# Metrics\n\n"
        "`GET /metrics` answers in the Prometheus text format 0.0.4. The last column names the same figure in "
        "`/v1/status`. Lines\n"
        "without a metric are figures of `/v1/status` only. Counters start at 0 with the gateway. Every value of a "
        "label is there\n"
        "from the start.\n";
    add_sections<ListenerStatus, ServerStatus, TurnStatus, WatchStatus, SinkStatus, SpoolStatus, SpoolGroup,
                 ForwarderStatus, FleetStatus, AdminMeter, ReloadMeter::Figures, ProcessStatus>(page);
    return page;
}

}  // namespace holdfast
