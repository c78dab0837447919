#include "server/validate.h"

#include <algorithm>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "base/address_kind.h"
#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

constexpr std::string_view name_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

using Violations = std::vector<Violation>;

std::string range_complaint(const std::string& value, const std::string& least, const std::string& most) {
    return value + " is out of range: write " + least + " to " + most;
}

template <typename Value, typename Format>
std::optional<std::string> outside(Value value, bounds::Bounds<Value> allowed, Format format) {
    if (value >= allowed.least && value <= allowed.most) return std::nullopt;
    return range_complaint(format(value), format(allowed.least), format(allowed.most));
}

std::string format_count(std::size_t count) { return std::to_string(count); }

/// A negative int is out of every range here, and must not become a huge count.
std::size_t as_count(int value) { return value < 0 ? 0 : static_cast<std::size_t>(value); }

/// Gathers the violations of one listener.
class ListenerCheck {
public:
    ListenerCheck(const ListenerConfig& listener, std::size_t index, Violations& out)
        : listener_(listener), index_(index), out_(out) {}

    void run() {
        check_name();
        if (const auto endpoint = parse_endpoint(listener_.address); !endpoint) {
            report("address", endpoint.error().message);
        }
        if (const auto plan = plan_liveness(listener_.detect_within); !plan) {
            add("detect_within", in_listener() + plan.error().message);
        }
        if (listener_.read_idle) report("read_idle", outside(*listener_.read_idle, bounds::read_idle, format_duration));
        if (listener_.write_stall) {
            report("write_stall", outside(*listener_.write_stall, bounds::write_stall, format_duration));
        }
        report("item_deadline", outside(listener_.item_deadline, bounds::item_deadline, format_duration));
        report("max_bad_items", outside(std::size_t{listener_.max_bad_items}, bounds::max_bad_items, format_count));
        check_tls(listener_.tls);
        report("backlog", outside(as_count(listener_.backlog), bounds::backlog, format_count));
        check_proxies();
    }

private:
    void check_name() {
        const std::string& name = listener_.name;
        if (!name.empty() && name.size() <= bounds::name_length &&
            name.find_first_not_of(name_characters) == std::string::npos) {
            return;
        }
        add("name", "listener name " + in_quotes(name) + " is not one: write 1 to " +
                        std::to_string(bounds::name_length) + " of A-Z a-z 0-9 _ . -");
    }

    /// Nobody is believed by default; and a list that nothing reads is a mistake.
    void check_proxies() {
        for (const std::string& proxy : listener_.trusted_proxies) {
            if (const auto prefix = parse_prefix(proxy); !prefix) report("trusted_proxies", prefix.error().message);
        }
        const bool wanted = listener_.proxy_protocol != ProxyProtocol::off;
        if (wanted == !listener_.trusted_proxies.empty()) return;
        report("trusted_proxies",
               wanted ? "with proxy_protocol it must name the proxies, for nobody else is let in: write e.g. "
                        "[\"10.0.0.0/8\"]"
                      : "it is of no use without proxy_protocol: write \"v1\" or \"v2\" there, or remove it");
    }

