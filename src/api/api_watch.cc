#include <algorithm>
#include <charconv>

#include "api/api.h"
#include "api/render.h"
#include "text/json_writer.h"
#include "text/printable.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

/// Slow requests occupy an admin thread for seconds. The limit keeps threads free for other requests.
constexpr int max_slow_requests = 4;

ApiAnswer no_watch() {
    return Api::error(404, "not_found", "this gateway does not watch its population; start it with `holdfast serve`");
}

EventHub::Kinds kinds_of(const ApiArguments& arguments) {
    EventHub::Kinds kinds = 0;
    for (const std::string& word : arguments.value<std::vector<std::string>>("kinds")) {
        for (const FeedKind kind : all_feed_kinds) {
            if (to_string(kind) == word) kinds |= EventHub::bit(kind);
        }
    }
    return kinds;
}

constexpr std::size_t max_note = 500;  // bytes

std::optional<std::uint64_t> parse_alarm_id(std::string_view text) {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(id) : std::nullopt;
}

ApiAnswer no_such_alarm(std::string_view id) {
    return Api::error(404, "not_found",
                      "unknown alarm " + in_quotes(id) + "; take an id from GET /v1/alarms, which has the last 100");
}

MemberQuery member_query(const ApiArguments& given) {
    const auto state = given.get<std::string>("state");
    return {.back = state ? std::optional(*state == "back") : std::nullopt};
}

bool has_listener(const ServerStatus& status, std::string_view name) {
    const auto named = [name](const ListenerStatus& listener) { return listener.name == name; };
    return std::any_of(status.listeners.begin(), status.listeners.end(), named);
}

}  // namespace

ApiAnswer Api::with_slow_slot(std::string_view refusal, const std::function<ApiAnswer()>& work) {
    struct Slot {
        std::atomic<int>& taken;
        int number = ++taken;
        ~Slot() { --taken; }
    } const slot{slow_};
    if (slot.number <= max_slow_requests) return work();
    return error(
        429, refusal,
        std::to_string(max_slow_requests) +
            " long requests (probes, reconciliations, reloads) are in progress; repeat the request when one has ended");
}

std::optional<WatchStatus> Api::watched() const {
    return options_.watch != nullptr ? std::optional(watch_status(*options_.watch)) : std::nullopt;
}

ApiAnswer Api::trend(const ApiCall& call) {
    const auto whole_seconds = [&](std::string_view name) {
        return std::chrono::duration_cast<seconds>(call.arguments.value<std::chrono::milliseconds>(name));
    };
    const TrendQuery query{.window = whole_seconds("window"),
                           .step = whole_seconds("step"),
                           .listener = call.arguments.get<std::string>("listener")};
    if (options_.watch == nullptr) return no_watch();
    if (query.listener && !has_listener(gateway_.status(), *query.listener)) {
        return error(404, "not_found",
                     "unknown listener " + in_quotes(*query.listener) + "; take one from GET /v1/status");
    }
    return json_answer(render_trend(query.window, options_.watch->trend(query)));
}

ApiAnswer Api::alarms(const ApiCall& call) {
    if (options_.watch == nullptr) return no_watch();
    const auto since = call.arguments.get<EventTime>("since");
    const auto until = call.arguments.get<EventTime>("until");
    AlarmBoard board = options_.watch->alarms();
    for (std::vector<Alarm>* alarms : {&board.active, &board.recent}) {
        std::erase_if(*alarms, [&](const Alarm& alarm) { return !is_between(since, alarm.raised_at, until); });
    }
    return json_answer(render_alarms(board));
}

ApiAnswer Api::with_alarm(const ApiCall& call, const std::function<ApiAnswer(const AlarmDetail& detail)>& render) {
    if (options_.watch == nullptr) return no_watch();
    const auto id = parse_alarm_id(call.id);
    const auto detail = id ? options_.watch->alarm(*id) : std::nullopt;
    return detail ? render(*detail) : no_such_alarm(call.id);
}

