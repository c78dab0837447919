#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "api/metric_table.h"
#include "api/render.h"
#include "text/json_writer.h"

namespace holdfast {

/// True unless the value is a histogram or build_info, which are on the metrics page only.
template <typename Value>
inline constexpr bool has_json = !std::is_same_v<Value, DurationHistogram> && !std::is_same_v<Value, BuildInfo>;
template <typename Value, std::size_t size>
inline constexpr bool has_json<std::array<Value, size>> = has_json<Value>;

/// Writes the figures of a part as members of the open object, in the order of its rows. "group.name" opens and closes
/// objects.
class FiguresJson {
public:
    /// Writes figures of scope `tls` only if `tls`.
    template <typename Part>
    static void write(JsonWriter& json, const Part& part, bool tls = false) {
        FiguresJson figures(json);
        each_row<Part>([&](const auto& row) {
            if (row.json.empty() || (row.scope == MetricScope::tls && !tls)) return;
            const auto& value = std::invoke(row.get, part);
            if constexpr (has_json<std::remove_cvref_t<decltype(value)>>) figures.put(row.json, row, value);
        });
        figures.enter("");
    }

private:
    explicit FiguresJson(JsonWriter& json) : json_(json) {}

    void enter(std::string_view group) {
        if (group == group_) return;
        if (!group_.empty()) json_.end_object();
        if (!group.empty()) json_.key(group).begin_object();
        group_ = group;
    }

    template <typename Row, typename Value>
    void put(std::string_view path, const Row& row, const Value& value) {
        const std::size_t dot = path.find('.');
        enter(dot == std::string_view::npos ? std::string_view() : path.substr(0, dot));
        const std::string_view name = dot == std::string_view::npos ? path : path.substr(dot + 1);
        json_.key(name);
        if constexpr (std::integral<Value>) {
            row.type == MetricType::flag ? json_.value(value != 0) : json_.value(value);
        } else {
            put_value(name, value);
        }
    }

    template <typename Row, typename Value, std::size_t size>
    void put(std::string_view path, const Row& row, const std::array<Value, size>& values) {
        enter(path);
        for (std::size_t i = 0; i < size; ++i) json_.field(row.label.word(i), values[i]);
    }

    /// Writes null for an empty text.
    void put_value(std::string_view, const std::string& text) { text.empty() ? json_.null() : json_.value(text); }
    void put_value(std::string_view, EventTime time) { json_.value(render_time(time)); }
    /// Writes the value in the unit that the name ends in.
    template <typename Rep, typename Period>
    void put_value(std::string_view name, std::chrono::duration<Rep, Period> time) {
        json_.value(name.ends_with("_ms") ? std::chrono::duration<double, std::milli>(time).count()
                                          : std::chrono::duration<double>(time).count());
    }
    template <typename Value>
    void put_value(std::string_view name, const std::optional<Value>& value) {
        if (!value) {
            json_.null();
        } else if constexpr (std::integral<Value>) {
            json_.value(*value);
        } else {
            put_value(name, *value);
        }
    }

    JsonWriter& json_;
    std::string_view group_;
};

}  // namespace holdfast
