#include <array>

#include "base/check.h"
#include "model/reason_row.h"

namespace holdfast {

namespace {

constexpr std::array<ReasonKindRow, 6> kind_rows{{
    {ReasonKind::peer, "peer", {"#2f6fbf", "#69a8f5"}},
    {ReasonKind::network, "network", {"#c42f2b", "#ff7a70"}},
    {ReasonKind::policy, "policy", {"#8446b4", "#c894f7"}},
    {ReasonKind::protocol, "protocol", {"#9a5b00", "#dd9c1f"}},
    {ReasonKind::resource, "resource", {"#067a65", "#5fceb3"}},
    {ReasonKind::local, "local", {"#5d6874", "#a4afba"}},
}};

constexpr std::array<ReasonRow, close_reason_count> rows{{
    {.reason = CloseReason::peer_closed,
     .word = "peer_closed",
     .kind = ReasonKind::peer,
     .theme = ReasonTheme::closed,
     .close_class = CloseClass::orderly,
     .color = {"#3a81d7", "#539af2"},
     .meaning = "The device closed the connection in an orderly way (FIN).",
     .evidence = "`error` is null.",
     .one = "Ordinary.",
     .many = "The devices were updated; or a timeout of theirs or of a proxy expired: compare `duration_s`."},
    {.reason = CloseReason::peer_reset,
     .word = "peer_reset",
     .kind = ReasonKind::peer,
     .theme = ReasonTheme::reset,
     .close_class = CloseClass::reset,
     .color = {"#0053a4", "#a8ceff"},
     .meaning = "The device, or something on the way, reset the connection (RST).",
     .evidence = "`error` is `ECONNRESET` or `EPIPE`.",
     .one = "Ordinary: the device crashed, restarted, or closed with unread data.",
     .many =
         "Behind one address: that proxy, balancer or NAT restarted or timed out. A single model: check its firmware."},
    {.reason = CloseReason::keepalive_expired,
     .word = "keepalive_expired",
     .kind = ReasonKind::network,
     .theme = ReasonTheme::silent,
     .close_class = CloseClass::hard,
     .color = {"#cc3430", "#ff655a"},
     .meaning = "The connection was idle, and the kernel's keep-alive probes went unanswered.",
     .evidence = "`error` is `ETIMEDOUT`, `probes` is above 0, `unacked_bytes` is 0.",
     .one = "The device lost power or network.",
     .many = "A prefix: its link is down, and the alarm names it. All: check this host's network, firewall and "
             "conntrack."},
    {.reason = CloseReason::retransmit_expired,
     .word = "retransmit_expired",
     .kind = ReasonKind::network,
     .theme = ReasonTheme::silent,
     .close_class = CloseClass::hard,
     .color = {"#e54d45", "#ffa196"},
     .meaning = "Data to the device stayed unacknowledged.",
     .evidence = "`error` is `ETIMEDOUT` or null, `unacked_bytes` is above 0, `retransmits` is mostly above 0.",
     .one = "The device lost power or network while data was in flight.",
     .many = "As `keepalive_expired`. Only "
             "[with large downlinks](../tasks/troubleshooting.md#retransmit_expired-with-large-downlinks-only): a path "
             "drops large packets."},
    {.reason = CloseReason::window_stalled,
     .word = "window_stalled",
     .kind = ReasonKind::network,
     .theme = ReasonTheme::stalled,
     .close_class = CloseClass::hard,
     .color = {"#a70311", "#db423c"},
     .meaning = "The device's kernel answers, but its program does not read: the window stays zero.",
     .evidence = "`peer_window` is 0, `unacked_bytes` is above 0, `last_ack_ms` is small.",
     .one = "The device's program hangs.",
     .many = "The downlinks exceed what the devices read: send less, or raise `write_stall`."},
    {.reason = CloseReason::unreachable,
     .word = "unreachable",
     .kind = ReasonKind::network,
     .theme = ReasonTheme::unreachable,
     .close_class = CloseClass::hard,
     .color = {"#7c0109", "#fec9c2"},
     .meaning = "A router or the kernel reported a route error while data was in flight.",
     .evidence = "`error` is `EHOSTUNREACH`, `ENETUNREACH` or similar, `unacked_bytes` is above 0.",
     .one = "The device moved to another address.",
     .many = "A route or firewall rule changed: `ip route get ADDRESS`."},
    {.reason = CloseReason::read_idle,
     .word = "read_idle",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::idle,
     .close_class = CloseClass::hard,
     .color = {"#8d4fbc", "#c284f5"},
     .meaning = "No complete item arrived within `read_idle`.",
     .evidence = "`last_heard_ms` is small: the peer's TCP answers.",
     .one = "The device's program hangs.",
     .many = "Devices are quiet by design: raise `read_idle` or set it \"off\". Otherwise something answers in their "
             "place: "
             "see the alarm [`keepalive_ineffective`](../tasks/alarms.md#keepalive_ineffective)."},
    {.reason = CloseReason::item_deadline,
     .word = "item_deadline",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::framing,
     .close_class = CloseClass::hard,
     .color = {"#a668d7", "#dbb4ff"},
     .meaning = "A started item was not complete within `item_deadline`.",
     .evidence = "`detail` says whether the received bytes already are an object.",
     .one = "A bad link, or a slow attacker.",
     .many = "If the bytes already are an object, the clients need `framing = \"json\"`."},
    {.reason = CloseReason::kicked,
     .word = "kicked",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#672692", "#a365d4"},
     .meaning = "An operator or the program closed it, or a reload withdrew its proof of identity.",
     .evidence = "`detail` names the token, certificate or `ids_file` entry that a reload withdrew.",
     .one = "Ordinary.",
     .many = "Check what calls `DELETE /v1/connections`, and what the reload changed."},
    {.reason = CloseReason::application,
     .word = "application",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#7b3aa8", "#c493ec"},
     .meaning = "The program that embeds the library closed it for a reason of its own.",
     .evidence = "`code` is the program's number of the reason, and `detail` its sentence.",
     .one = "Ordinary.",
     .many = "See the documentation of that program. The daemon itself never gives this reason."},
    {.reason = CloseReason::superseded,
     .word = "superseded",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#54207c", "#ecd8ff"},
     .meaning =
         "[A newer connection](protocol.md#which-connection-speaks-for-a-device) of the same device took its place.",
     .evidence = "`id` is the device's; a `connected` or `identified` event of the newer connection has the same.",
     .one = "The device returned before its old connection was found dead.",
     .many = "Two devices share an id, or a proxy connects twice for each: see the alarm "
             "[`duplicate_device`](../tasks/alarms.md#duplicate_device)."},
    {.reason = CloseReason::unauthenticated,
     .word = "unauthenticated",
     .kind = ReasonKind::policy,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#3f0f66", "#8a50b8"},
     .meaning = "The connection did not prove its id, or another one has proved it.",
     .evidence = "`detail` says what was missing or wrong. No item was admitted, and `connected` comes with `closed`.",
     .one = "A peer that is no device, or a device without a token.",
     .many =
         "After a change of tokens: reload the gateway, and hand out new tokens first. From few addresses: an attack; "
         "set `max_connections_per_peer`."},
    {.reason = CloseReason::item_too_large,
     .word = "item_too_large",
     .kind = ReasonKind::protocol,
     .theme = ReasonTheme::framing,
     .close_class = CloseClass::hard,
     .color = {"#b66c02", "#ca8907"},
     .meaning = "An item exceeded `item.max_bytes`.",
     .evidence = "`bytes_in` is at least the limit.",
     .one = "A peer that is no device.",
     .many = "Raise the limit; or the clients write no newline, or use another framing."},
    {.reason = CloseReason::too_many_bad_items,
     .word = "too_many_bad_items",
     .kind = ReasonKind::protocol,
     .theme = ReasonTheme::framing,
     .close_class = CloseClass::hard,
     .color = {"#7a4702", "#ffbd59"},
     .meaning = "`max_bad_items` bad items arrived in a row.",
     .evidence = "`holdfast_bad_items_total` counts them by `kind`.",
     .one = "A peer that is no device: a scanner, or HTTP.",
     .many = "`no_key`: another `item.key`. `not_json`: another framing, or TLS on a plain port."},
    {.reason = CloseReason::tls_failed,
     .word = "tls_failed",
     .kind = ReasonKind::protocol,
     .theme = ReasonTheme::tls,
     .close_class = CloseClass::hard,
     .color = {"#955902", "#e5a52f"},
     .meaning = "The TLS handshake failed or took more than 5 s, or a record was broken.",
     .evidence = "`detail` says what was wrong.",
     .one = "A scanner, a device without TLS, or a certificate that expired or was revoked.",
     .many = "The devices do not know the authority of a new gateway certificate, or a revocation list is old: run "
             "`holdfast "
             "check`."},
    {.reason = CloseReason::proxy_header_invalid,
     .word = "proxy_header_invalid",
     .kind = ReasonKind::protocol,
     .theme = ReasonTheme::framing,
     .close_class = CloseClass::hard,
     .color = {"#503209", "#ffe2b3"},
     .meaning = "No valid PROXY header arrived within 5 s.",
     .evidence = "`detail` says what was wrong.",
     .one = "A proxy restarted while it connected.",
     .many = "The proxy sends no header or another version: HAProxy's `send-proxy` is v1, `send-proxy-v2` is v2. Or a "
             "program on "
             "the proxy's host connects by itself."},
    {.reason = CloseReason::out_of_memory,
     .word = "out_of_memory",
     .kind = ReasonKind::resource,
     .theme = ReasonTheme::memory,
     .close_class = CloseClass::hard,
     .color = {"#088871", "#5fceb3"},
     .meaning = "The process or the kernel had no memory for it.",
     .evidence = "`error` is `ENOMEM` if the kernel refused.",
     .one = "Check at once.",
     .many = "`MemoryMax=`, the host's memory, `net.ipv4.tcp_mem`, `fs.epoll.max_user_watches`."},
    {.reason = CloseReason::shed,
     .word = "shed",
     .kind = ReasonKind::resource,
     .theme = ReasonTheme::memory,
     .close_class = CloseClass::hard,
     .color = {"#0a6152", "#a5efdc"},
     .meaning = "All buffers came near `limits.buffer_budget`, and its source [held "
                "most](../explanation/security.md#shedding).",
     .evidence = "`detail` gives the size of the unfinished item.",
     .one = "Check at once.",
     .many = "See the alarm [`buffer_pressure`](../tasks/alarms.md#buffer_pressure): find the devices that send large "
             "unfinished items or do not read."},
    {.reason = CloseReason::drained,
     .word = "drained",
     .kind = ReasonKind::local,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#89929c", "#737e89"},
     .meaning = "A reload removed its listener, or an operator drains the gateway.",
     .evidence = "The data that the device had sent was delivered.",
     .one = "Ordinary.",
     .many = "Ordinary: the devices return where they find a listener."},
    {.reason = CloseReason::shutdown,
     .word = "shutdown",
     .kind = ReasonKind::local,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#6b7580", "#97a2ac"},
     .meaning = "The gateway stopped.",
     .evidence = "The data that the device had sent was delivered.",
     .one = "Ordinary.",
     .many = "Ordinary during a deployment. Otherwise the log says why the gateway stopped."},
    {.reason = CloseReason::gateway_lost,
     .word = "gateway_lost",
     .kind = ReasonKind::local,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#2b323a", "#e6ebf0"},
     .meaning = "Its gateway ended without closing it (crash, power).",
     .evidence =
         "`evidence` and the counts are null. In a fleet, `gateway` and `by` name the lost gateway and the writer.",
     .one = "The device connects again.",
     .many = "Check that gateway's log, host and network; `holdfast status --fleet` names it."},
    {.reason = CloseReason::gateway_crashed,
     .word = "gateway_crashed",
     .kind = ReasonKind::local,
     .theme = ReasonTheme::mixed,
     .close_class = std::nullopt,
     .color = {"#1f262d", "#d3dae2"},
     .meaning = "The gateway's worker ended unexpectedly, and the keeper could not keep the connection.",
     .evidence = "`detail` says what was lost with the worker.",
     .one = "The device connects again.",
     .many = "The log says why the worker ended: report a defect. Most connections outlive a worker."},
    {.reason = CloseReason::internal_error,
     .word = "internal_error",
     .kind = ReasonKind::local,
     .theme = ReasonTheme::defect,
     .close_class = CloseClass::hard,
     .color = {"#434c56", "#c1ccd7"},
     .meaning = "An error occurred that no other reason explains.",
     .evidence = "`error` is its errno.",
     .one = "A defect: report `error`, `detail` and the version.",
     .many = "The same."},
}};

template <typename Rows, typename Enumerator>
constexpr bool in_order(const Rows& table, Enumerator member) {
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (static_cast<std::size_t>(table[i].*member) != i) return false;
    }
    return true;
}
static_assert(in_order(rows, &ReasonRow::reason),
              "a reason has no row, or the rows are not in the order of CloseReason");
static_assert(in_order(kind_rows, &ReasonKindRow::kind));

constexpr std::array<CloseReason, close_reason_count> reasons_of_rows() {
    std::array<CloseReason, close_reason_count> reasons{};
    for (std::size_t i = 0; i < rows.size(); ++i) reasons[i] = rows[i].reason;
    return reasons;
}

}  // namespace

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

