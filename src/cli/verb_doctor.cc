#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "cli/client_request.h"
#include "cli/doctor_gateway.h"
#include "cli/doctor_text.h"
#include "cli/serve_options.h"
#include "cli/verbs.h"
#include "client/admin_reply.h"
#include "daemon/exit.h"
#include "daemon/signals.h"
#include "doctor/diagnose.h"
#include "doctor/facts.h"
#include "doctor/prove.h"
#include "doctor/socket_facts.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

int prove_in_namespaces(const LivenessPlan& plan, bool json, pid_t parent) {
    end_with(parent);
    const auto networks = TwoNetworks::make();
    end_with(parent);  // the new namespaces have cleared it
    if (!networks) {
        print_error(networks.error().message);
        return exit_wrong_usage;
    }
    const auto proof = prove(plan, networks.value());
    if (!proof) {
        print_error(proof.error().message);
        return exit_wrong_usage;
    }
    std::cout << (json ? to_json(proof.value()) + "\n" : proof_text(proof.value()));
    return proof.value().kept() ? exit_good : exit_answer_is_no;
}

int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return exit_wrong_usage;
    }
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    print_error(std::string("the proof was ended by a signal (") + ::strsignal(WTERMSIG(status)) + ")");
    return exit_wrong_usage;
}

/// Runs `holdfast doctor --prove`: measures the time until each failure is detected with `detect_within`, and prints
/// it. Returns 0 if every promise was kept, 1 if one was not, 2 if this host cannot measure it.
int prove_verb(const std::string& detect_within, bool json) {
    const auto duration = parse_duration(detect_within);
    const auto plan = duration ? plan_liveness(duration.value()) : Result<LivenessPlan>(duration.error());
    if (!plan) {
        print_error("--detect-within: " + plan.error().message);
        return exit_wrong_usage;
    }
    const pid_t parent = ::getpid();
    std::cout.flush();
    const pid_t child = ::fork();
    if (child < 0) {
        print_error(std::string("cannot fork: ") + std::strerror(errno));
        return exit_wrong_usage;
    }
    if (child > 0) return wait_for(child);
    return prove_in_namespaces(plan.value(), json, parent);
}

// Equals the descriptors that src/server/server.cc reserves if max_connections is not set.
constexpr std::uint64_t reserved_descriptors = 128;

struct DoctorFlags {
    std::optional<std::string> config;
    std::optional<std::string> admin;
    AdminAccess keys;  ///< for the gateway of --admin
    bool prove = false;
    std::string detect_within = "5s";
    bool json = false;
};

/// The gateway to query. `named`: a flag names it.
struct AdminPlace {
    std::optional<AdminAccess> access;
    bool named = false;
};

/// Returns the address of this configuration's gateway as seen from its own host.
std::optional<AdminAccess> access_to(const AdminConfig& admin, AdminAccess keys) {
    if (keys.token_file.empty()) keys.token_file = admin.token_file;
    const std::string scheme = admin.tls_certificate.empty() ? "" : "https://";
    if (admin.has_address()) {
        keys.address = scheme + admin.address;
    } else if (admin.has_socket()) {
        keys.address = "unix:" + admin.socket;
    } else {
        return std::nullopt;
    }
    return keys;
}

AdminPlace place_to_query(const DoctorFlags& flags, const DaemonConfig& config) {
    if (flags.config && !flags.admin) return {access_to(config.admin, flags.keys), false};
    AdminAccess access = flags.keys;
    const char* const from_environment = std::getenv("HOLDFAST_ADMIN");
    access.address = flags.admin ? *flags.admin : from_environment != nullptr ? from_environment : config.admin.address;
    return {access, flags.admin.has_value()};
}

std::uint64_t limit_by_descriptors(std::uint64_t descriptors) {
    return descriptors > 2 * reserved_descriptors ? descriptors - reserved_descriptors
                                                  : std::max<std::uint64_t>(descriptors / 2, 1);
}

Demand demand_of(const DaemonConfig& config, const std::string& source, const HostFacts& host, bool runs) {
    Demand demand{.source = source, .admin = {}, .listeners = {}};
    const DescriptorLimit limit = host.descriptors.value_or(DescriptorLimit{});
    demand.max_connections = config.server.limits.max_connections;
    demand.limit_is_set = demand.max_connections != 0;
    if (!demand.limit_is_set) demand.max_connections = limit_by_descriptors(runs ? limit.soft : limit.hard);
    demand.reactors =
        config.server.reactors != 0 ? config.server.reactors : std::max(1U, std::thread::hardware_concurrency());
    if (config.admin.has_address()) demand.admin = parse_endpoint(config.admin.address).value();  // already checked
    for (const ListenerConfig& listener : config.server.listeners) {
        const auto address = parse_endpoint(listener.address);  // none: the socket is inherited, and may be any
        demand.listeners.push_back({.name = listener.name,
                                    .address = address ? address.value() : Endpoint(),
                                    .plan = plan_liveness(listener.detect_within).value(),
                                    .backlog = static_cast<std::uint64_t>(listener.backlog),
                                    .plan_refused = {}});
    }
    return demand;
}

