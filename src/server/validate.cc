#include "server/validate.h"

#include <algorithm>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "codec/framing.h"
#include "net/address.h"
#include "options/option.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

constexpr std::size_t key_length = 255;

/// Collects the violations of one listener.
class ListenerCheck {
public:
    ListenerCheck(ListenerConfig listener, std::size_t index, Violations& out)
        : listener_(std::move(listener)), index_(index), out_(out) {}

    void run() {
        check_name();
        if (const auto endpoint = parse_endpoint(listener_.address); !endpoint) {
            report("address", endpoint.error().message);
        }
        if (const auto plan = plan_liveness(listener_.detect_within); !plan) {
            add("detect_within", in_listener() + plan.error().message);
        }
        for (const Option& option : server_options()) {
            if (option.section == Section::listener) report(option.key, out_of_range(option, listener_));
        }
        check_delimiter();
        check_tls(listener_.tls);
        check_proxies();
    }

private:
    void check_name() {
        if (is_name(listener_.name)) return;
        add("name", "listener name " + in_quotes(listener_.name) +
                        " is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -");
    }

    void check_delimiter() {
        const std::string& delimiter = listener_.delimiter;
        if (delimiter.size() > max_delimiter) {
            report("delimiter", std::to_string(delimiter.size()) + " bytes are too long; write at most " +
                                    std::to_string(max_delimiter));
        }
        if (!delimiter.empty() && listener_.framing != Framing::ndjson)
            report("delimiter", "without effect on this framing; set framing to \"ndjson\", or remove the option");
    }

    /// Checks trusted_proxies: no proxy is trusted by default, and a list without proxy_protocol is a mistake.
    void check_proxies() {
        for (const std::string& proxy : listener_.trusted_proxies) {
            if (const auto prefix = parse_prefix(proxy); !prefix) report("trusted_proxies", prefix.error().message);
        }
        const bool wanted = listener_.proxy_protocol != ProxyProtocol::off;
        if (wanted == !listener_.trusted_proxies.empty()) return;
        report("trusted_proxies",
               wanted
                   ? "empty, but proxy_protocol admits these peers only; name the proxies, e.g. [\"10.0.0.0/8\"]"
                   : "without effect, as proxy_protocol is \"off\"; set that to \"v1\" or \"v2\", or remove this list");
    }

    /// Checks which TLS keys go together, without reading the files.
    void check_tls(const TlsConfig& tls) {
        const auto need = [&](bool missing, std::string_view option, const char* what) {
            if (missing) add(option, in_listener() + std::string(option) + " is not set; " + what);
        };
        const auto alone = [&](const std::string& value, std::string_view option, const char* what) {
            if (!value.empty()) add(option, in_listener() + std::string(option) + " is set, but " + what);
        };
        if (tls.enabled()) {
            need(tls.key.empty(), "tls_key", "name the file with the key of tls_certificate");
        } else {
            alone(tls.key, "tls_key", "tls_certificate is not; name both files or neither");
            if (tls.client != TlsClient::off) {
                add("tls_client", in_listener() + "tls_client needs TLS; name the files tls_certificate and tls_key");
                return;
            }
        }
        if (tls.client == TlsClient::required) {
            alone(listener_.tokens_file, "tokens_file",
                  "tls_client = \"required\" admits by certificate only; set tls_client to \"optional\" to admit by "
                  "either");
        }
        if (tls.client != TlsClient::off) {
            return need(tls.client_ca.empty(), "tls_client_ca", "name the file with the authorities of the devices");
        }
        constexpr const char* unasked = "no certificates are requested from devices; set tls_client";
        alone(tls.client_ca, "tls_client_ca", unasked);
        alone(tls.client_crl, "tls_client_crl", unasked);
        alone(tls.ids_file, "ids_file", unasked);
    }

    void report(std::string_view option, const std::optional<std::string>& complaint) {
        if (!complaint) return;
        add(option, in_listener() + std::string(option) + ": " + *complaint);
    }

    void add(std::string_view option, std::string message) {
        out_.push_back({index_, "listener", option, std::move(message)});
    }

    std::string in_listener() const { return "listener " + in_quotes(listener_.name) + ": "; }

    ListenerConfig listener_;  // a copy, since Object needs a mutable struct
    std::size_t index_;
    Violations& out_;
};

bool covers(const Endpoint& wide, const Endpoint& other) {
    if (wide.port != other.port || wide.port == 0) return false;
    if (wide.address == other.address) return true;
    return is_unspecified(wide.address) && (!wide.address.is_v4() || other.address.is_v4());
}

/// Reports the second of two listeners that exclude each other.
void check_pair(const ServerConfig& config, std::size_t first, std::size_t second, Violations& out) {
    const ListenerConfig& a = config.listeners[first];
    const ListenerConfig& b = config.listeners[second];
    if (a.name == b.name) {
        out.push_back(
            {second, "listener", "name", "two listeners are named " + in_quotes(b.name) + "; give each its own name"});
    }
    const auto at = parse_endpoint(a.address);
    const auto bt = parse_endpoint(b.address);
    if (!at || !bt) return;
    if (overlap(at.value(), bt.value())) {
        out.push_back({second, "listener", "address",
                       "listeners " + in_quotes(a.name) + " at " + a.address + " and " + in_quotes(b.name) + " at " +
                           b.address + " overlap; give one of them another address or port"});
    }
}

void check_listeners(const ServerConfig& config, Violations& out) {
    if (config.listeners.empty()) {
        out.push_back({std::nullopt, "listener", "", "no listener is configured; add a [[listener]]"});
    }
    if (config.listeners.size() > max_listeners) {
        out.push_back({std::nullopt, "listener", "",
                       std::to_string(config.listeners.size()) + " listeners are configured; write at most " +
                           std::to_string(max_listeners)});
        return;
    }
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        ListenerCheck(config.listeners[i], i, out).run();
        for (std::size_t j = 0; j < i; ++j) check_pair(config, j, i, out);
    }
}

void check_key(const std::string& key, Violations& out) {
    if (key.size() <= key_length) return;
    out.push_back(
        {std::nullopt, "item", "key",
         "key in [item] has " + std::to_string(key.size()) + " bytes; write at most " + std::to_string(key_length)});
}

void check_rest(ServerConfig config, Violations& out) {
    check_key(config.item.key, out);
    const auto report = [&out](const Option& option, const std::string& error) {
        out.push_back({std::nullopt, name_of(option.section), option.key,
                       std::string(option.key) + in_section(option.section) + ": " + error});
    };
    for (const Option& option : server_options()) {
        if (option.section == Section::listener) continue;
        if (const auto error = out_of_range(option, config)) report(option, *error);
    }
    const std::size_t min = 16 * config.item.max_bytes;
    if (config.limits.buffer_budget == 0 || config.limits.buffer_budget >= min) return;
    report(*find_option(Section::limits, "buffer_budget"),
           format_size(config.limits.buffer_budget) + " is too small for 16 of the largest items; write at least " +
               format_size(min) + ", lower max_bytes in [item], or write 0 for no budget");
}

}  // namespace

std::vector<Violation> find_violations(const ServerConfig& config) {
    Violations out;
    check_rest(config, out);
    check_listeners(config, out);
    return out;
}

bool overlap(const Endpoint& a, const Endpoint& b) { return covers(a, b) || covers(b, a); }

std::vector<Error> validate(const ServerConfig& config) {
    std::vector<Error> errors;
    for (Violation& violation : find_violations(config)) errors.push_back(Error{std::move(violation.message)});
    return errors;
}

}  // namespace holdfast
