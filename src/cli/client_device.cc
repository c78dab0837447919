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

struct DeviceFlags {
    ClientFlags client;
    EndpointFlags api;
    std::string id;
};

/// The columns of closed connections that depend on the rows.
struct LifeColumns {
    bool with_gateways = false;
    bool with_ids = false;
};

std::vector<Column> life_head(const LifeColumns& shown) {
    std::vector<Column> columns{{"CLOSED"},
                                {"CONN"},
                                {"PEER"},
                                {"KEY"},
                                {"REASON"},
                                {"ERROR"},
                                {"LIVED", Align::right},
                                {"ITEMS", Align::right},
                                {"DETAIL"}};
    if (shown.with_ids) columns.insert(columns.begin() + 3, {{"ID"}, {"AUTHENTICATED"}});
    if (shown.with_gateways) columns.insert(columns.begin() + 1, {"GATEWAY"});
    return columns;
}

std::string proof_of_life(const AnswerView& life) {
    if (!life.has("/id")) return "-";
    return life.flag("/authenticated") ? "yes" : "no";
}

std::vector<std::string> life_row(const AnswerView& life, const LifeColumns& shown) {
    const bool observed = !life.text("/duration_s").empty();
    std::vector<std::string> cells{life.text("/at"),
                                   life.text("/conn"),
                                   life.text("/peer"),
                                   dash_if_empty(life.text("/key")),
                                   life.text("/reason"),
                                   dash_if_empty(life.text("/error")),
                                   observed ? human_seconds(life.real("/duration_s")) : "-",
                                   observed ? human_count(life.count("/items")) : "-",
                                   life.text("/detail")};
    if (shown.with_ids) cells.insert(cells.begin() + 3, {dash_if_empty(life.text("/id")), proof_of_life(life)});
    if (shown.with_gateways) cells.insert(cells.begin() + 1, dash_if_empty(life.text("/gateway")));
    return cells;
}

bool has_in_any(const std::vector<AnswerView>& rows, std::string_view pointer) {
    return std::any_of(rows.begin(), rows.end(), [pointer](const AnswerView& row) { return row.has(pointer); });
}

}  // namespace

std::string lives_text(const AnswerView& answer, std::string_view list) {
    const auto lives = answer.list(list);
    const LifeColumns shown{.with_gateways = has_in_any(lives, "/gateway"), .with_ids = has_in_any(lives, "/id")};
    Table table(life_head(shown));
    for (const AnswerView& life : lives) table.add(life_row(life, shown));
    std::string out = table.size() > 0 ? table.text(false) : "no closed connection matches\n";
    const std::uint64_t total = answer.count("/total");
    if (table.size() < total) {
        out += human_count(table.size()) + " of " + human_count(total) +
               " closed connections; --limit and --offset show others\n";
    }
    for (const AnswerView& silent : answer.list("/silent_gateways")) {
        out += "! gateway " + printable(silent.text("")) + " does not answer; its connections are missing here\n";
    }
    return out;
}

namespace {

std::string alarms_of_device(const AnswerView& device) {
    std::string out;
    for (const AnswerView& alarm : device.list("/alarms")) {
        const std::string cleared = printable(alarm.text("/cleared_at"));
        out += (out.empty() ? "\nalarms here:\n" : "") + printable(alarm.text("/raised_at")) + " " +
               printable(alarm.text("/alarm")) + " " + std::to_string(alarm.count("/id")) +
               (cleared.empty() ? ", active: " : ", cleared " + cleared + ": ") + printable(alarm.text("/summary")) +
               "\n";
    }
    return out;
}

}  // namespace

std::string device_text(const AnswerView& device) {
    const std::string state = printable(device.text("/state"));
    std::string out;
    if (device.has("/conn")) {
        out = connection_text(device);
    } else {
        out = printable(device.text("/id")) + " is " + (state == "unknown" ? "in an unknown state" : state);
        if (device.has("/gateway")) {
            out +=
                (state == "unknown" ? " at gateway " : "; its latest gateway is ") + printable(device.text("/gateway"));
        }
        if (device.has("/trouble")) out += ": " + printable(device.text("/trouble"));
        out += "\n";
    }
    if (device.count("/total") > 0 || !device.list("/silent_gateways").empty())
        out += "\n" + lives_text(device, "/lives");
    if (const std::string bad = bad_items_text(device, "/latest_bad_items"); !bad.empty())
        out += "\nlatest bad items here:\n" + bad;
    return out + alarms_of_device(device);
}

int online_verdict(const AnswerView& device) { return device.has("/conn") ? exit_good : exit_answer_is_no; }

Verb make_device_verb() {
    const auto flags = std::make_shared<DeviceFlags>();
    return {"device", "show a device: its state, its connection and its earlier connections at all gateways",
            Arguments{{"ID", &flags->id, "", "id of the device", {.required = true}}} +
                flags->api.of("GET", api_path::device) + client_arguments(flags->client),
            [flags] {
                return request_and_show(flags->client, flags->api.question("GET", api_path::device, flags->id),
                                        {.text = device_text, .verdict = online_verdict});
            }};
}

}  // namespace holdfast
