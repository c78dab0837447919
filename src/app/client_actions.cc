#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "app/client_ask.h"
#include "app/client_text.h"
#include "app/verbs.h"
#include "base/human.h"
#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

/// Past the longest item that a gateway can be told to take: it will refuse the message, and say so.
constexpr std::size_t most_read = 2 * 1024 * 1024;

/// Beyond the time that the gateway itself waits for a device.
constexpr std::chrono::seconds answer_patience{10};

struct ProbeFlags {
    ClientFlags client;
    std::string id;
    std::string device;
    std::string peer;
    bool all = false;
    std::string timeout = "3s";
};

struct CloseFlags {
    ClientFlags client;
    std::string id;
    std::string device;
    std::string peer;
};

struct SendFlags {
    ClientFlags client;
    std::string first;   ///< the connection; with a device, the object
    std::string second;  ///< the object
    std::string device;
    std::string wait;
};

int probe_one(const ProbeFlags& flags, std::chrono::milliseconds patience) {
    const std::string path =
        flags.device.empty() ? connection_path(flags.id, "/probe") : device_path(flags.device, "/probe");
    const std::string target = QueryTarget(path).with("timeout", flags.timeout).text();
    const auto verdict = [](const AnswerView& answer) { return answer.flag("/alive") ? exit_good : exit_answer_is_no; };
    return ask_and_show(flags.client, {.method = "POST", .target = target, .patience = patience},
                        {.text = probe_text, .verdict = verdict});
}

int probe_many(const ProbeFlags& flags, std::chrono::milliseconds patience) {
    QueryTarget target("/v1/probe");
    target.with("peer", flags.peer).with("all", flags.all ? "true" : "").with("timeout", flags.timeout);
    // Asked of one prefix, "nobody is there" is a no.
    const bool need_one = !flags.all;
    const auto verdict = [need_one](const AnswerView& summary) {
        const bool silent = summary.count("/silent") > 0 || summary.count("/alive") < summary.count("/asked");
        return silent || (need_one && summary.count("/asked") == 0) ? exit_answer_is_no : exit_good;
    };
    return ask_and_show(flags.client, {.method = "POST", .target = target.text(), .patience = patience},
                        {.text = probes_text, .verdict = verdict});
}

int probe_verb(const ProbeFlags& flags) {
    const int named = (flags.id.empty() ? 0 : 1) + (flags.device.empty() ? 0 : 1) + (flags.peer.empty() ? 0 : 1) +
                      (flags.all ? 1 : 0);
    if (named != 1) {
        print_error("say whom to probe: one of an ID, --id DEVICE, --peer PREFIX or --all");
        return exit_wrong_usage;
    }
    const auto timeout = parse_duration(flags.timeout);
    if (!timeout) {
        print_error("--timeout: " + timeout.error().message);
        return exit_wrong_usage;
    }
    const auto patience = timeout.value() + answer_patience;
    const bool one = !flags.id.empty() || !flags.device.empty();
    return one ? probe_one(flags, patience) : probe_many(flags, patience);
}

std::string closed_one_text(const AnswerView& answer) { return "closed " + printable(answer.text("/conn")) + "\n"; }

std::string closed_many_text(const AnswerView& answer) {
    const std::uint64_t closed = answer.count("/closed");
    return "closed " + human_count(closed) + (closed == 1 ? " connection\n" : " connections\n");
}

int close_verb(const CloseFlags& flags) {
    const int named = (flags.id.empty() ? 0 : 1) + (flags.device.empty() ? 0 : 1) + (flags.peer.empty() ? 0 : 1);
    if (named != 1) {
        print_error("say what to close: one of an ID, --id DEVICE or --peer PREFIX");
        return exit_wrong_usage;
    }
    if (flags.peer.empty()) {
        const std::string one = flags.device.empty() ? connection_path(flags.id) : device_path(flags.device);
        return ask_and_show(flags.client, {.method = "DELETE", .target = one}, {.text = closed_one_text});
    }
    const auto verdict = [](const AnswerView& answer) {
        return answer.count("/closed") > 0 ? exit_good : exit_answer_is_no;
    };
    const std::string target = QueryTarget("/v1/connections").with("peer", flags.peer).text();
    return ask_and_show(flags.client, {.method = "DELETE", .target = target},
                        {.text = closed_many_text, .verdict = verdict});
}

