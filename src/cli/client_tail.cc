#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "api/api_endpoint.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "client/event_stream.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds between_tries{1};
constexpr std::chrono::seconds max_silence{45};  // a feed has a byte every 15 s: the gateway has vanished

struct TailFlags {
    ClientFlags client;
    EndpointFlags api;
    std::optional<std::uint64_t> count;
};

/// Prints the messages of a feed, and remembers the place for the next request.
class Tail {
public:
    explicit Tail(const TailFlags& flags) : flags_(flags) {}

    /// Follows until the feed ends. Returns the failure of a request that got no feed.
    [[nodiscard]] std::optional<AdminFailure> follow() {
        EventStream stream([this](const StreamedEvent& event) { return take(event); });
        AdminQuestion question = flags_.api.question("GET", api_path::events);
        question.timeout = std::chrono::milliseconds(0);
        question.silence = max_silence;
        if (!last_id_.empty()) question.headers.push_back("Last-Event-ID: " + last_id_);
        question.on_piece = [&stream](std::string_view piece) { return stream.take(piece); };
        const auto answer = call_admin(flags_.client.admin, question);
        if (!done_ && !(answer && answer.value().status == 200)) return failure_of(flags_.client.admin, answer);
        return std::nullopt;
    }

    [[nodiscard]] bool is_done() const { return done_; }
    [[nodiscard]] bool has_begun() const { return !last_id_.empty(); }

private:
    bool take(const StreamedEvent& event) {
        if (!event.id.empty()) last_id_ = event.id;
        if (event.kind == "skipped") {
            std::cerr << (event.data.find("\"gap\"") != std::string::npos
                              ? "! events may be missing here: the gateway no longer has them\n"
                              : "! events were left out, because they came too fast: " + printable(event.data) + "\n");
            return true;
        }
        std::cout << printable(event.data) << std::endl;
        done_ = flags_.count && ++shown_ >= *flags_.count;
        return !done_ && std::cout.good();
    }

    const TailFlags& flags_;
    std::string last_id_;
    std::uint64_t shown_ = 0;
    bool done_ = false;
};

/// Follows until the count is reached or the output ends. A feed that ends is opened again where it ended.
int tail_verb(const TailFlags& flags) {
    if (!is_admin_address(flags.client.admin.address)) {
        print_error("--admin: " + not_an_admin_address(flags.client.admin.address));
        return exit_wrong_usage;
    }
    Tail tail(flags);
    for (bool reported = false; std::cout.good();) {
        const auto failure = tail.follow();
        if (tail.is_done()) return exit_good;
        if (failure && (!tail.has_begun() || failure->status != 0)) return print_failure(*failure);
        if (!std::exchange(reported, failure.has_value()) && failure) {
            std::cerr << "! the feed has ended, and is opened again: " << printable(failure->text()) << '\n';
        }
        std::this_thread::sleep_for(between_tries);
    }
    return exit_good;
}

}  // namespace

Verb make_tail_verb() {
    const auto flags = std::make_shared<TailFlags>();
    Arguments filters = flags->api.of("GET", api_path::events);
    flags->api.set("kinds", "alarm,connected,item,bad_item,closed");
    for (Argument& filter : filters) {
        if (filter.name == "--kinds") filter.name = "--kind";
    }
    return {"tail", "follow events live, one JSON object on a line",
            filters + Arguments{{"--count", &flags->count, "N", "end after N events; default: never"}} +
                admin_arguments(flags->client.admin),
            [flags] { return tail_verb(*flags); }};
}

}  // namespace holdfast
