#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "app/client_ask.h"
#include "app/load_gateway.h"
#include "app/verbs.h"
#include "base/printable.h"
#include "base/units.h"
#include "load/report.h"
#include "load/run_load.h"
#include "load/target_guard.h"

namespace holdfast {
namespace {

/// The flags as they were written.
struct LoadFlags {
    LoadOptions options;
    std::string to;
    AdminAccess admin;  ///< where downlinks are asked for
    std::unique_ptr<LoadGateway> gateway;
    bool any_target = false;
    bool tls = false;
    std::string tls_ca;
    std::string duration = "30s";
    std::string framing = "ndjson";
    std::string source;
    std::string item_bytes;
    std::string fault_within;
    std::string slow_interval = "100ms";
    std::string storm;
    bool acks = false;
    std::optional<std::uint64_t> seed;
    bool json = false;
    bool progress = false;
};

double& share_of(LoadFlags& flags, Fault fault) { return flags.options.faults[static_cast<std::size_t>(fault)]; }

/// Whatever can be wrong with a flag's text; the flag is named in front of it.
template <typename T>
Error of_flag(const char* flag, const Result<T>& result) {
    return Error{std::string(flag) + ": " + result.error().message};
}

std::optional<Error> read_target(LoadFlags& flags) {
    const auto to = parse_endpoint(flags.to);
    if (!to) return of_flag("--to", to);
    const auto allowed = check_target(to.value(), flags.any_target);
    if (!allowed) return of_flag("--to", allowed);
    flags.options.to = allowed.value();
    if (flags.source.empty()) return {};
    const auto source = SourceRange::parse(flags.source);
    if (!source) return of_flag("--source", source);
    if (source.value().is_v4() != flags.options.to.address.is_v4()) {
        return Error{"--source: it and --to must both be IPv4 or both be IPv6"};
    }
    flags.options.source = source.value();
    return {};
}

std::optional<Error> read_admin(LoadFlags& flags) {
    if (flags.options.downlinks_per_second == 0) return {};
    const std::string& address = flags.admin.address;
    if (!is_admin_address(address)) return Error{"--admin: " + not_an_admin_address(address)};
    if (!flags.any_target && !is_private_admin_address(address)) {
        return Error{"--admin: " + in_quotes(address) +
                     " is neither this host nor a private address: if it is yours to load, add --allow-any-target"};
    }
    flags.admin.keep = true;
    auto client = AdminClient::open(flags.admin);
    if (!client) return client.error();
    flags.gateway = std::make_unique<LoadGateway>(std::move(client).value());
    return {};
}

std::optional<Error> read_tls(LoadFlags& flags) {
    if (!flags.tls) return {};
    auto context = TlsContext::for_client({.ca = flags.tls_ca, .certificate = {}, .key = {}});
    if (!context) return of_flag("--tls-ca", context);
    flags.options.tls = std::move(context).value();
    return {};
}

std::optional<Error> read_duration(const char* flag, const std::string& text, std::chrono::milliseconds& to) {
    const auto duration = parse_duration(text);
    if (!duration) return of_flag(flag, duration);
    if (duration.value().count() <= 0) return Error{std::string(flag) + ": it must be longer than nothing, e.g. 30s"};
    to = duration.value();
    return {};
}

std::optional<Error> read_times(LoadFlags& flags) {
    LoadOptions& options = flags.options;
    if (auto error = read_duration("--duration", flags.duration, options.duration)) return error;
    if (options.duration > std::chrono::hours(24 * 7))
        return Error{"--duration: at most 168h, so that every load ends"};
    if (auto error = read_duration("--slow-interval", flags.slow_interval, options.slow_interval)) return error;
    options.fault_within = options.duration / 2;
    if (!flags.fault_within.empty()) {
        if (auto error = read_duration("--fault-within", flags.fault_within, options.fault_within)) return error;
    }
    if (flags.storm.empty()) return {};
    options.storm.emplace();
    options.reconnect = true;
    return read_duration("--storm", flags.storm, *options.storm);
}

/// A session is a run of numbers that begins at 1: another for each load, whatever the seed.
std::optional<Error> read_identity(LoadFlags& flags) {
    const std::string& prefix = flags.options.id_prefix;
    const bool plain = std::all_of(prefix.begin(), prefix.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
    if (!plain || prefix.size() > 100) return Error{"--ids: at most 100 bytes without control characters"};
    if (!flags.acks) return {};
    std::random_device draw;
    flags.options.session = "load-" + std::to_string(std::uint64_t{draw()} << 32 | draw());
    return {};
}

std::optional<Error> read_items(LoadFlags& flags) {
    ItemStyle& style = flags.options.style;
    const auto framing = parse_framing(flags.framing);
    if (!framing) return Error{"--framing: write ndjson, json or length"};
    style.framing = *framing;
    if (!flags.item_bytes.empty()) {
        const auto bytes = parse_size(flags.item_bytes);
        if (!bytes) return of_flag("--item-bytes", bytes);
        style.bytes = bytes.value();
    }
    const auto shares = check_shares(flags.options.faults);
    if (!shares) return shares.error();
    style.seed = flags.options.seed;
    const auto checked = check_style(style);
    if (!checked) return checked.error();
    return {};
}

int load_verb(LoadFlags& flags) {
    flags.options.seed = flags.seed ? *flags.seed : std::random_device{}();
    for (const auto read : {read_target, read_tls, read_admin, read_times, read_items, read_identity}) {
        if (const auto error = read(flags)) {
            print_error(error->message);
            return exit_wrong_usage;
        }
    }
    LoadOptions& options = flags.options;
    options.threads = std::min(options.threads, options.connections);
    LoadWatch watch;
    watch.ready = [&](const LoadCounts& counts) {
        std::cout << "ready connections=" << counts.connected;
        if (counts.never_connected > 0) std::cout << " failed=" << counts.never_connected;
        std::cout << std::endl;
    };
    watch.sent = [](const LoadCounts& counts) {
        std::cout << "sent items=" << counts.items << " bytes=" << counts.bytes_out << std::endl;
    };
    if (flags.progress || ::isatty(STDERR_FILENO) == 1) {
        watch.progress = [&options, before = LoadCounts{}, last = std::chrono::milliseconds(0)](
                             const LoadCounts& now, std::chrono::milliseconds elapsed) mutable {
            std::cerr << progress_line(now, before, options.connections, elapsed, elapsed - last) << std::endl;
            before = now;
            last = elapsed;
        };
    }
    const auto report = run_load(options, watch, flags.gateway.get());
    if (!report) {
        print_error(report.error().message);
        return exit_wrong_usage;
    }
    std::cout << (flags.json ? summary_json(report.value(), options) + "\n" : summary_text(report.value(), options));
    return report.value().complete ? exit_good : exit_answer_is_no;
}

Arguments fleet_arguments(LoadFlags& flags) {
    LoadOptions& options = flags.options;
    return {{"--to", &flags.to, "ADDRESS:PORT", "the gateway's listener, e.g. 127.0.0.1:7000", {.required = true}},
            {"--allow-any-target", &flags.any_target, "", "also where --to is not a loopback or private address"},
            {"--tls", &flags.tls, "", "each device speaks TLS"},
            {"--tls-ca",
             &flags.tls_ca,
             "FILE",
             "a PEM file with the authorities that the gateway's certificate must be of; without it, any is good",
             {.needs = {"--tls"}}},
            {"--connections", &options.connections, "N", "devices [100]", {.range = NumberRange{1, 16'000'000}}},
            {"--rate",
             &options.connects_per_second,
             "N",
             "connects per second [as fast as accepted]",
             {.range = NumberRange{}}},
            {"--duration", &flags.duration, "DURATION", "ends after so long, whatever else [30s]"},
            {"--source", &flags.source, "ADDRESSES",
             "connect from these addresses in turn, e.g. 127.1.0.0/16 or 127.1.0.1-127.1.0.9"},
            {"--first-device", &options.first_device, "N",
             "the first device's number, where several processes load together [0]"},
            {"--threads", &options.threads, "N", "event loops [1]", {.range = NumberRange{1, 64}}},
            {"--hold", &options.hold, "",
             "print \"ready connections=N\" once connected, then keep quiet until the duration or standard input ends; "
             "every "
             "line on standard input lets each connection send its --items, followed by \"sent items=N bytes=B\""},
            {"--progress", &flags.progress, "", "a line each second on standard error, also where that is no terminal"},
            {"--json", &flags.json, "", "the summary for scripts"}};
}

Arguments item_arguments(LoadFlags& flags) {
    LoadOptions& options = flags.options;
    return {{"--items", &options.items, "N",
             "each connection sends so many, as fast as they are taken; the load then ends"},
            {"--items-per-second",
             &options.items_per_second,
             "N",
             "of the whole fleet, at a steady rate until the duration ends",
             {.range = NumberRange{}, .excludes = {"--items"}}},
            {"--batch", &options.batch, "N", "items in one write [1]", {.range = NumberRange{1, 65'536}}},
            {"--item-bytes", &flags.item_bytes, "SIZE", "pad every item to so much, e.g. 1KiB"},
            {"--framing", &flags.framing, "FRAMING", "ndjson, json or length [ndjson]"},
            {"--key-field", &options.style.key_field, "NAME", "the field that names the item [ip]"},
            {"--key-template", &options.style.key_template, "TEXT",
             "its value: {ip}, {n} (the device's number), {seq} (the item's) [{ip}]"}};
}

Arguments downlink_arguments(LoadFlags& flags) {
    return Arguments{
               {"--downlinks-per-second",
                &flags.options.downlinks_per_second,
                "N",
                "ask the gateway at --admin to send so many {\"load_downlink\":N} to devices of this fleet, drawn by "
                "the seed; each answers with an item {\"load_ack\":N}; the summary tells how many arrived and how "
                "long they took, from asking to arrival",
                {.group = "Downlinks", .range = NumberRange{0, 1e6}}}} +
           admin_arguments(flags.admin, "Downlinks");
}

Arguments uplink_arguments(LoadFlags& flags) {
    return {{"--ids",
             &flags.options.id_prefix,
             "PREFIX",
             "each device says hello first, as PREFIX-N, where N is its number",
             {.group = "Identity"}},
            {"--acks",
             &flags.acks,
             "",
             "devices number their items, keep them until the gateway acknowledges them and send them again after "
             "a reconnect; the summary tells how long acks took, from handing over an item to its ack. The "
             "listener needs acks = true",
             {.group = "Identity", .needs = {"--ids"}, .excludes = {"--downlinks-per-second"}}}};
}

Arguments fault_arguments(LoadFlags& flags) {
    const auto share = [&](const char* flag, double& target, const char* help) -> Argument {
        return {flag, &target, "SHARE", help, {.group = "Faults", .range = NumberRange{0, 1}}};
    };
    const ArgumentRules rules{.group = "Faults"};
    return {
        share("--silence", share_of(flags, Fault::silence),
              "of the devices vanish: a socket filter drops whatever comes in, so that not even their kernel answers"),
        share("--reset", share_of(flags, Fault::reset), "of the devices end by RST"),
        share("--stall", share_of(flags, Fault::stall),
              "of the devices never read, with the smallest receive buffer; their kernel still answers"),
        share("--slow", share_of(flags, Fault::slow), "of the devices write a byte at a time"),
        share("--half-item", share_of(flags, Fault::half_item), "of the devices write half an item and nothing more"),
        share("--bad", flags.options.style.bad, "of the items are bad: cut off, no object, no key, not UTF-8"),
        {"--fault-within", &flags.fault_within, "DURATION",
         "faults strike within so long after the connect [half the duration]", rules},
        {"--slow-interval", &flags.slow_interval, "DURATION", "between two bytes of a slow device [100ms]", rules},
        {"--reconnect", &flags.options.reconnect, "",
         "a closed connection comes back: after 0.1 s, doubled up to 5 s, with jitter", rules},
        {"--storm", &flags.storm, "DURATION", "all close and reconnect at once, every so often", rules},
        {"--seed", &flags.seed, "N", "the same seed, the same faults [drawn, and printed]", rules}};
}

}  // namespace

Verb make_load_verb() {
    const auto flags = std::make_shared<LoadFlags>();
    return {"load", "a fleet of simulated devices, with faults on demand",
            fleet_arguments(*flags) + item_arguments(*flags) + downlink_arguments(*flags) + uplink_arguments(*flags) +
                fault_arguments(*flags),
            [flags] { return load_verb(*flags); }};
}

}  // namespace holdfast