std::optional<std::string> read_standard_input() {
    std::string all;
    char buffer[4096];
    while (all.size() < most_read) {
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
    const std::string gateway = printable(answer.text("/gateway"));  // where it is another's
    const std::string who = printable(answer.text("/id")) + (gateway.empty() ? "" : " at gateway " + gateway);
    if (answer.text("/result") == "acked") return "acked: the kernel of " + who + " has it\n";
    return "sent to " + who + ", and not acknowledged yet\n";
}

int send_to_device(const SendFlags& flags, std::string body) {
    auto patience = answer_patience + std::chrono::milliseconds(0);
    if (!flags.wait.empty()) {
        const auto wait = parse_duration(flags.wait);
        if (!wait) {
            print_error("--wait: " + wait.error().message);
            return exit_wrong_usage;
        }
        patience += wait.value();
    }
    const std::string target = QueryTarget(device_path(flags.device, "/messages")).with("wait", flags.wait).text();
    return ask_and_show(flags.client,
                        {.method = "POST", .target = target, .body = std::move(body), .patience = patience},
                        {.text = delivered_text});
}

int send_verb(const SendFlags& flags) {
    const bool to_device = !flags.device.empty();
    if (to_device != flags.second.empty() || (!to_device && !flags.wait.empty())) {
        print_error("say to whom and what: send ID JSON, or send --id DEVICE [--wait DURATION] JSON");
        return exit_wrong_usage;
    }
    std::optional<std::string> body = to_device ? flags.first : flags.second;
    if (body == "-") body = read_standard_input();
    if (!body) {
        print_error("standard input cannot be read: pipe the JSON object into it");
        return exit_wrong_usage;
    }
    if (to_device) return send_to_device(flags, std::move(*body));
    const std::string target = connection_path(flags.first, "/messages");
    return ask_and_show(flags.client, {.method = "POST", .target = target, .body = std::move(*body)},
                        {.text = queued_text});
}

}  // namespace

Verb make_probe_verb() {
    const auto flags = std::make_shared<ProbeFlags>();
    return {
        "probe", "ask now whether peers are there; exit 0 if all are",
        Arguments{
            {"ID", &flags->id, "", "one connection"},
            {"--id", &flags->device, "DEVICE", "a device, by what it says of itself"},
            {"--peer", &flags->peer, "PREFIX", "all whose peer lies in it, e.g. 10.2.0.0/16"},
            {"--all", &flags->all, "", "all connections"},
            {"--timeout", &flags->timeout, "DURATION", "no answer for so long is silence", {.shows_default = true}}} +
            client_arguments(flags->client),
        [flags] { return probe_verb(*flags); }};
}

Verb make_close_verb() {
    const auto flags = std::make_shared<CloseFlags>();
    return {"close", "end connections; their reason is kicked",
            Arguments{{"ID", &flags->id, "", "one connection"},
                      {"--id", &flags->device, "DEVICE", "a device, by what it says of itself"},
                      {"--peer", &flags->peer, "PREFIX", "all whose peer lies in it, e.g. 10.2.0.0/16"}} +
                client_arguments(flags->client),
            [flags] { return close_verb(*flags); }};
}

Verb make_send_verb() {
    const auto flags = std::make_shared<SendFlags>();
    return {
        "send", "send a JSON object to a device",
        Arguments{
            {"ID", &flags->first, "", "the connection; not with --id", {.required = true}},
            {"JSON", &flags->second, "", "the object, or - to read it from standard input"},
            {"--id", &flags->device, "DEVICE", "a device, by what it says of itself, in place of a connection's ID"},
            {"--wait", &flags->wait, "DURATION", "for the device's kernel to acknowledge it, with --id [300ms]"}} +
            client_arguments(flags->client),
        [flags] { return send_verb(*flags); }};
}

}  // namespace holdfast