    /// Which keys go together; the files are another matter.
    void check_tls(const TlsConfig& tls) {
        const auto need = [&](bool missing, std::string_view option, const char* what) {
            if (missing) add(option, in_listener() + std::string(option) + " is not set: " + what);
        };
        const auto alone = [&](const std::string& value, std::string_view option, const char* what) {
            if (!value.empty()) add(option, in_listener() + std::string(option) + " is set, but " + what);
        };
        if (tls.enabled()) {
            need(tls.key.empty(), "tls_key", "name the file with the key of tls_certificate");
        } else {
            alone(tls.key, "tls_key", "there is no tls_certificate: name both files or neither");
            if (tls.client != TlsClient::off) {
                add("tls_client", in_listener() + "tls_client needs TLS: name the files tls_certificate and tls_key");
                return;
            }
        }
        if (tls.client == TlsClient::required) {
            alone(listener_.tokens_file, "tokens_file",
                  "tls_client is \"required\", so that nobody would be asked for a token: set it to \"optional\" for "
                  "one or "
                  "the other");
        }
        if (tls.client != TlsClient::off) {
            return need(tls.client_ca.empty(), "tls_client_ca", "name the file with the authorities of the devices");
        }
        constexpr const char* unasked = "devices are not asked for certificates: set tls_client";
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

    const ListenerConfig& listener_;
    std::size_t index_;
    Violations& out_;
};

bool covers(const Endpoint& wide, const Endpoint& other) {
    if (wide.port != other.port || wide.port == 0) return false;
    if (wide.address == other.address) return true;
    return is_unspecified(wide.address) && (!wide.address.is_v4() || other.address.is_v4());
}

/// About the second of two that cannot be together.
void check_pair(const ServerConfig& config, std::size_t first, std::size_t second, Violations& out) {
    const ListenerConfig& a = config.listeners[first];
    const ListenerConfig& b = config.listeners[second];
    if (a.name == b.name) {
        out.push_back({second, "listener", "name",
                       "two listeners are named " + in_quotes(b.name) + ": give each a name of its own"});
    }
    const auto at = parse_endpoint(a.address);
    const auto bt = parse_endpoint(b.address);
    if (!at || !bt) return;
    if (overlap(at.value(), bt.value())) {
        out.push_back({second, "listener", "address",
                       "listener " + in_quotes(b.name) + " at " + b.address + " is in the way of listener " +
                           in_quotes(a.name) + " at " + a.address + ": give each an address or port of its own"});
    }
}

void check_listeners(const ServerConfig& config, Violations& out) {
    if (config.listeners.empty()) {
        out.push_back({std::nullopt, "listener", "", "there is no listener: add a [[listener]]"});
    }
    if (config.listeners.size() > bounds::listeners) {
        out.push_back({std::nullopt, "listener", "",
                       "there are " + std::to_string(config.listeners.size()) + " listeners: have at most " +
                           std::to_string(bounds::listeners)});
        return;
    }
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        ListenerCheck(config.listeners[i], i, out).run();
        for (std::size_t j = 0; j < i; ++j) check_pair(config, j, i, out);
    }
}

void check_key(const std::string& key, Violations& out) {
    if (key.empty()) {
        out.push_back({std::nullopt, "item", "key", "key in [item] is empty: name the field that identifies an item"});
    } else if (key.size() > bounds::key_length) {
        out.push_back({std::nullopt, "item", "key",
                       "key in [item] has " + std::to_string(key.size()) + " bytes: write at most " +
                           std::to_string(bounds::key_length)});
    }
}

void check_rest(const ServerConfig& config, Violations& out) {
    const auto report = [&out](std::string_view section, std::string_view option,
                               const std::optional<std::string>& complaint) {
        if (!complaint) return;
        const std::string place = section.empty() ? "" : " in [" + std::string(section) + "]";
        out.push_back({std::nullopt, section, option, std::string(option) + place + ": " + *complaint});
    };
    check_key(config.item.key, out);
    report("item", "max_bytes", outside(config.item.max_bytes, bounds::item_bytes, format_size));
    report("item", "max_depth", outside(std::size_t{config.item.max_depth}, bounds::item_depth, format_count));
    report("limits", "max_connections", outside(config.limits.max_connections, bounds::max_connections, format_count));
    report("limits", "downlink_queue", outside(config.limits.downlink_queue, bounds::downlink_queue, format_size));
    const LimitsConfig& limits = config.limits;
    report("limits", "max_connections_per_peer",
           outside(limits.max_connections_per_peer, bounds::max_connections, format_count));
    report("limits", "max_connections_per_prefix",
           outside(limits.max_connections_per_prefix, bounds::max_connections, format_count));
    report("limits", "accept_rate", outside(limits.accept_rate, bounds::accept_rate, format_count));
    report("limits", "buffer_budget", outside(limits.buffer_budget, bounds::buffer_budget, format_size));
    if (const std::size_t least = 16 * config.item.max_bytes;
        limits.buffer_budget != 0 && limits.buffer_budget < least) {
        report("limits", "buffer_budget",
               format_size(limits.buffer_budget) + " has no room for 16 of the largest items: write at least " +
                   format_size(least) + ", lower max_bytes in [item], or write 0 for no budget");
    }
    report("limits", "items_per_second", outside(limits.items_per_second, bounds::per_second, format_count));
    report("limits", "bytes_per_second", outside(limits.bytes_per_second, bounds::per_second, format_size));
    report("limits", "max_handshakes", outside(limits.max_handshakes, bounds::max_connections, format_count));
    report("", "reactors", outside(std::size_t{config.reactors}, bounds::reactors, format_count));
    report("", "drain_time", outside(config.drain_time, bounds::drain_time, format_duration));
    report("", "closed_history", outside(config.closed_history, bounds::closed_history, format_count));
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
