#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// Exceeds the longest item that a gateway can be configured to accept. The gateway rejects such a message with its own
/// error.
constexpr std::size_t max_read = 2 * 1024 * 1024;

/// Added to the time that the gateway itself waits for a device.
constexpr std::chrono::seconds answer_margin{10};

/// The flags that the verbs about one or many connections share.
struct ScopeFlags {
    ClientFlags client;
    EndpointFlags api;
    std::string id;
    std::string device;

    /// Returns how many of ID, --id, --peer and --all are given.
    [[nodiscard]] int named() const {
        return (id.empty() ? 0 : 1) + (device.empty() ? 0 : 1) + (api.given("peer") ? 1 : 0) +
               (api.given("all") ? 1 : 0);
    }
    [[nodiscard]] bool is_of_one() const { return !id.empty() || !device.empty(); }
    /// Returns the request for the one connection, or for the one device.
    [[nodiscard]] AdminQuestion question(std::string_view method, std::string_view of_connection,
                                         std::string_view of_device) const {
        return device.empty() ? api.question(method, of_connection, id) : api.question(method, of_device, device);
    }
};

struct SendFlags {
    ClientFlags client;
    EndpointFlags api;
    std::string first;   ///< the connection id; with a device, the object
    std::string second;  ///< the object
    std::string device;
};

int probe_one(const ScopeFlags& flags, std::chrono::milliseconds timeout) {
    AdminQuestion question = flags.question("POST", api_path::connection_probe, api_path::device_probe);
    question.timeout = timeout;
    const auto verdict = [](const AnswerView& answer) { return answer.flag("/alive") ? exit_good : exit_answer_is_no; };
    return request_and_show(flags.client, question, {.text = probe_text, .verdict = verdict});
}

int probe_many(const ScopeFlags& flags, std::chrono::milliseconds timeout) {
    AdminQuestion question = flags.api.question("POST", api_path::probe);
    question.timeout = timeout;
    // For one prefix, the absence of a connection is a negative answer.
    const bool need_one = !flags.api.given("all");
    const auto verdict = [need_one](const AnswerView& summary) {
        const bool silent = summary.count("/silent") > 0 || summary.count("/alive") < summary.count("/asked");
        return silent || (need_one && summary.count("/asked") == 0) ? exit_answer_is_no : exit_good;
    };
    return request_and_show(flags.client, question, {.text = probes_text, .verdict = verdict});
}

int probe_verb(const ScopeFlags& flags) {
    if (flags.named() != 1) {
        print_error("no connection is selected; give an ID, --id DEVICE, --peer PREFIX or --all");
        return exit_wrong_usage;
    }
    const auto answer_limit = flags.api.duration("timeout") + answer_margin;
    return flags.is_of_one() ? probe_one(flags, answer_limit) : probe_many(flags, answer_limit);
}

std::string closed_one_text(const AnswerView& answer) { return "closed " + printable(answer.text("/conn")) + "\n"; }

std::string closed_many_text(const AnswerView& answer) {
    const std::uint64_t closed = answer.count("/closed");
    return "closed " + human_count(closed) + (closed == 1 ? " connection\n" : " connections\n");
}

int close_verb(const ScopeFlags& flags) {
    if (flags.named() != 1) {
        print_error("no connection is selected; give an ID, --id DEVICE or --peer PREFIX");
        return exit_wrong_usage;
    }
    if (flags.is_of_one()) {
        return request_and_show(flags.client, flags.question("DELETE", api_path::connection, api_path::device),
                                {.text = closed_one_text});
    }
    const auto verdict = [](const AnswerView& answer) {
        return answer.count("/closed") > 0 ? exit_good : exit_answer_is_no;
    };
    return request_and_show(flags.client, flags.api.question("DELETE", api_path::connections),
                            {.text = closed_many_text, .verdict = verdict});
}

std::optional<std::string> read_standard_input() {
    std::string all;
    char buffer[4096];
    while (all.size() < max_read) {
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got == 0) return all;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
}

std::string queued_text(const AnswerView& answer) { return "queued for " + printable(answer.text("/conn")) + "\n"; }

std::string delivered_text(const AnswerView& answer) {
    const std::string gateway = printable(answer.text("/gateway"));  // set if another gateway has the device
    const std::string who = printable(answer.text("/id")) + (gateway.empty() ? "" : " at gateway " + gateway);
    if (answer.text("/result") == "acked") return "acked: the kernel of " + who + " received the message\n";
    return "sent to " + who + ", not acknowledged yet\n";
}

int send_to_device(const SendFlags& flags, std::string body) {
    AdminQuestion question = flags.api.question("POST", api_path::device_messages, flags.device);
    question.body = std::move(body);
    question.timeout = flags.api.duration("wait") + answer_margin;
    return request_and_show(flags.client, question, {.text = delivered_text});
}

int send_verb(const SendFlags& flags) {
    const bool to_device = !flags.device.empty();
    const bool is_complete =
        to_device ? !flags.first.empty() && flags.second.empty() : !flags.second.empty() && !flags.api.given("wait");
    if (!is_complete) {
        print_error(
            "the device or the message is missing; write send ID JSON, or send --id DEVICE [--wait DURATION] JSON");
        return exit_wrong_usage;
    }
    std::optional<std::string> body = to_device ? flags.first : flags.second;
    if (body == "-") body = read_standard_input();
    if (!body) {
        print_error("standard input cannot be read; pipe the JSON object into it");
        return exit_wrong_usage;
    }
    if (to_device) return send_to_device(flags, std::move(*body));
    AdminQuestion question = flags.api.question("POST", api_path::connection_messages, flags.first);
    question.body = std::move(*body);
    return request_and_show(flags.client, question, {.text = queued_text});
}

}  // namespace

Verb make_probe_verb() {
    const auto flags = std::make_shared<ScopeFlags>();
    return {
        "probe", "probe peers now; exit 0 if all answer",
        Arguments{{"ID", &flags->id, "", "one connection"}, {"--id", &flags->device, "DEVICE", "id of the device"}} +
            flags->api.of("POST", api_path::probe) + client_arguments(flags->client),
        [flags] { return probe_verb(*flags); }};
}

Verb make_close_verb() {
    const auto flags = std::make_shared<ScopeFlags>();
    return {
        "close", "close connections with the reason kicked",
        Arguments{{"ID", &flags->id, "", "one connection"}, {"--id", &flags->device, "DEVICE", "id of the device"}} +
            flags->api.of("DELETE", api_path::connections) + client_arguments(flags->client),
        [flags] { return close_verb(*flags); }};
}

Verb make_send_verb() {
    const auto flags = std::make_shared<SendFlags>();
    return {"send", "send a JSON object to a device",
            Arguments{{"ID", &flags->first, "", "id of the connection; not with --id"},
                      {"JSON", &flags->second, "", "JSON object, or - for standard input"},
                      {"--id", &flags->device, "DEVICE", "id of the device, in place of a connection's ID"}} +
                flags->api.of("POST", api_path::device_messages) + client_arguments(flags->client),
            [flags] { return send_verb(*flags); }};
}

}  // namespace holdfast
