#include "cli/consumer.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "api/api_endpoint.h"
#include "base/plant.h"
#include "cli/endpoint_flags.h"
#include "daemon/exit.h"
#include "net/url.h"
#include "text/json_writer.h"
#include "text/printable.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t max_in_page = 10'000;
constexpr milliseconds wait{10'000};  // long poll of one request with --follow
constexpr milliseconds answer_timeout = wait + milliseconds(20'000);
constexpr milliseconds between_tries{500};

/// Returns true for an overloaded gateway or a disk error. Both can pass.
bool may_pass(int status) { return status == 429 || status == 503; }

std::string message_of(const AdminAnswer& answer) {
    simdjson::dom::parser parser;
    std::string_view message;
    if (parser.parse(answer.body)["error"]["message"].get(message))
        return "the server is not a holdfast gateway (HTTP status " + std::to_string(answer.status) +
               "); name the admin address with --admin";
    return printable(message);
}

}  // namespace

int Consumer::run() {
    auto ending = find_start();
    while (!ending) ending = turn();
    return *ending;
}

Consumer::Ending Consumer::find_start() {
    if (options_.from) after_ = std::max<std::uint64_t>(*options_.from, 1) - 1;
    if (options_.from || options_.group.empty()) return std::nullopt;
    std::string body;
    if (const auto ending = request({.target = std::string(api_path::spool_groups)}, body)) return ending;
    const auto position = read_group_position(body, options_.group);
    if (!position) return give_up(position.error().message, exit_unreachable);
    after_ = position.value();
    has_group_ = !options_.name.empty();
    return std::nullopt;
}

std::string Consumer::next_target() const {
    const std::uint64_t left = options_.limit ? *options_.limit - written_ : max_in_page;
    return std::string(api_path::spool) + "?after=" + std::to_string(after_) +
           "&limit=" + std::to_string(std::min(left, max_in_page)) +
           (options_.follow ? "&wait=" + std::to_string(wait.count()) + "ms" : "");
}

Consumer::Ending Consumer::turn() {
    std::string body;
    if (const auto ending = request({.target = next_target(), .timeout = answer_timeout}, body)) return ending;
    const auto page = read_spool_page(body);
    if (!page) return give_up(page.error().message, exit_unreachable);
    if (after_ > page.value().newest) {
        return give_up("position " + std::to_string(after_) + " is beyond the newest event, " +
                           std::to_string(page.value().newest) +
                           "; check that the position is of this spool, or begin elsewhere with --from N",
                       exit_answer_is_no);
    }
    if (page.value().next_after > after_) {
        if (const auto ending = take(page.value())) return ending;
    }
    return finished(page.value()) ? Ending(exit_good) : std::nullopt;
}

bool Consumer::finished(const ReadPage& page) const {
    if (options_.limit && written_ >= *options_.limit) return true;
    return !options_.follow && after_ >= page.newest;
}

Consumer::Ending Consumer::take(const ReadPage& page) {
    for (const std::string& gap : page.missing) world_.tell(gap);
    world_.may_end(false);
    const bool store_before_write = planted("store_before_write");
    auto ending = store_before_write ? keep_position(page.next_after) : write_out(page);
    if (!ending) ending = store_before_write ? write_out(page) : keep_position(page.next_after);
    if (ending) return ending;
    world_.may_end(true);
    after_ = page.next_after;
    written_ += page.events;
    return std::nullopt;
}

Consumer::Ending Consumer::write_out(const ReadPage& page) {
    if (world_.write(page.lines)) return std::nullopt;
    const std::string kept = options_.group.empty() ? "" : "; the position of group " + options_.group + " stays";
    return give_up("standard output cannot be written" + kept, exit_answer_is_no);
}

Consumer::Ending Consumer::keep_position(std::uint64_t position) {
    if (options_.group.empty()) return std::nullopt;
    JsonWriter move;
    move.begin_object().field("position", position);
    if (has_group_) move.field("after", after_).field("consumer", options_.name);
    std::string body;
    auto ending = request({.method = "POST",
                           .target = fill_path(api_path::spool_group, options_.group),
                           .body = move.end_object().take()},
                          body);
    has_group_ = !options_.name.empty();
    return ending;
}

/// Sends the request. With --follow, repeats it until an answer arrives, because a gateway can be restarted.
Consumer::Ending Consumer::request(const AdminQuestion& question, std::string& body) {
    while (true) {
        const auto answer = world_.request(question);
        if (answer && answer.value().status < 300) {
            waiting_ = false;
            body = answer.value().body;
            return std::nullopt;
        }
        const std::string why = answer ? message_of(answer.value()) : answer.error().message;
        const bool passing = !answer || may_pass(answer.value().status);
        const int code = !answer || answer.value().status == 503 ? exit_unreachable
                         : answer.value().status == 400          ? exit_wrong_usage
                                                                 : exit_answer_is_no;
        if (!options_.follow || !passing) return give_up(why, code);
        if (!std::exchange(waiting_, true)) world_.tell(why + "; retrying");
        world_.sleep(between_tries);
    }
}

Consumer::Ending Consumer::give_up(std::string_view why, int code) {
    world_.tell(why);
    return code;
}

}  // namespace holdfast
