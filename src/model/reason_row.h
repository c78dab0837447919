#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/reason.h>

namespace holdfast {

/// Common theme of the reasons of a drop. The cause in an alarm follows from it.
enum class ReasonTheme : std::uint8_t {
    silent,
    unreachable,
    reset,
    closed,
    stalled,
    idle,
    framing,
    tls,
    memory,
    defect,
    mixed
};

/// Meaning of a connection's end for its population.
enum class CloseClass : std::uint8_t {
    hard,     ///< an unwanted end: the network, a deadline, a protocol fault, memory
    reset,    ///< the peer or something on the way reset it; also a restart
    orderly,  ///< the peer closed: relevant if it does not return
};
inline constexpr std::size_t close_class_count = 3;

/// Colours of the dashboard, "#rrggbb".
struct SchemeColors {
    std::string_view light;
    std::string_view dark;
};

struct ReasonKindRow {
    ReasonKind kind;
    std::string_view word;
    SchemeColors color;
};

/// Holds all that the project knows about one reason. The texts are Markdown of docs/reference/reasons.md.
struct ReasonRow {
    CloseReason reason;
    std::string_view word;
    ReasonKind kind;
    ReasonTheme theme;
    std::optional<CloseClass> close_class;  ///< empty: the operator chose the end, or another connection replaced it
    SchemeColors color;
    std::string_view meaning;
    std::string_view evidence;  ///< what its closed event shows
    std::string_view one;       ///< how to read a single one
    std::string_view many;      ///< what to check if many end together
};

/// Returns the rows in the order of the enumerations.
[[nodiscard]] std::span<const ReasonRow> reason_rows() noexcept;
[[nodiscard]] std::span<const ReasonKindRow> reason_kind_rows() noexcept;

[[nodiscard]] const ReasonRow& row_of(CloseReason reason) noexcept;

/// Returns docs/reference/reasons.md.
[[nodiscard]] std::string reasons_page();

}  // namespace holdfast
