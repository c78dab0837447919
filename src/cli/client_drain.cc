#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "cli/client_request.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds between_samples{500};
constexpr int still_runs = -1;

struct DrainFlags {
    ClientFlags client;
    EndpointFlags api;
    bool wait = false;
    bool cancel = false;
    bool show = false;
};

bool runs(const AnswerView& answer) { return answer.text("/drain/state") == "running"; }

/// Returns the scope: "all", or "10.2.0.0/16", "listener devices", or both.
std::string whom(const AnswerView& answer) {
    const std::string peer = answer.text("/drain/peer");
    const std::string listener = answer.text("/drain/listener");
    if (peer.empty() && listener.empty()) return "all";
    const std::string part = listener.empty() ? "" : "listener " + printable(listener);
    return printable(peer) + (peer.empty() || part.empty() ? "" : ", ") + part;
}

std::string drain_text(const AnswerView& answer) {
    const auto count = [&](std::string_view name) { return human_count(answer.count("/drain/" + std::string(name))); };
    std::string out = printable(answer.text("/drain/state")) + ": " + whom(answer) + " over " +
                      printable(answer.text("/drain/over")) + "; " + count("ended") + " of " + count("found") +
                      " ended, " + count("gone") + " had gone, " + count("left") + " left\n";
    if (answer.flag("/out_of_service"))
        out += "out of service: /readyz returns 503 until a restart or drain --cancel\n";
    return out;
}

std::string begun_text(const AnswerView& answer) {
    std::string out = "begun: " + whom(answer) + " over " + printable(answer.text("/drain/over")) +
                      "; follow it with drain --status\n";
    if (answer.flag("/out_of_service"))
        out += "out of service: /readyz returns 503 until a restart or drain --cancel\n";
    return out;
}

/// Polls until the drain ends. Returns 0 if it was completed, 1 if it was cancelled.
int wait_for_end(const ClientFlags& client) {
    const Showing last{.text = drain_text,
                       .verdict = [](const AnswerView& answer) -> int {
                           if (runs(answer)) return still_runs;
                           return answer.text("/drain/state") == "done" ? exit_good : exit_answer_is_no;
                       },
                       .wanted = [](const AnswerView& answer) { return !runs(answer); }};
    for (;;) {
        const int code = request_and_show(client, {.target = std::string(api_path::drain)}, last);
        if (code != still_runs) return code;
        std::this_thread::sleep_for(between_samples);
    }
}

int drain_verb(const DrainFlags& flags) {
    if (flags.cancel && flags.show) {
        print_error("--cancel and --status exclude each other; give one of them");
        return exit_wrong_usage;
    }
    if (flags.show || flags.cancel) {
        const AdminQuestion question{.method = flags.show ? "GET" : "DELETE", .target = std::string(api_path::drain)};
        return request_and_show(flags.client, question, {.text = drain_text});
    }
    const bool wait = flags.wait;
    const int begun = request_and_show(flags.client, flags.api.question("POST", api_path::drain),
                                       {.text = begun_text, .wanted = [wait](const AnswerView&) { return !wait; }});
    return begun == exit_good && wait ? wait_for_end(flags.client) : begun;
}

}  // namespace

Verb make_drain_verb() {
    const auto flags = std::make_shared<DrainFlags>();
    return {"drain", "close connections, spread over a time; without filters: all, before a restart",
            flags->api.of("POST", api_path::drain) +
                Arguments{{"--wait", &flags->wait, "", "wait until the drain ends; exit 1 if it was cancelled"},
                          {"--status", &flags->show, "", "progress of the latest drain"},
                          {"--cancel", &flags->cancel, "",
                           "end the drain, keep the remaining connections, return to service"}} +
                client_arguments(flags->client),
            [flags] { return drain_verb(*flags); }};
}

}  // namespace holdfast
