#include <algorithm>
#include <array>

#include "admin/api.h"
#include "admin/query.h"
#include "admin/render_watch.h"
#include "base/printable.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

/// Some requests keep an admin thread for seconds; the others stay free for looking.
constexpr int most_slow_at_once = 4;

constexpr seconds longest_window{2 * 24 * 3600};
constexpr std::array default_feed{FeedKind::sample, FeedKind::alarm, FeedKind::connected, FeedKind::closed};

ApiAnswer json(std::string body, int status = 200) { return {.status = status, .body = std::move(body)}; }

ApiAnswer bad_query(const std::string& message) { return Api::error(400, "bad_query", message); }

ApiAnswer no_watch() {
    return Api::error(404, "not_found", "this gateway does not watch its population: run it by `holdfast serve`");
}

struct FeedQuery {
    EventHub::Kinds kinds = 0;
    std::string error;
};

std::string feed_words() {
    std::string words;
    for (const FeedKind kind : all_feed_kinds) {
        if (kind != FeedKind::skipped) words += (words.empty() ? "" : ", ") + std::string(to_string(kind));
    }
    return words;
}

std::optional<FeedKind> parse_feed_kind(std::string_view word) {
    for (const FeedKind kind : all_feed_kinds) {
        if (kind != FeedKind::skipped && to_string(kind) == word) return kind;
    }
    return std::nullopt;
}

FeedQuery read_feed_query(const RequestTarget& target) {
    QueryReader reader(target);
    const auto given = reader.text("kinds");
    FeedQuery query;
    if (const auto wrong = reader.finish()) {
        query.error = *wrong;
        return query;
    }
    if (!given) {
        for (const FeedKind kind : default_feed) query.kinds |= EventHub::bit(kind);
        return query;
    }
    std::string_view rest = *given;
    while (query.error.empty()) {
        const std::string_view word = rest.substr(0, rest.find(','));
        if (const auto kind = parse_feed_kind(word)) {
            query.kinds |= EventHub::bit(*kind);
        } else {
            query.error = "kinds has " + in_quotes(word) + ", which is none; allowed are " + feed_words();
        }
        if (word.size() == rest.size()) break;
        rest.remove_prefix(word.size() + 1);
    }
    return query;
}

bool has_listener(const ServerStatus& status, std::string_view name) {
    const auto named = [name](const ListenerStatus& listener) { return listener.name == name; };
    return std::any_of(status.listeners.begin(), status.listeners.end(), named);
}

}  // namespace

ApiAnswer Api::with_slow_slot(std::string_view refusal, const std::function<ApiAnswer()>& ask) {
    struct Slot {
        std::atomic<int>& taken;
        int number = ++taken;
        ~Slot() { --taken; }
    } const slot{slow_};
    if (slot.number <= most_slow_at_once) return ask();
    return error(429, refusal,
                 std::to_string(most_slow_at_once) +
                     " requests that take their time (probes, reconciliations, reloads) are under way: ask again when "
                     "one has ended");
}

std::optional<WatchStatus> Api::watched() const {
    return options_.watch != nullptr ? std::optional(watch_status(*options_.watch)) : std::nullopt;
}

ApiAnswer Api::trend(const Call& call) {
    QueryReader reader(call.target);
    TrendQuery query;
    query.window = reader.seconds("window", query.window, seconds(1), longest_window);
    query.step = reader.seconds("step", query.step, seconds(1), longest_window);
    query.listener = reader.text("listener");
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    if (options_.watch == nullptr) return no_watch();
    if (query.listener && !has_listener(gateway_.status(), *query.listener)) {
        return error(404, "not_found",
                     "there is no listener " + in_quotes(*query.listener) + ": GET /v1/status names them");
    }
    return json(render_trend(query.window, options_.watch->trend(query)));
}

ApiAnswer Api::alarms(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    return options_.watch != nullptr ? json(render_alarms(options_.watch->alarms())) : no_watch();
}

std::unique_ptr<EventHub::Subscription> Api::open_feed(const ApiRequest& request) {
    if (request.method != "GET" || options_.hub == nullptr) return nullptr;
    const auto target = parse_request_target(request.target);
    if (!target || target.value().segments != std::vector<std::string>{"v1", "events"}) return nullptr;
    const FeedQuery query = read_feed_query(target.value());
    return query.error.empty() ? options_.hub->subscribe(query.kinds) : nullptr;
}

/// Only asked for what open_feed() did not open, or for HEAD.
ApiAnswer Api::events(const Call& call) {
    const FeedQuery query = read_feed_query(call.target);
    if (!query.error.empty()) return bad_query(query.error);
    if (options_.hub == nullptr) return no_watch();
    if (call.head) return {.type = "text/event-stream"};
    return error(503, "too_busy",
                 std::to_string(EventHub::most_subscribers) + " clients follow the events: end one and try again");
}

ApiAnswer Api::reconciliation(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    if (options_.watch == nullptr) return no_watch();
    const auto latest = options_.watch->reconciled();
    if (latest) return json(render_reconciliation(*latest));
    return error(404, "not_found",
                 "registry and kernel have not been compared yet: POST to /v1/reconciliation compares now");
}

ApiAnswer Api::reconcile(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    if (options_.watch == nullptr) return no_watch();
    return with_slow_slot("too_busy", [&] { return json(render_reconciliation(options_.watch->reconcile_now())); });
}

ApiAnswer Api::reload(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    if (!options_.reload) {
        return error(409, "no_reload", "this gateway cannot reload its configuration: restart it");
    }
    return with_slow_slot("too_busy", [&] {
        const ReloadResult result = options_.reload();
        return result.errors.empty() ? json(render_reload(result)) : json(render_reload_errors(result), 422);
    });
}

}  // namespace holdfast