Demand demand_of(const GatewayAnswer& gateway, const HostFacts& host) {
    Demand demand{.source = "the gateway at " + gateway.facts.reached_at, .admin = {}, .listeners = {}};
    demand.max_connections = gateway.max_connections;
    // A limit that follows from the number of descriptors was not configured.
    demand.limit_is_set = !gateway.facts.pid || !host.descriptors ||
                          demand.max_connections != limit_by_descriptors(host.descriptors->soft);
    demand.reactors = gateway.reactors;
    // The kernel's table is more exact: 127.0.0.1 also answers if the gateway listens on 0.0.0.0.
    std::string_view place = gateway.facts.reached_at;
    const std::size_t scheme = place.find("://");
    if (scheme != std::string_view::npos) place.remove_prefix(scheme + 3);
    const auto reached_at = parse_endpoint(place);
    if (reached_at && gateway.facts.admin_listens_on.empty()) demand.admin = reached_at.value();
    demand.listeners = gateway.facts.listeners;
    return demand;
}

void print_findings(const Findings& findings, const Demand& demand, const GatewayFacts* gateway,
                    const AdminFailure* failure) {
    std::cout << "This host, for " << printable(demand.source) << ": " << human_count(demand.max_connections)
              << " connections at most";
    if (gateway != nullptr) std::cout << ", " << human_count(gateway->connections) << " now";
    std::cout << ".\n";
    if (failure != nullptr) std::cout << "Only the host was examined: " << printable(failure->text()) << '\n';
    std::cout << '\n' << findings_text(findings);
}

int examine_host(const DoctorFlags& flags, const LoadedConfig& loaded) {
    const AdminPlace place = place_to_query(flags, loaded.config);
    if (place.access && !is_admin_address(place.access->address)) {
        print_error("--admin: " + not_an_admin_address(place.access->address));
        return exit_wrong_usage;
    }
    // An absent gateway is an error only if a flag names its address.
    std::optional<std::variant<GatewayAnswer, AdminFailure>> seen;
    if (place.access) seen = examine_gateway(*place.access);
    const auto* const failure = seen ? std::get_if<AdminFailure>(&*seen) : nullptr;
    if (failure != nullptr && place.named) return print_failure(*failure);
    const auto* const answer = seen ? std::get_if<GatewayAnswer>(&*seen) : nullptr;
    const GatewayFacts* gateway = answer != nullptr ? &answer->facts : nullptr;
    const std::optional<int> pid = gateway != nullptr ? gateway->pid : std::nullopt;
    const HostFacts host = read_host_facts(pid);
    Demand demand =
        answer != nullptr && !flags.config
            ? demand_of(*answer, host)
            : demand_of(loaded.config, flags.config ? loaded.file : "a gateway with defaults", host, pid.has_value());
    try_plans(demand.listeners);
    const Findings findings = diagnose(host, demand, gateway);
    if (flags.json) {
        std::cout << to_json(findings) << '\n';
    } else {
        print_findings(findings, demand, gateway, failure);
    }
    return count_of(findings, Verdict::wrong) > 0 ? exit_answer_is_no : exit_good;
}

int doctor_verb(const DoctorFlags& flags) {
    if (flags.prove) return prove_verb(flags.detect_within, flags.json);
    const LoadOutcome outcome = load_config(flags.config, {});
    if (outcome.loaded) return examine_host(flags, *outcome.loaded);
    print_config_errors(outcome.errors);
    const bool in_file =
        std::any_of(outcome.errors.begin(), outcome.errors.end(), [](const ConfigError& e) { return e.in_file; });
    return in_file ? exit_answer_is_no : exit_wrong_usage;
}

}  // namespace

Verb make_doctor_verb() {
    const auto flags = std::make_shared<DoctorFlags>();
    return {"doctor", "check this host and print remedies",
            Arguments{{"-c,--config", &flags->config, "FILE",
                       "configuration for the host; default: the running gateway, else defaults"},
                      {"--admin", &flags->admin, "ADDRESS:PORT", "admin address of the gateway [127.0.0.1:7080]"}} +
                admin_keys(flags->keys) +
                Arguments{{"--prove",
                           &flags->prove,
                           "",
                           "measure detection times, in two network namespaces on this host",
                           {.excludes = {"--config", "--admin"}}},
                          {"--detect-within",
                           &flags->detect_within,
                           "DURATION",
                           "what to prove",
                           {.shows_default = true, .needs = {"--prove"}}},
                          {"--json", &flags->json, "", "JSON, for scripts"}},
            [flags] { return doctor_verb(*flags); }};
}

}  // namespace holdfast
