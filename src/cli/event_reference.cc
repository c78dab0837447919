#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <vector>

#include <holdfast/reason.h>

#include "cli/reference.h"
#include "codec/event_fields.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

struct FieldRow {
    std::string_view name;
    FieldType type;
    std::string_view present;
    std::string_view help;
    std::string example;
    bool is_nullable;

    [[nodiscard]] bool is_required() const { return present.starts_with(field::always); }
};

struct KindRow {
    std::string_view word;
    std::string_view name;
    std::string_view help;
    std::vector<FieldRow> fields;
};

template <typename Fields>
KindRow row_of(const EventKind<Fields>& kind) {
    KindRow row{kind.word, kind.name, kind.help, {}};
    std::apply(
        [&row](const auto&... each) {
            (row.fields.push_back(
                 {each.name, each.type, each.present, each.help, std::string(each.example), each.is_nullable}),
             ...);
        },
        kind.fields);
    return row;
}

/// Returns the example of a kind: `"name":value,...`
std::string example_of(const KindRow& kind) {
    std::string text;
    for (const FieldRow& each : kind.fields) {
        text.append(text.empty() ? "\"" : ",\"").append(each.name).append("\":");
        text += each.present == field::null ? "null" : each.example;
    }
    return text;
}

KindRow evidence_row() { return row_of(event_evidence_kind); }

std::string in_json(std::string_view word) { return '"' + std::string(word) + '"'; }

/// Returns the kinds, with examples for the values of other tables.
std::vector<KindRow> kinds() {
    std::vector<KindRow> rows;
    visit_event_kinds([&rows](const auto& kind) { rows.push_back(row_of(kind)); });
    for (KindRow& kind : rows) {
        const auto reason = kind.name == kind.word ? CloseReason::keepalive_expired : CloseReason::gateway_lost;
        for (FieldRow& each : kind.fields) {
            if (each.type == FieldType::evidence) each.example = '{' + example_of(evidence_row()) + '}';
            if (each.type == FieldType::reason) each.example = in_json(to_string(reason));
            if (each.type == FieldType::kind) each.example = in_json(to_string(kind_of(reason)));
        }
    }
    return rows;
}

std::string_view type_word(FieldType type) {
    switch (type) {
        case FieldType::flag:
            return "boolean";
        case FieldType::count:
            return "integer";
        case FieldType::seconds:
            return "number";
        case FieldType::evidence:
        case FieldType::object:
            return "object";
        case FieldType::item:
            return "object or string";
        default:
            return "string";
    }
}

std::string_view pattern_of(FieldType type) {
    switch (type) {
        case FieldType::conn:
            return "^[0-9a-f]+-[0-9a-f]+$";
        case FieldType::endpoint:
            return "^(\\[[0-9a-f:.]+\\]|[0-9.]+):[0-9]+$";
        case FieldType::time:
            return "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$";
        default:
            return "";
    }
}

void write_enumeration(JsonWriter& json, FieldType type) {
    json.key("enum").begin_array();
    if (type == FieldType::reason) {
        for (const CloseReason reason : all_close_reasons) json.value(to_string(reason));
    } else {
        std::vector<std::string_view> words;
        for (const CloseReason reason : all_close_reasons) words.push_back(to_string(kind_of(reason)));
        words.erase(std::unique(words.begin(), words.end()), words.end());
        for (const std::string_view word : words) json.value(word);
    }
    json.end_array();
}

