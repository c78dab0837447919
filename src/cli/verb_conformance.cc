#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "conformance/conformance.h"
#include "daemon/exit.h"
#include "model/exit_code.h"
#include "text/units.h"

namespace holdfast {
namespace {

struct ConformanceFlags {
    ConformanceOptions options;
    std::string to;
    std::string timeout = "10s";
    bool length = false;
    bool json = false;
};

int conformance_verb(ConformanceFlags& flags) {
    const auto to = parse_endpoint(flags.to);
    if (!to) {
        print_error("--to: " + to.error().message);
        return exit_wrong_usage;
    }
    const auto timeout = parse_duration(flags.timeout);
    if (!timeout || timeout.value() < std::chrono::seconds(1)) {
        print_error("--timeout: " + (timeout ? "the time is too short; write at least 1s" : timeout.error().message));
        return exit_wrong_usage;
    }
    flags.options.to = to.value();
    flags.options.timeout = timeout.value();
    flags.options.framing = flags.length ? Framing::length : Framing::ndjson;
    const auto report = examine_device(flags.options, [](const Endpoint& address) {
        std::cerr << "listening on " << to_string(address) << "; start the device, which must send items" << std::endl;
    });
    if (!report) {
        print_error(report.error().message);
        return exit_wrong_usage;
    }
    std::cout << (flags.json ? report_json(report.value()) + "\n" : report_text(report.value()));
    return report.value().conforms ? exit_good : exit_answer_is_no;
}

}  // namespace

Verb make_conformance_verb() {
    const auto flags = std::make_shared<ConformanceFlags>();
    return {
        "conformance",
        "check a device client against the protocol, in the gateway's place",
        {{"--to",
          &flags->to,
          "ADDRESS:PORT",
          "address to listen on, to which the device connects, e.g. 127.0.0.1:7000",
          {.required = true}},
         {"--key", &flags->options.key, "NAME", "key field of the items; \"\": none", {.shows_default = true}},
         {"--token", &flags->options.token, "TOKEN", "token that the hello must have; default: not checked"},
         {"--length", &flags->length, "", "framing = \"length\"; default: ndjson"},
         {"--timeout", &flags->timeout, "DURATION", "time that the device has for each step", {.shows_default = true}},
         {"--json", &flags->json, "", "JSON, for scripts"}},
        [flags] { return conformance_verb(*flags); },
        {},
        "The device must connect by itself, again after each end, and send an item at least once a second.\n"
        "A line per rule says pass, fail or not_checked. Exit code: 0 if the device conforms, 1 if not."};
}

}  // namespace holdfast
