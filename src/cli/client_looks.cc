#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/api_endpoint.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

std::string fleet_list_text(const AnswerView& fleet) {
    Table table(
        {{"ID"}, {"AUTHENTICATED"}, {"STATE"}, {"GATEWAY"}, {"CONN"}, {"PEER"}, {"LISTENER"}, {"SINCE"}, {"REASON"}});
    for (const AnswerView& row : fleet.list("/devices")) {
        const bool closed = row.text("/state") == "closed";
        table.add({row.text("/id"), row.flag("/authenticated") ? "yes" : "no", row.text("/state"), row.text("/gateway"),
                   row.text("/conn"), row.text("/peer"), row.text("/listener"),
                   row.text(closed ? "/closed_at" : "/since"), dash_if_empty(row.text("/reason"))});
    }
    const std::string shown = human_count(table.size()) + " of " + human_count(fleet.count("/total")) + " devices";
    const bool more = table.size() < fleet.count("/total");
    return (table.size() > 0 ? table.text(false) : std::string()) + shown +
           (more ? "; --limit and --offset show others" : "") + "\n";
}

std::string fleet_status_text(const AnswerView& fleet) {
    Table table({{"GATEWAY"},
                 {"STATE"},
                 {"DEVICES", Align::right},
                 {"CONNECTIONS", Align::right},
                 {"SINCE"},
                 {"HEARD", Align::right}});
    std::uint64_t devices = 0;
    for (const AnswerView& row : fleet.list("/gateways")) {
        devices += row.count("/devices");
        table.add({row.text("/name") + (row.flag("/self") ? " (this one)" : ""), row.text("/state"),
                   human_count(row.count("/devices")), human_count(row.count("/connections")),
                   dash_if_empty(row.text("/since")), human_seconds(row.real("/quiet_s")) + " ago"});
    }
    std::string out = table.size() > 0 ? table.text(false) : std::string();
    out += human_count(devices) + " devices on " + human_count(table.size()) + " gateways\n";
    const std::string trouble = printable(fleet.text("/trouble"));
    if (!trouble.empty()) out += "! this gateway is out of the fleet: " + trouble + "\n";
    if (fleet.count("/unsettled") > 0)
        out += "! the other gateways do not know the state of " + human_count(fleet.count("/unsettled")) +
               " devices of this gateway\n";
    return out;
}

/// Shows all gateways, for `status --fleet`.
int show_fleet(const ClientFlags& flags) {
    return request_and_show(flags, {.target = std::string(api_path::fleet) + "?limit=0"}, {.text = fleet_status_text});
}

struct ListFlags {
    ClientFlags client;
    EndpointFlags api;
    bool fleet = false;
};

struct StatusFlags {
    ClientFlags client;
    bool fleet = false;
};

struct ShowFlags {
    ClientFlags client;
    EndpointFlags api;
    std::string id;
    std::string device;
};

struct ClosedFlags {
    ClientFlags client;
    EndpointFlags api;
};

/// Returns true if one of the rows has the field, which then gets a column.
bool any_has(const std::vector<AnswerView>& rows, std::string_view pointer) {
    return std::any_of(rows.begin(), rows.end(), [pointer](const AnswerView& row) { return row.has(pointer); });
}

/// Returns true if a device states an id; the table then has columns for it.
bool any_has_id(const std::vector<AnswerView>& rows) { return any_has(rows, "/id"); }

std::string proof_of(const AnswerView& row) {
    if (!row.has("/id")) return "-";
    return row.flag("/authenticated") ? "yes" : "no";
}

/// The columns of `list` that depend on the rows.
struct ListColumns {
    bool with_ids = false;
    bool with_bad_items = false;
    bool with_suspects = false;
};

std::vector<Column> list_head(const ListColumns& shown) {
    std::vector<Column> columns{{"CONN"},
                                {"PEER"},
                                {"KEY"},
                                {"LISTENER"},
                                {"AGE", Align::right},
                                {"SINCE ITEM", Align::right},
                                {"ITEMS", Align::right},
                                {"RECEIVED", Align::right},
                                {"SENT", Align::right}};
    if (shown.with_ids) columns.insert(columns.begin() + 2, {{"ID"}, {"AUTHENTICATED"}});
    if (shown.with_bad_items) columns.push_back({"BAD ITEMS"});
    if (shown.with_suspects) columns.push_back({"SUSPECT SINCE"});
    return columns;
}

