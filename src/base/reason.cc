#include <holdfast/reason.h>

#include "base/check.h"

namespace holdfast {

namespace {

struct Row {
    CloseReason reason;
    ReasonKind kind;
    std::string_view word;
};

// In the order of the enumeration: row_of relies on it, and a test checks it.
constexpr std::array<Row, close_reason_count> rows{{
    {CloseReason::peer_closed, ReasonKind::peer, "peer_closed"},
    {CloseReason::peer_reset, ReasonKind::peer, "peer_reset"},
    {CloseReason::keepalive_expired, ReasonKind::network, "keepalive_expired"},
    {CloseReason::retransmit_expired, ReasonKind::network, "retransmit_expired"},
    {CloseReason::window_stalled, ReasonKind::network, "window_stalled"},
    {CloseReason::unreachable, ReasonKind::network, "unreachable"},
    {CloseReason::read_idle, ReasonKind::policy, "read_idle"},
    {CloseReason::item_deadline, ReasonKind::policy, "item_deadline"},
    {CloseReason::kicked, ReasonKind::policy, "kicked"},
    {CloseReason::superseded, ReasonKind::policy, "superseded"},
    {CloseReason::unauthenticated, ReasonKind::policy, "unauthenticated"},
    {CloseReason::item_too_large, ReasonKind::protocol, "item_too_large"},
    {CloseReason::too_many_bad_items, ReasonKind::protocol, "too_many_bad_items"},
    {CloseReason::tls_failed, ReasonKind::protocol, "tls_failed"},
    {CloseReason::proxy_header_invalid, ReasonKind::protocol, "proxy_header_invalid"},
    {CloseReason::out_of_memory, ReasonKind::resource, "out_of_memory"},
    {CloseReason::shed, ReasonKind::resource, "shed"},
    {CloseReason::drained, ReasonKind::local, "drained"},
    {CloseReason::shutdown, ReasonKind::local, "shutdown"},
    {CloseReason::gateway_lost, ReasonKind::local, "gateway_lost"},
    {CloseReason::internal_error, ReasonKind::local, "internal_error"},
}};

constexpr std::array<CloseReason, close_reason_count> reasons_of_rows() {
    std::array<CloseReason, close_reason_count> reasons{};
    for (std::size_t i = 0; i < rows.size(); ++i) reasons[i] = rows[i].reason;
    return reasons;
}

const Row& row_of(CloseReason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    HOLDFAST_CHECK(index < rows.size());
    return rows[index];
}

}  // namespace

constexpr std::array<CloseReason, close_reason_count> all_close_reasons = reasons_of_rows();

std::string_view to_string(CloseReason reason) noexcept { return row_of(reason).word; }

ReasonKind kind_of(CloseReason reason) noexcept { return row_of(reason).kind; }

std::string_view to_string(ReasonKind kind) noexcept {
    switch (kind) {
        case ReasonKind::peer:
            return "peer";
        case ReasonKind::network:
            return "network";
        case ReasonKind::policy:
            return "policy";
        case ReasonKind::protocol:
            return "protocol";
        case ReasonKind::resource:
            return "resource";
        case ReasonKind::local:
            return "local";
    }
    HOLDFAST_CHECK(false);
}

std::optional<CloseReason> parse_close_reason(std::string_view word) noexcept {
    for (const Row& row : rows) {
        if (row.word == word) return row.reason;
    }
    return std::nullopt;
}

}  // namespace holdfast
