#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admin/query.h"
#include "app/client_ask.h"
#include "app/client_fleet.h"
#include "app/client_text.h"
#include "app/table.h"
#include "app/verbs.h"
#include "base/human.h"

namespace holdfast {
namespace {

struct ListFlags {
    ClientFlags client;
    bool fleet = false;
    std::string gateway;
    std::string state;
    std::string peer;
    std::string key;
    std::string device;
    std::string listener;
    bool suspect = false;
    std::string sort = "age";
    bool reverse = false;
    std::string limit = "100";
    std::string offset;
};

struct StatusFlags {
    ClientFlags client;
    bool fleet = false;
};

struct ShowFlags {
    ClientFlags client;
    std::string id;
    std::string device;
};

struct ClosedFlags {
    ClientFlags client;
    std::string reason;
    std::string peer;
    std::string device;
    std::string limit = "100";
    std::string offset;
};

std::string dash_if_empty(std::string text) { return text.empty() ? "-" : text; }

/// Returns true if one of the rows has the field, which then gets a column.
bool any_has(const std::vector<AnswerView>& rows, std::string_view pointer) {
    return std::any_of(rows.begin(), rows.end(), [pointer](const AnswerView& row) { return row.has(pointer); });
}

/// Devices that say who they are get columns for it.
bool any_has_id(const std::vector<AnswerView>& rows) { return any_has(rows, "/id"); }

std::string proof_of(const AnswerView& row) {
    if (!row.has("/id")) return "-";
    return row.flag("/authenticated") ? "yes" : "no";
}

std::string list_text(const AnswerView& page) {
    std::vector<Column> columns{{"CONN"},
                                {"PEER"},
                                {"KEY"},
                                {"LISTENER"},
                                {"AGE", Align::right},
                                {"SINCE ITEM", Align::right},
                                {"ITEMS", Align::right},
                                {"RECEIVED", Align::right},
                                {"SENT", Align::right}};
    const auto rows = page.list("/connections");
    const bool with_ids = any_has_id(rows);
    const bool with_suspects = any_has(rows, "/suspect_since");
    if (with_ids) columns.insert(columns.begin() + 2, {{"ID"}, {"AUTHENTICATED"}});
    if (with_suspects) columns.push_back({"SUSPECT SINCE"});
    Table table(std::move(columns));
    for (const AnswerView& row : rows) {
        std::vector<std::string> cells{row.text("/conn"),
                                       row.text("/peer"),
                                       dash_if_empty(row.text("/key")),
                                       row.text("/listener"),
                                       human_seconds(row.real("/age_s")),
                                       human_seconds(row.real("/since_item_s")),
                                       human_count(row.count("/items")),
                                       human_bytes(row.count("/bytes_in")),
                                       human_bytes(row.count("/bytes_out"))};
        if (with_ids) cells.insert(cells.begin() + 2, {dash_if_empty(row.text("/id")), proof_of(row)});
        if (with_suspects) cells.push_back(dash_if_empty(row.text("/suspect_since")));
        table.add(std::move(cells));
    }
    std::string out = table.size() > 0 ? table.text(false) : std::string();
    const std::string shown = human_count(table.size()) + " of " + human_count(page.count("/total")) + " connections";
    const bool more = table.size() < page.count("/total");
    return out + shown + (more ? "; --limit and --offset show others" : "") + "\n";
}

std::string closed_text(const AnswerView& answer) {
    std::vector<Column> columns{
        {"ENDED"}, {"CONN"}, {"PEER"}, {"KEY"}, {"REASON"}, {"ERROR"}, {"LIVED", Align::right}, {"ITEMS", Align::right},
        {"DETAIL"}};
    const auto lives = answer.list("/closed");
    const bool with_ids = any_has_id(lives);
    if (with_ids) columns.insert(columns.begin() + 3, {{"ID"}, {"AUTHENTICATED"}});
    Table table(std::move(columns));
    for (const AnswerView& life : lives) {
        std::vector<std::string> cells{life.text("/at"),
                                       life.text("/conn"),
                                       life.text("/peer"),
                                       dash_if_empty(life.text("/key")),
                                       life.text("/reason"),
                                       dash_if_empty(life.text("/error")),
                                       human_seconds(life.real("/duration_s")),
                                       human_count(life.count("/items")),
                                       life.text("/detail")};
        if (with_ids) cells.insert(cells.begin() + 3, {dash_if_empty(life.text("/id")), proof_of(life)});
        table.add(std::move(cells));
    }
    return table.size() > 0 ? table.text(false) : "no connection has ended so\n";
}

/// The API's `order`, where the sort's own is not wanted. An unknown sort is for the gateway to refuse.
std::string order_of(const ListFlags& flags) {
    if (!flags.reverse) return {};
    const auto sort = parse_connection_sort(flags.sort);
    return sort && descends_by_itself(*sort) ? "asc" : "desc";
}

/// What a fleet knows of its devices is less than what a gateway knows of its connections.
int list_fleet_verb(const ListFlags& flags) {
    if (!flags.peer.empty() || !flags.key.empty() || !flags.listener.empty() || flags.suspect || flags.sort != "age" ||
        flags.reverse) {
        print_error("list --fleet takes --id, --gateway, --state, --limit and --offset, and no other choice");
        return exit_wrong_usage;
    }
    return list_fleet(flags.client, {flags.device, flags.gateway, flags.state, flags.limit, flags.offset});
}

int list_verb(const ListFlags& flags) {
    if (flags.fleet) return list_fleet_verb(flags);
    if (!flags.gateway.empty() || !flags.state.empty()) {
        print_error("--gateway and --state are for list --fleet");
        return exit_wrong_usage;
    }
    QueryTarget target("/v1/connections");
    target.with("peer", flags.peer).with("key", flags.key).with("id", flags.device);
    target.with("listener", flags.listener).with("suspect", flags.suspect ? "true" : "").with("sort", flags.sort);
    target.with("order", order_of(flags)).with("limit", flags.limit).with("offset", flags.offset);
    return ask_and_show(flags.client, {.target = target.text()}, {.text = list_text});
}

int show_verb(const ShowFlags& flags) {
    if (flags.id.empty() == flags.device.empty()) {
        print_error("say what to show: an ID or --id DEVICE");
        return exit_wrong_usage;
    }
    const std::string target = flags.device.empty() ? connection_path(flags.id) : device_path(flags.device);
    return ask_and_show(flags.client, {.target = target}, {.text = connection_text});
}

int closed_verb(const ClosedFlags& flags) {
    QueryTarget target("/v1/closed");
    target.with("reason", flags.reason)
        .with("peer", flags.peer)
        .with("id", flags.device)
        .with("limit", flags.limit)
        .with("offset", flags.offset);
    return ask_and_show(flags.client, {.target = target.text()}, {.text = closed_text});
}

}  // namespace

Verb make_status_verb() {
    const auto flags = std::make_shared<StatusFlags>();
    return {"status", "show the gateway at a glance",
            Arguments{{"--fleet", &flags->fleet, "", "all gateways of the fleet, and how many devices each has"}} +
                client_arguments(flags->client),
            [flags] {
                if (flags->fleet) return show_fleet(flags->client);
                return ask_and_show(flags->client, {.target = "/v1/status"}, {.text = status_text});
            }};
}

Verb make_list_verb() {
    const auto flags = std::make_shared<ListFlags>();
    return {"list", "list connections",
            Arguments{{"--fleet", &flags->fleet, "",
                       "devices of all gateways of the fleet, in place of connections of this one"},
                      {"--gateway", &flags->gateway, "NAME", "with --fleet, only those that it has or had"},
                      {"--state", &flags->state, "STATE", "with --fleet: online, unknown or closed"},
                      {"--peer", &flags->peer, "PREFIX", "only those whose peer lies in it, e.g. 10.2.0.0/16"},
                      {"--key", &flags->key, "KEY", "only those whose latest item has it"},
                      {"--id", &flags->device, "DEVICE", "only the device that says so of itself"},
                      {"--listener", &flags->listener, "NAME", "only those of one listener"},
                      {"--suspect", &flags->suspect, "", "only those that were probed on suspicion and do not answer"},
                      {"--sort",
                       &flags->sort,
                       "SORT",
                       "age, idle, items, bytes_in, bytes_out, peer or key",
                       {.shows_default = true}},
                      {"--reverse", &flags->reverse, "", "the sort's other end first"},
                      {"--limit", &flags->limit, "N", "at most so many, up to 10000", {.shows_default = true}},
                      {"--offset", &flags->offset, "N", "leave out the first so many"}} +
                client_arguments(flags->client),
            [flags] { return list_verb(*flags); }};
}

Verb make_show_verb() {
    const auto flags = std::make_shared<ShowFlags>();
    return {"show", "show one connection with the kernel's evidence",
            Arguments{{"ID", &flags->id, "", "as list prints it, e.g. 7f2c91a0-1"},
                      {"--id", &flags->device, "DEVICE", "the one of the device that says so of itself"}} +
                client_arguments(flags->client),
            [flags] { return show_verb(*flags); }};
}

Verb make_closed_verb() {
    const auto flags = std::make_shared<ClosedFlags>();
    return {"closed", "list the last lives, newest first, and why each ended",
            Arguments{{"--reason", &flags->reason, "REASON", "only those that ended so, e.g. keepalive_expired"},
                      {"--peer", &flags->peer, "PREFIX", "only those whose peer lies in it, e.g. 10.2.0.0/16"},
                      {"--id", &flags->device, "DEVICE", "only those of one device"},
                      {"--limit", &flags->limit, "N", "at most so many, up to 10000", {.shows_default = true}},
                      {"--offset", &flags->offset, "N", "leave out the first so many"}} +
                client_arguments(flags->client),
            [flags] { return closed_verb(*flags); }};
}

}  // namespace holdfast
