#include "cli/client_fleet.h"

#include "api/api_endpoint.h"
#include "text/human.h"
#include "text/printable.h"
#include "text/table.h"

namespace holdfast {
namespace {}  // namespace

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
        out +=
            "! of " + human_count(fleet.count("/unsettled")) + " devices of this gateway the others do not know yet\n";
    return out;
}

int show_fleet(const ClientFlags& flags) {
    return ask_and_show(flags, {.target = std::string(api_path::fleet) + "?limit=0"}, {.text = fleet_status_text});
}

}  // namespace holdfast
