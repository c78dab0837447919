#include "api/webhook_message.h"

#include <chrono>
#include <string_view>

#include "alarm/alarm_commands.h"
#include "api/render.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

/// Prometheus sends an end four of its intervals ahead.
constexpr std::chrono::minutes alert_lives{4};

std::string_view status_of(const Alarm& alarm) { return alarm.cleared_at ? "resolved" : "firing"; }

std::string url_of(const Alarm& alarm, const AlarmOrigin& origin) {
    return origin.dashboard.empty() ? std::string() : origin.dashboard + "#/alarms/" + std::to_string(alarm.id);
}

std::string own_message(const Alarm& alarm, const AlarmOrigin& origin) {
    JsonWriter json;
    json.begin_object();
    write_alarm_fields(json, alarm);
    json.field("gateway", origin.gateway).field("status", status_of(alarm)).key("url");
    write_or_null(json, url_of(alarm, origin));
    json.end_object();
    return json.take();
}

/// Returns "HoldfastPopulationDrop", the name of the same alert in deploy/prometheus/holdfast.rules.yml.
std::string alert_name(AlarmKind kind) {
    std::string name = "Holdfast";
    bool upper = true;
    for (const char c : to_string(kind)) {
        if (c != '_') name += upper ? static_cast<char>(c - 'a' + 'A') : c;
        upper = c == '_';
    }
    return name;
}

void write_alert(JsonWriter& json, const Alarm& alarm, const AlarmOrigin& origin, EventTime now) {
    json.begin_object().key("labels").begin_object().field("alertname", alert_name(alarm.kind));
    json.field("alarm", to_string(alarm.kind)).field("alarm_id", std::to_string(alarm.id));
    json.field("severity", severity_of(alarm.kind)).field("gateway", origin.gateway);
    if (!alarm.listener.empty()) json.field("listener", alarm.listener);
    json.end_object().key("annotations").begin_object().field("summary", alarm.summary);
    json.field("description", alarm.cause).field("advice", alarm.advice);
    if (alarm.acknowledged) json.field("acknowledged", alarm.acknowledged->note);
    json.end_object().field("startsAt", render_time(alarm.raised_at));
    json.field("endsAt", render_time(alarm.cleared_at.value_or(now + alert_lives)));
    if (const std::string url = url_of(alarm, origin); !url.empty()) json.field("generatorURL", url);
    json.end_object();
}

/// Escapes the characters that Slack's mrkdwn gives a meaning.
std::string for_slack(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else {
            out += c;
        }
    }
    return out;
}

std::string slack_message(const Alarm& alarm, const AlarmOrigin& origin) {
    std::string text = alarm.cleared_at ? "*[RESOLVED] " : "*[FIRING] ";
    text += std::string(to_string(alarm.kind)) + "* on " + for_slack(origin.gateway);
    if (!alarm.listener.empty()) text += ", listener " + for_slack(alarm.listener);
    text += " (" + std::string(severity_of(alarm.kind)) + ")\n" + for_slack(alarm.summary);
    text += "\nLikely cause: " + for_slack(alarm.cause) + "\nWhat to do: " + for_slack(alarm.advice);
    for (const std::string& command : commands_of(alarm)) text += "\n`" + for_slack(command) + "`";
    if (const std::string url = url_of(alarm, origin); !url.empty()) {
        text += "\n<" + for_slack(url) + "|Alarm " + std::to_string(alarm.id) + ">";
    }
    return JsonWriter().begin_object().field("text", text).end_object().take();
}

}  // namespace

std::string alertmanager_message(std::span<const Alarm> alarms, const AlarmOrigin& origin, EventTime now) {
    JsonWriter json;
    json.begin_array();
    for (const Alarm& alarm : alarms) write_alert(json, alarm, origin, now);
    json.end_array();
    return json.take();
}

std::string webhook_message(WebhookForm form, const Alarm& alarm, const AlarmOrigin& origin, EventTime now) {
    switch (form) {
        case WebhookForm::holdfast:
            return own_message(alarm, origin);
        case WebhookForm::alertmanager:
            return alertmanager_message({&alarm, 1}, origin, now);
        case WebhookForm::slack:
            return slack_message(alarm, origin);
    }
    return {};
}

}  // namespace holdfast