void write_property(JsonWriter& json, const FieldRow& row) {
    json.key(row.name).begin_object();
    json.key("description").value(std::string(row.help) + " Present: " + std::string(row.present) + '.');
    if (row.type == FieldType::evidence && !row.is_nullable) {
        json.field("$ref", "#/$defs/evidence").end_object();
        return;
    }
    json.key("type");
    if (row.type == FieldType::item) {
        json.begin_array().value("object").value("string").end_array();
    } else if (row.is_nullable) {
        json.begin_array().value(type_word(row.type)).value("null").end_array();
    } else {
        json.value(type_word(row.type));
    }
    if (const auto pattern = pattern_of(row.type); !pattern.empty()) json.field("pattern", pattern);
    if (type_word(row.type) == "integer" || type_word(row.type) == "number") json.field("minimum", 0);
    if (row.type == FieldType::reason || row.type == FieldType::kind) write_enumeration(json, row.type);
    json.key("examples").begin_array();
    row.present == field::null ? json.null() : json.json(row.example);
    json.end_array().end_object();
}

void write_definition(JsonWriter& json, const KindRow& kind) {
    json.key(kind.name).begin_object().field("description", kind.help).field("type", "object");
    json.key("required").begin_array();
    if (!kind.word.empty()) json.value("event");
    for (const FieldRow& each : kind.fields) {
        if (each.is_required()) json.value(each.name);
    }
    json.end_array().key("properties").begin_object();
    if (!kind.word.empty()) json.key("event").begin_object().field("const", kind.word).end_object();
    for (const FieldRow& each : kind.fields) write_property(json, each);
    json.end_object().end_object();
}

/// Returns the text with each member or element on a line of its own.
std::string indented(std::string_view json) {
    std::string out;
    std::size_t depth = 0;
    bool in_string = false;
    const auto line_break = [&out, &depth] { out.append("\n").append(2 * depth, ' '); };
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '"' && (i == 0 || json[i - 1] != '\\')) in_string = !in_string;
        if (!in_string && (c == '}' || c == ']')) {
            --depth;
            line_break();
        }
        out += c;
        if (in_string) continue;
        if (c == ':') out += ' ';
        if (c == '{' || c == '[') ++depth;
        if (c == '{' || c == '[' || c == ',') line_break();
    }
    return out + '\n';
}

void append_kind(std::string& out, const KindRow& kind) {
    out.append("\n## ").append(kind.name).append("\n\n").append(kind.help);
    out.append("\n\n    {\"event\":\"").append(kind.word).append("\",").append(example_of(kind)).append("}\n\n");
    out += "| field | type | present |\n|---|---|---|\n";
    for (const FieldRow& each : kind.fields) {
        out.append("| `").append(each.name).append("` | ").append(type_word(each.type));
        out.append(each.is_nullable ? " or null | " : " | ").append(each.present).append(" |\n");
    }
}

void append_fields(std::string& out, const std::vector<KindRow>& kinds) {
    out += "| field | example | meaning |\n|---|---|---|\n";
    std::vector<std::string_view> seen;
    for (const KindRow& kind : kinds) {
        for (const FieldRow& each : kind.fields) {
            if (std::find(seen.begin(), seen.end(), each.name) != seen.end()) continue;
            seen.push_back(each.name);
            out.append("| `").append(each.name).append("` | ");
            if (each.type == FieldType::evidence) {
                out += "an object, [below](#evidence)";
            } else {
                out.append("`").append(each.example).append("`");
            }
            out.append(" | ").append(each.help).append(" |\n");
        }
    }
}

constexpr std::string_view page_begin = R"(# Events

A sink writes one JSON object per line, in UTF-8. The order within one connection is `connected`, its items, `closed`. `identified` comes
once among them if the device says its hello after `connected` was written. Events of different connections have no order.
Every accepted connection gets exactly one `closed`.

A consumer ignores fields that it does not know. [events.schema.json](events.schema.json) is the JSON Schema of these events, and
[asyncapi.json](asyncapi.json) has their subjects in NATS. [Items](protocol.md#items) says which bytes of a device become an item.
A connection that a limit refuses gets no events: the gateway counts it in `holdfast_connections_refused_total`.

The sections below have one kind of event each. Their heading is the kind's name in the schema.
)";

struct Channel {
    std::string_view name;
    std::string_view address;
    std::string_view help;
};

