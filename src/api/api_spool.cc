#include <algorithm>

#include "api/api.h"
#include "api/render.h"
#include "spool/spool.h"
#include "text/json_writer.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t max_bytes = std::size_t{4} << 20;  // limit of the events in one answer, after the first event
constexpr std::chrono::milliseconds glance{100};

ApiAnswer no_spool() {
    return Api::error(409, "no_spool",
                      "this gateway keeps no spool; start it with --sink spool:DIRECTORY, or [sink] type = \"spool\"");
}

ApiAnswer bad_name(std::string_view name) {
    return bad_query(in_quotes(name) + " is not a group name; write 1 to 64 characters of A-Z a-z 0-9 _ . -");
}

ApiAnswer broken(const Error& why) { return Api::error(503, "spool_error", why.message); }

void write_position(JsonWriter& out, std::string_view name, std::uint64_t position) {
    out.key(name);
    position == 0 ? out.null() : out.value(position);
}

/// Returns the page as JSON. The events are byte for byte as they were written.
std::string render(Position after, const SpoolPage& page) {
    JsonWriter out;
    out.begin_object().field("after", after);
    write_position(out, "first", page.events.empty() ? 0 : page.events.front().position);
    write_position(out, "last", page.events.empty() ? 0 : page.events.back().position);
    out.field("next_after", page.next_after).field("newest", page.last).key("missing").begin_array();
    for (const MissingRange& gone : page.missing) {
        out.begin_object().field("first", gone.first).field("last", gone.last).field("why", gone.why).end_object();
    }
    out.end_array().end_object();
    std::string text = out.take();
    std::size_t bytes = text.size() + 16;
    for (const SpooledEvent& event : page.events) bytes += event.line.size() + 1;
    text.reserve(bytes);
    text.back() = ',';
    text += "\"events\":[";
    for (const SpooledEvent& event : page.events) text.append(event.line) += ',';
    if (!page.events.empty()) text.pop_back();
    return text += "]}";
}

std::string render(const std::vector<SpoolGroup>& groups, std::uint64_t newest) {
    JsonWriter out;
    out.begin_object().field("newest", newest).key("groups").begin_array();
    for (const SpoolGroup& group : groups) {
        out.begin_object().field("name", group.name).field("position", group.position);
        out.field("lag_events", newest - std::min(newest, group.position)).field("required", group.required);
        out.key("moved_at");
        group.moved_at == WallTime() ? out.null() : out.value(render_time(group.moved_at));
        out.end_object();
    }
    out.end_array().end_object();
    return out.take();
}

/// Returns the move of {"position":N} or {"position":N,"after":M,"consumer":"NAME"}, or nullopt if the body is neither.
std::optional<GroupMove> read_move(const ApiArguments& fields) {
    GroupMove move{.position = fields.value<std::uint64_t>("position"),
                   .after = fields.get<std::uint64_t>("after"),
                   .consumer = fields.value<std::string>("consumer")};
    const bool named = fields.get<std::string>("consumer").has_value();
    if (move.after.has_value() != named || (named && !is_name(move.consumer))) return std::nullopt;
    return move;
}

ApiAnswer moved_elsewhere(const std::string& group, std::uint64_t after, std::uint64_t position) {
    return Api::error(409, "group_moved",
                      "group " + in_quotes(group) + " is at position " + std::to_string(position) + " and not at " +
                          std::to_string(after) + ": another consumer moves it; run one consumer for each group");
}

}  // namespace

/// Waits without occupying an admin thread, if wait_aside is set. Returns false if too many requests wait.
bool Api::wait_for_events(std::uint64_t after, std::chrono::milliseconds wait) {
    const auto deadline = std::chrono::steady_clock::now() + wait;
    const auto is_done = [&] {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        return left.count() <= 0 || options_.spool->wait_for(after, std::min(left, glance));
    };
    if (options_.spool->wait_for(after, std::chrono::milliseconds(0))) return true;
    if (options_.wait_aside) return options_.wait_aside(is_done);
    while (!is_done()) continue;
    return true;
}

ApiAnswer Api::spool(const ApiCall& call) {
    const auto after = call.arguments.value<std::uint64_t>("after");
    const auto limit = call.arguments.value<std::uint64_t>("limit");
    const auto wait = call.arguments.value<std::chrono::milliseconds>("wait");
    if (options_.spool == nullptr) return no_spool();
    auto page = options_.spool->read(after, limit, max_bytes);
    if (!page) return broken(page.error());
    const bool nothing = page.value().events.empty() && page.value().next_after == after;
    if (!nothing || wait.count() == 0 || call.head) return json_answer(render(after, page.value()));
    if (!wait_for_events(after, wait)) {
        return error(429, "too_many_waiting", "too many clients wait for events; repeat the request in a second");
    }
    page = options_.spool->read(after, limit, max_bytes);
    return page ? json_answer(render(after, page.value())) : broken(page.error());
}

ApiAnswer Api::spool_groups(const ApiCall& /*call*/) {
    if (options_.spool == nullptr) return no_spool();
    return json_answer(render(options_.spool->groups(), options_.spool->status().last));
}

ApiAnswer Api::move_spool_group(const ApiCall& call) {
    if (options_.spool == nullptr) return no_spool();
    if (!is_name(call.id)) return bad_name(call.id);
    const auto move = read_move(call.fields);
    if (!move)
        return error(
            400, "not_object",
            "`after` and `consumer` go together; write a consumer's name of 1 to 64 characters of A-Z a-z 0-9 _ . -");
    const Position newest = options_.spool->status().last;
    if (move->position > newest) {
        return error(409, "beyond_newest",
                     "position " + std::to_string(move->position) + " is beyond the newest event, " +
                         std::to_string(newest) + "; check that the position is of this spool");
    }
    const std::string group(call.id);
    const auto moved = options_.spool->move_group(group, *move);
    if (!moved) return broken(moved.error());
    if (const auto stays = moved.value()) return moved_elsewhere(group, move->after.value_or(0), *stays);
    return json_answer(
        JsonWriter().begin_object().field("name", group).field("position", move->position).end_object().take());
}

ApiAnswer Api::remove_spool_group(const ApiCall& call) {
    if (options_.spool == nullptr) return no_spool();
    const auto groups = options_.spool->groups();
    const auto named = [&](const SpoolGroup& group) { return group.name == call.id; };
    const auto found = std::find_if(groups.begin(), groups.end(), named);
    if (found == groups.end()) {
        return error(404, "not_found", "unknown group " + in_quotes(call.id) + "; take one from GET /v1/spool/groups");
    }
    if (found->required) {
        return error(409, "required",
                     "group " + in_quotes(call.id) + " is required; remove it from sink.required_groups first");
    }
    if (const auto failed = options_.spool->remove_group(found->name)) return broken(*failed);
    return json_answer(
        JsonWriter().begin_object().field("name", found->name).field("removed", true).end_object().take());
}

}  // namespace holdfast
