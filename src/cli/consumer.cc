#include "cli/consumer.h"

#include <algorithm>
#include <utility>

#include "api/api_endpoint.h"
#include "base/plant.h"
#include "cli/endpoint_flags.h"
#include "client/admin_reply.h"
#include "daemon/exit.h"
#include "net/url.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t max_in_page = 10'000;
constexpr milliseconds wait{10'000};  // long poll of one request with --follow
constexpr milliseconds answer_timeout = wait + milliseconds(20'000);
constexpr milliseconds between_tries{500};

/// Returns true for a missing answer, an overloaded gateway and a disk error. They can pass.
bool may_pass(int status) { return status == 0 || status == 429 || status == 503; }

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
    if (!position) return give_up_on_other_service();
    after_ = *position;
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
    if (!page) return give_up_on_other_service();
    if (after_ > page->newest) {
        return give_up("position " + std::to_string(after_) + " is beyond the newest event, " +
                           std::to_string(page->newest) +
                           "; check that the position is of this spool, or begin elsewhere with --from N",
                       exit_answer_is_no);
    }
    if (page->next_after > after_) {
        if (const auto ending = take(*page)) return ending;
    }
    return finished(*page) ? Ending(exit_good) : std::nullopt;
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
    if (store_before_write) world_.sleep(milliseconds(200));  // for the kill that shows the defect
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
        auto answer = world_.request(question);
        const auto failure = failure_of(options_.admin, answer);
        if (!failure) {
            waiting_ = false;
            body = std::move(answer.value().body);
            return std::nullopt;
        }
        if (!options_.follow || !may_pass(failure->status)) return give_up(failure->text(), failure->code);
        if (!std::exchange(waiting_, true)) world_.tell(failure->text() + "; retrying");
        world_.sleep(between_tries);
    }
}

Consumer::Ending Consumer::give_up_on_other_service() {
    constexpr int answered = 200;
    const AdminFailure failure = not_a_gateway(options_.admin, answered);
    return give_up(failure.text(), failure.code);
}

Consumer::Ending Consumer::give_up(std::string_view why, int code) {
    world_.tell(why);
    return code;
}

}  // namespace holdfast