std::vector<std::string> list_row(const AnswerView& row, const ListColumns& shown) {
    std::vector<std::string> cells{row.text("/conn"),
                                   row.text("/peer"),
                                   dash_if_empty(row.text("/key")),
                                   row.text("/listener"),
                                   human_seconds(row.real("/age_s")),
                                   human_seconds(row.real("/since_item_s")),
                                   human_count(row.count("/items")),
                                   human_bytes(row.count("/bytes_in")),
                                   human_bytes(row.count("/bytes_out"))};
    if (shown.with_ids) cells.insert(cells.begin() + 2, {dash_if_empty(row.text("/id")), proof_of(row)});
    if (shown.with_bad_items) cells.push_back(dash_if_empty(counts_text(row.counts("/bad_items"))));
    if (shown.with_suspects) cells.push_back(dash_if_empty(row.text("/suspect_since")));
    return cells;
}

std::string list_text(const AnswerView& page) {
    const auto rows = page.list("/connections");
    const ListColumns columns{.with_ids = any_has_id(rows),
                              .with_bad_items = any_has(rows, "/bad_items"),
                              .with_suspects = any_has(rows, "/suspect_since")};
    Table table(list_head(columns));
    for (const AnswerView& row : rows) table.add(list_row(row, columns));
    std::string out = table.size() > 0 ? table.text(false) : std::string();
    const std::string shown = human_count(table.size()) + " of " + human_count(page.count("/total")) + " connections";
    const bool more = table.size() < page.count("/total");
    return out + shown + (more ? "; --limit and --offset show others" : "") + "\n";
}

/// Returns the API's `order` that reverses the sort's default.
std::string other_order(const std::string& sort_word) {
    const auto sort = parse_connection_sort(sort_word);
    return sort && descends_by_itself(*sort) ? "asc" : "desc";
}

int list_verb(ListFlags& flags) {
    if (flags.fleet && !flags.api.fit("GET", api_path::fleet)) {
        print_error("list --fleet does not accept these flags; use --id, --gateway, --state, --limit or --offset");
        return exit_wrong_usage;
    }
    if (flags.fleet) {
        return request_and_show(flags.client, flags.api.question("GET", api_path::fleet), {.text = fleet_list_text});
    }
    if (!flags.api.fit("GET", api_path::connections)) {
        print_error("--gateway and --state need --fleet; add it");
        return exit_wrong_usage;
    }
    if (flags.api.given("order")) flags.api.set("order", other_order(flags.api.value("sort")));
    return request_and_show(flags.client, flags.api.question("GET", api_path::connections), {.text = list_text});
}

int show_verb(const ShowFlags& flags) {
    if (flags.id.empty() == flags.device.empty()) {
        print_error("no connection is selected; give an ID or --id DEVICE");
        return exit_wrong_usage;
    }
    const AdminQuestion question = flags.device.empty() ? flags.api.question("GET", api_path::connection, flags.id)
                                                        : flags.api.question("GET", api_path::device, flags.device);
    if (flags.device.empty()) return request_and_show(flags.client, question, {.text = connection_text});
    return request_and_show(flags.client, question, {.text = device_text, .verdict = online_verdict});
}

std::string closed_text(const AnswerView& answer) { return lives_text(answer, "/closed"); }

}  // namespace

Verb make_status_verb() {
    const auto flags = std::make_shared<StatusFlags>();
    return {"status", "show the state of the gateway",
            Arguments{{"--fleet", &flags->fleet, "", "gateways of the fleet with their numbers of devices"}} +
                client_arguments(flags->client),
            [flags] {
                if (flags->fleet) return show_fleet(flags->client);
                return request_and_show(flags->client, {.target = std::string(api_path::status)},
                                        {.text = status_text, .proof = std::string(status_proof)});
            }};
}

Verb make_list_verb() {
    const auto flags = std::make_shared<ListFlags>();
    const Arguments of_connections = flags->api.of("GET", api_path::connections);
    return {"list", "list connections",
            Arguments{{"--fleet", &flags->fleet, "", "devices of the fleet, in place of connections of this gateway"}} +
                flags->api.of("GET", api_path::fleet, "with --fleet, ") + of_connections +
                client_arguments(flags->client),
            [flags] { return list_verb(*flags); }};
}

Verb make_show_verb() {
    const auto flags = std::make_shared<ShowFlags>();
    return {"show", "show one connection with the kernel's evidence",
            Arguments{{"ID", &flags->id, "", "id as list prints it, e.g. 7f2c91a0-1"},
                      {"--id", &flags->device, "DEVICE", "id of the device, in place of a connection's ID"}} +
                client_arguments(flags->client),
            [flags] { return show_verb(*flags); }};
}

Verb make_closed_verb() {
    const auto flags = std::make_shared<ClosedFlags>();
    return {"closed", "list the last closed connections, newest first, with reasons",
            flags->api.of("GET", api_path::closed) + client_arguments(flags->client), [flags] {
                return request_and_show(flags->client, flags->api.question("GET", api_path::closed),
                                        {.text = closed_text});
            }};
}

}  // namespace holdfast
