#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/system.h"
#include "cli/client_request.h"
#include "cli/load_gateway.h"
#include "cli/serve_options.h"
#include "cli/verbs.h"
#include "load/load_options.h"
#include "load/report.h"
#include "load/run_load.h"
#include "options/option.h"
#include "text/printable.h"

namespace holdfast {
namespace {

/// The flags as they are written.
struct LoadFlags {
    LoadOptions options;
    std::string to;
    AdminAccess admin;  ///< for requests to send downlinks
    std::unique_ptr<LoadGateway> gateway;
    bool any_target = false;
    bool tls = false;
    std::string tls_ca;
    std::optional<std::chrono::milliseconds> fault_within;
    std::string source;
    bool acks = false;
    std::optional<std::uint64_t> seed;
    bool json = false;
    bool progress = false;
    std::vector<std::string> errors;  ///< errors of flags in the tables below
};

template <Fault fault>
ValuePointer share_in(Object flags) {
    return &flags.as<LoadFlags>().options.faults[static_cast<std::size_t>(fault)];
}
template <Fault fault>
constexpr Place share_of{share_in<fault>, OptionType::number};

using namespace std::chrono_literals;
using F = LoadFlags;
using O = LoadOptions;
constexpr Range share{0, 1};
constexpr Range times{1ms, 168h};

// clang-format off
constexpr auto fleet_rows = std::to_array<Option>({
    {.place = at<&F::options, &O::connections>, .range = {1, 16'000'000}, .flag = "--connections",
     .help = "number of devices", .example = "1000"},
    {.place = at<&F::options, &O::connects_per_second>, .zero = "as fast as accepted", .flag = "--rate",
     .help = "connects per second", .example = "100"},
    {.place = at<&F::options, &O::duration>, .range = times, .flag = "--duration",
     .help = "maximum duration of the load", .example = "5m"},
    {.place = at<&F::options, &O::first_device>, .range = {0, 4'294'967'295}, .flag = "--first-device",
     .help = "number of the first device, for several processes that load together", .example = "1000"},
    {.place = at<&F::options, &O::threads>, .range = {1, 64}, .flag = "--threads", .help = "number of event loops",
     .example = "4"},
});
/// The framings that carry JSON: all but the last.
constexpr Place json_framing = [] {
    Place place = at<&F::options, &O::style, &ItemStyle::framing>;
    place.words = place.words.first(static_cast<std::size_t>(Framing::length_field));
    return place;
}();

constexpr auto item_rows = std::to_array<Option>({
    {.place = at<&F::options, &O::items>, .flag = "--items",
     .help = "items of each connection, sent as fast as they are read; then the load ends", .example = "1000"},
    {.place = at<&F::options, &O::batch>, .range = {1, 65'536}, .flag = "--batch", .help = "number of items in one write",
     .example = "16"},
    {.place = bytes_at<&F::options, &O::style, &ItemStyle::bytes>, .range = {0, 1 << 20}, .zero = "no padding",
     .flag = "--item-bytes", .help = "size to which every item is padded", .example = "1KiB"},
    {.place = json_framing, .flag = "--framing", .help = "framing of items",
     .example = "json"},
});
constexpr auto steady_rows = std::to_array<Option>({
    {.place = at<&F::options, &O::items_per_second>, .zero = "none", .flag = "--items-per-second",
     .help = "items per second of the whole fleet until the duration ends", .example = "1000"},
});
constexpr auto downlink_rows = std::to_array<Option>({
    {.place = at<&F::options, &O::downlinks_per_second>, .range = {0, 1'000'000}, .zero = "none",
     .flag = "--downlinks-per-second",
     .help = "downlinks per second, requested through --admin and acknowledged by the devices",
     .example = "100"},
});
constexpr auto fault_rows = std::to_array<Option>({
    {.place = share_of<Fault::silence>, .range = share, .flag = "--silence",
     .help = "share of devices that vanish: a socket filter drops all their input",
     .example = "0.1"},
    {.place = share_of<Fault::reset>, .range = share, .flag = "--reset", .help = "share of devices that end by RST",
     .example = "0.1"},
    {.place = share_of<Fault::stall>, .range = share, .flag = "--stall",
     .help = "share of devices that never read; their kernel answers probes", .example = "0.1"},
    {.place = share_of<Fault::slow>, .range = share, .flag = "--slow",
     .help = "share of devices that write one byte at a time", .example = "0.1"},
    {.place = share_of<Fault::half_item>, .range = share, .flag = "--half-item",
     .help = "share of devices that write half an item and nothing more", .example = "0.1"},
    {.place = at<&F::options, &O::style, &ItemStyle::bad>, .range = share, .flag = "--bad",
     .help = "share of items that are bad: cut off, no object, no key, not UTF-8", .example = "0.01"},
    {.place = at<&F::fault_within>, .range = times, .unset = "half the duration", .flag = "--fault-within",
     .help = "maximum time from a connect to the fault", .example = "10s"},
    {.place = at<&F::options, &O::slow_interval>, .range = times, .flag = "--slow-interval",
     .help = "time between two bytes of a slow device", .example = "1s"},
    {.place = at<&F::options, &O::storm>, .range = times, .unset = "never", .flag = "--storm",
     .help = "interval at which all devices close and reconnect at once", .example = "30s"},
});
// clang-format on

Arguments flags_of(std::span<const Option> rows, LoadFlags& flags, const ArgumentRules& rules = {}) {
    Arguments all;
    for (const Option& option : rows) {
        all.push_back(flag_of(option, value_text(option, flags), [&option, &flags](const std::string& text) {
            if (const auto error = store_text(option, flags, text)) {
                flags.errors.push_back(std::string(option.flag) + ": " + *error);
            }
        }));
        all.back().rules = rules;
    }
    return all;
}

/// Returns the error of a flag's text, with the name of the flag in front.
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
        return Error{"--source: the address family differs from --to; write both as IPv4 or both as IPv6"};
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
                     " is neither this host nor a private address; add --allow-any-target if you may load it"};
    }
    flags.admin.keep = true;
    auto client = AdminClient::open(flags.admin);
    if (!client) return client.error();
    flags.gateway = std::make_unique<LoadGateway>(flags.admin, std::move(client).value());
    return {};
}

std::optional<Error> read_tls(LoadFlags& flags) {
    if (!flags.tls) return {};
    auto context = TlsContext::for_client({.ca = flags.tls_ca, .certificate = {}, .key = {}});
    if (!context) return of_flag("--tls-ca", context);
    flags.options.tls = std::move(context).value();
    return {};
}

std::optional<Error> read_times(LoadFlags& flags) {
    LoadOptions& options = flags.options;
    options.fault_within = flags.fault_within.value_or(options.duration / 2);
    options.reconnect = options.reconnect || options.storm.has_value();
    return {};
}

/// Checks the ids and draws a session. Each load uses a new session, because a session's numbers begin at 1, whatever
/// the seed.
std::optional<Error> read_identity(LoadFlags& flags) {
    const std::string& prefix = flags.options.id_prefix;
    const bool plain = std::all_of(prefix.begin(), prefix.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
    if (!plain || prefix.size() > 100)
        return Error{"--ids is invalid; write at most 100 bytes without control characters"};
    if (!flags.acks) return {};
    flags.options.session = "load-" + std::to_string(random_bits());
    return {};
}

std::optional<Error> read_items(LoadFlags& flags) {
    ItemStyle& style = flags.options.style;
    const auto shares = check_shares(flags.options.faults);
    if (!shares) return shares.error();
    style.seed = flags.options.seed;
    const auto checked = check_style(style);
    if (!checked) return checked.error();
    return {};
}

/// Returns a watch that prints the milestones, and the progress if it is wanted or if stderr is a terminal.
LoadWatch printing_watch(const LoadFlags& flags) {
    LoadWatch watch;
    watch.ready = [](const LoadCounts& counts) {
        std::cout << "ready connections=" << counts.connected;
        if (counts.never_connected > 0) std::cout << " failed=" << counts.never_connected;
        std::cout << std::endl;
    };
    watch.sent = [](const LoadCounts& counts) {
        std::cout << "sent items=" << counts.items << " bytes=" << counts.bytes_out << std::endl;
    };
    if (flags.progress || ::isatty(STDERR_FILENO) == 1) {
        watch.progress = [&options = flags.options, before = LoadCounts{}, last = std::chrono::milliseconds(0)](
                             const LoadCounts& now, std::chrono::milliseconds elapsed) mutable {
            std::cerr << progress_line(now, before, options.connections, elapsed, elapsed - last) << std::endl;
            before = now;
            last = elapsed;
        };
    }
    return watch;
}

int load_verb(LoadFlags& flags) {
    flags.options.seed = flags.seed ? *flags.seed : std::random_device{}();
    for (const std::string& error : flags.errors) print_error(error);
    if (!flags.errors.empty()) return exit_wrong_usage;
    for (const auto read : {read_target, read_tls, read_admin, read_times, read_items, read_identity}) {
        if (const auto error = read(flags)) {
            print_error(error->message);
            return exit_wrong_usage;
        }
    }
    LoadOptions& options = flags.options;
    options.threads = std::min(options.threads, options.connections);
    const auto report = run_load(options, printing_watch(flags), flags.gateway.get());
    if (!report) {
        print_error(report.error().message);
        return exit_wrong_usage;
    }
    std::cout << (flags.json ? summary_json(report.value(), options) + "\n" : summary_text(report.value(), options));
    return report.value().complete ? exit_good : exit_answer_is_no;
}

Arguments fleet_arguments(LoadFlags& flags) {
    return Arguments{
               {"--to", &flags.to, "ADDRESS:PORT", "listener of the gateway, e.g. 127.0.0.1:7000", {.required = true}},
               {"--allow-any-target", &flags.any_target, "",
                "permission for a --to that is neither loopback nor private"},
               {"--tls", &flags.tls, "", "TLS for every device"},
               {"--tls-ca",
                &flags.tls_ca,
                "FILE",
                "PEM file of the gateway's authorities; default: no verification",
                {.needs = {"--tls"}}}} +
           flags_of(fleet_rows, flags) +
           Arguments{
               {"--source", &flags.source, "ADDRESSES",
                "local addresses, used in turn, e.g. 127.1.0.0/16 or 127.1.0.1-127.1.0.9"},
               {"--hold", &flags.options.hold, "",
                "hold until the duration or standard input ends; each line of input sends --items"},
               {"--progress", &flags.progress, "", "progress each second on standard error, even without a terminal"},
               {"--json", &flags.json, "", "summary as JSON"}};
}

Arguments item_arguments(LoadFlags& flags) {
    ItemStyle& style = flags.options.style;
    return flags_of(item_rows, flags) + flags_of(steady_rows, flags, {.excludes = {"--items"}}) +
           Arguments{{"--key-field", &style.key_field, "NAME", "key field of the items [ip]"},
                     {"--key-template", &style.key_template, "TEXT",
                      "key of the items: {ip}, {n} (number of the device), {seq} (of the item) [{ip}]"}};
}

Arguments downlink_arguments(LoadFlags& flags) {
    return flags_of(downlink_rows, flags, {.group = "Downlinks"}) + admin_arguments(flags.admin, "Downlinks");
}

Arguments uplink_arguments(LoadFlags& flags) {
    return {{"--ids",
             &flags.options.id_prefix,
             "PREFIX",
             "prefix of the ids: each device sends a hello as PREFIX-N",
             {.group = "Identity"}},
            {"--acks",
             &flags.acks,
             "",
             "numbered items, sent again until acknowledged; needs acks = true",
             {.group = "Identity", .needs = {"--ids"}, .excludes = {"--downlinks-per-second"}}}};
}

Arguments fault_arguments(LoadFlags& flags) {
    const ArgumentRules rules{.group = "Faults"};
    return flags_of(fault_rows, flags, rules) +
           Arguments{{"--reconnect", &flags.options.reconnect, "",
                      "reconnects after a close: after 0.1 s, doubled up to 5 s, with jitter", rules},
                     {"--seed", &flags.seed, "N", "seed of the faults; default: drawn and printed", rules}};
}

}  // namespace

Verb make_load_verb() {
    const auto flags = std::make_shared<LoadFlags>();
    return {"load",
            "simulate a fleet of devices, with faults on demand",
            fleet_arguments(*flags) + item_arguments(*flags) + downlink_arguments(*flags) + uplink_arguments(*flags) +
                fault_arguments(*flags),
            [flags] { return load_verb(*flags); },
            {},
            "--hold prints \"ready connections=N\" once connected. After each line of standard input every connection "
            "sends\n"
            "its --items, and \"sent items=N bytes=B\" follows."};
}

}  // namespace holdfast