constexpr std::array<CloseReason, close_reason_count> all_close_reasons = reasons_of_rows();

}  // namespace HOLDFAST_PUBLIC

std::span<const ReasonRow> reason_rows() noexcept { return rows; }

std::span<const ReasonKindRow> reason_kind_rows() noexcept { return kind_rows; }

const ReasonRow& row_of(CloseReason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    HOLDFAST_CHECK(index < rows.size());
    return rows[index];
}

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

// A program may pass any number.
std::string_view to_string(CloseReason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return index < rows.size() ? rows[index].word : std::string_view("unknown");
}

ReasonKind kind_of(CloseReason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return index < rows.size() ? rows[index].kind : ReasonKind::local;
}

std::string_view to_string(ReasonKind kind) noexcept {
    const auto index = static_cast<std::size_t>(kind);
    return index < kind_rows.size() ? kind_rows[index].word : std::string_view("unknown");
}

std::optional<CloseReason> parse_close_reason(std::string_view word) noexcept {
    for (const ReasonRow& row : rows) {
        if (row.word == word) return row.reason;
    }
    return std::nullopt;
}

}  // namespace HOLDFAST_PUBLIC

std::string reasons_page() {
    std::string page =
        "# Reasons\n\n"
        "Every `closed` event has one reason from this closed list. `holdfast closed --reason WORD` lists the latest\n"
        "connections that ended for it, and `holdfast_connections_closed_total{reason}` counts them. The fields of "
        "the\n"
        "evidence are explained in [liveness](../explanation/liveness.md#the-evidence).\n\n"
        "| reason | kind | meaning |\n|---|---|---|\n";
    const auto add = [&page](auto... texts) { (page.append(texts), ...); };
    for (const ReasonRow& row : rows) {
        add("| [`", row.word, "`](#", row.word, ") | ", to_string(row.kind), " | ", row.meaning, " |\n");
    }
    for (const ReasonRow& row : rows) {
        add("\n## ", row.word, "\n\n", row.meaning, "\n\n- Kind: ", to_string(row.kind),
            "\n- Evidence: ", row.evidence);
        add("\n- A single connection: ", row.one, "\n- Many at once: ", row.many, "\n");
    }
    return page;
}

}  // namespace holdfast