ApiAnswer Api::alarm(const ApiCall& call) {
    MemberQuery query = member_query(call.arguments);
    query.limit = call.arguments.value<std::uint64_t>("limit");
    query.offset = call.arguments.value<std::uint64_t>("offset");
    return with_alarm(call,
                      [&query](const AlarmDetail& detail) { return json_answer(render_alarm_detail(detail, query)); });
}

ApiAnswer Api::alarm_members(const ApiCall& call) {
    const MemberQuery query = member_query(call.arguments);
    const std::string format = call.arguments.value<std::string>("format");
    return with_alarm(call, [&](const AlarmDetail& detail) {
        ApiAnswer answer = format == "csv" ? ApiAnswer{.body = render_members_csv(detail, query),
                                                       .type = "text/csv; charset=utf-8; header=present"}
                                           : json_answer(render_alarm_detail(detail, query));
        const std::string name = "holdfast-alarm-" + std::to_string(detail.alarm.id) + "." + format;
        answer.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + name + "\"");
        return answer;
    });
}

ApiAnswer Api::note_alarm(const ApiCall& call, std::optional<std::string> note) {
    if (options_.watch == nullptr) return no_watch();
    const auto id = parse_alarm_id(call.id);
    const bool given = note.has_value();
    if (!id || !options_.watch->acknowledge(*id, std::move(note))) return no_such_alarm(call.id);
    return json_answer(JsonWriter().begin_object().field("id", *id).field("acknowledged", given).end_object().take());
}

ApiAnswer Api::acknowledge(const ApiCall& call) {
    auto note = call.fields.value<std::string>("note");
    if (note.empty() || note.size() > max_note) {
        return error(400, "bad_order",
                     "note has " + std::to_string(note.size()) + " bytes; write 1 to " + std::to_string(max_note));
    }
    return note_alarm(call, std::move(note));
}

ApiAnswer Api::withdraw_acknowledgement(const ApiCall& call) { return note_alarm(call, std::nullopt); }

std::unique_ptr<EventHub::Subscription> Api::open_feed(const ApiRequest& request) {
    if (request.method != "GET" || options_.hub == nullptr) return nullptr;
    const auto target = parse_request_target(request.target);
    if (!target) return nullptr;
    const auto [endpoint, id] = find(request.method, target.value());
    if (endpoint == nullptr || endpoint->handler != &Api::events) return nullptr;
    const auto arguments = ApiArguments::read(endpoint->parameters, target.value());
    if (!arguments) return nullptr;
    const ApiArguments& given = arguments.value();
    return options_.hub->subscribe({.kinds = kinds_of(given),
                                    .filter = {.id = given.get<std::string>("id"),
                                               .key = given.get<std::string>("key"),
                                               .peer = given.get<Prefix>("peer")},
                                    .after = std::string(request.last_event_id),
                                    .resumable = true});
}

/// Answers HEAD, and requests that open_feed() did not open.
ApiAnswer Api::events(const ApiCall& call) {
    if (options_.hub == nullptr) return no_watch();
    if (call.head) return {.type = "text/event-stream"};
    return error(503, "too_busy",
                 std::to_string(EventHub::max_subscribers) + " clients follow the events; end one and try again");
}

ApiAnswer Api::reconciliation(const ApiCall& /*call*/) {
    if (options_.watch == nullptr) return no_watch();
    const auto latest = options_.watch->reconciled();
    if (latest) return json_answer(render_reconciliation(*latest));
    return error(404, "not_found", "registry and kernel have not been compared yet; send POST /v1/reconciliation");
}

ApiAnswer Api::reconcile(const ApiCall& /*call*/) {
    if (options_.watch == nullptr) return no_watch();
    return with_slow_slot("too_busy",
                          [&] { return json_answer(render_reconciliation(options_.watch->reconcile_now())); });
}

ApiAnswer Api::reload(const ApiCall& /*call*/) {
    if (!options_.reload) {
        return error(409, "no_reload", "this gateway cannot reload its configuration; restart it");
    }
    return with_slow_slot("too_busy", [&] {
        const ReloadResult result = options_.reload();
        return result.errors.empty() ? json_answer(render_reload(result))
                                     : json_answer(render_reload_errors(result), 422);
    });
}

}  // namespace holdfast