constexpr std::array channels{
    Channel{"connected", "holdfast.{listener}.connected.{id}", "Connections, and those that are back."},
    Channel{"identified", "holdfast.{listener}.identified.{id}", "Hellos after connected was published."},
    Channel{"item", "holdfast.{listener}.item.{key}", "Items of devices."},
    Channel{"closed", "holdfast.{listener}.closed.{id}", "Ends of connections."},
    Channel{"batch", "holdfast.batch.{spool}", "With sink.batch above 1: several events, one a line."},
};

void write_channel(JsonWriter& json, const Channel& channel) {
    json.key(channel.name).begin_object().field("address", channel.address).field("description", channel.help);
    json.key("messages").begin_object();
    for (const KindRow& kind : kinds()) {
        const bool is_here = kind.word == channel.name || kind.name == dead_letter_kind.name;
        if (!is_here && channel.name != "batch") continue;
        json.key(kind.name).begin_object();
        json.field("$ref", "#/components/messages/" + std::string(kind.name)).end_object();
    }
    json.end_object().key("parameters").begin_object();
    for (std::size_t at = 0; (at = channel.address.find('{', at)) != std::string_view::npos; ++at) {
        const auto name = channel.address.substr(at + 1, channel.address.find('}', at) - at - 1);
        json.key(name).begin_object();
        json.field("description", "The event's " + std::string(name) + " as a token: ASCII letters, digits, - and _ " +
                                      "stand for themselves, each other byte is = and two hexadecimal digits. " +
                                      "An event without it has _.");
        json.end_object();
    }
    json.end_object().end_object();
}

}  // namespace

std::string events_page() {
    std::string out(page_begin);
    const auto all = kinds();
    for (const KindRow& kind : all) append_kind(out, kind);
    out += "\n## Fields\n\n";
    append_fields(out, all);
    out +=
        "\n## Evidence\n\nThe object `evidence` has the state of the kernel's socket (`TCP_INFO`, tcp(7)). "
        "[Evidence](../explanation/liveness.md#the-evidence) shows how to read it.\n\n";
    append_fields(out, {evidence_row()});
    return out;
}

std::string events_schema() {
    JsonWriter json;
    json.begin_object().field("$schema", "https://json-schema.org/draft/2020-12/schema");
    json.field("title", "holdfast events").field("description", "One line of a sink.").key("anyOf").begin_array();
    const auto all = kinds();
    for (const KindRow& kind : all) json.begin_object().field("$ref", "#/$defs/" + std::string(kind.name)).end_object();
    json.end_array().key("$defs").begin_object();
    for (const KindRow& kind : all) write_definition(json, kind);
    write_definition(json, evidence_row());
    json.end_object().end_object();
    return indented(json.take());
}

std::string events_asyncapi() {
    JsonWriter json;
    json.begin_object().field("asyncapi", "3.0.0").key("info").begin_object();
    json.field("title", "holdfast events in NATS JetStream").field("version", HOLDFAST_VERSION);
    json.field("description", "The sink nats publishes each event to the stream on these subjects.").end_object();
    json.field("defaultContentType", "application/json").key("channels").begin_object();
    for (const Channel& channel : channels) write_channel(json, channel);
    json.end_object().key("operations").begin_object();
    for (const Channel& channel : channels) {
        json.key("publish_" + std::string(channel.name)).begin_object().field("action", "send").key("channel");
        json.begin_object().field("$ref", "#/channels/" + std::string(channel.name)).end_object().end_object();
    }
    json.end_object().key("components").begin_object().key("messages").begin_object();
    for (const KindRow& kind : kinds()) {
        json.key(kind.name).begin_object().field("summary", kind.help).key("payload").begin_object();
        json.field("$ref", "events.schema.json#/$defs/" + std::string(kind.name)).end_object().end_object();
    }
    json.end_object().end_object().end_object();
    return indented(json.take());
}

}  // namespace holdfast
