#include "server/validate.h"

#include <algorithm>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "codec/framing.h"
#include "net/address.h"
#include "options/option.h"
#include "pipeline/pipeline.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

constexpr std::size_t key_length = 255;

/// Returns a text of ours with the option names of the file, or with the members that have them.
std::string in_words(std::string_view text, Words words) {
    std::string result(text);
    if (words == Words::file) return result;
    for (const std::string_view prefix : {"tls_", "ids_file"}) {
        for (std::size_t at = result.find(prefix); at != std::string::npos; at = result.find(prefix, at + 1)) {
            if (prefix == "tls_")
                result[at + 3] = '.';
            else
                result.insert(std::exchange(at, at + 4), "tls.");
        }
    }
    return result;
}

/// Returns the option with its section: "max_bytes in [item]", or "item.max_bytes".
std::string with_section(Section section, std::string_view key, Words words) {
    if (words == Words::file) return std::string(key) + in_section(section);
    return section == Section::top ? std::string(key) : std::string(name_of(section)) + "." + std::string(key);
}

/// Collects the violations of one listener.
class ListenerCheck {
public:
    ListenerCheck(ListenerConfig listener, std::size_t index, Words words, Violations& out)
        : listener_(std::move(listener)), index_(index), words_(words), out_(out) {}

    void run() {
        check_name();
        if (!listener_.descriptor) report("address", why_no_address());
        if (const auto plan = plan_liveness(listener_.detect_within); !plan) {
            add("detect_within", in_listener() + plan.error().message);
        }
        for (const Option& option : server_options()) {
            if (option.section == Section::listener) report(option.key, out_of_range(option, listener_));
        }
        check_delimiter();
        check_length_field();
        check_payload();
        check_tls(listener_.tls);
        check_proxies();
    }

private:
    void check_name() {
        if (is_name(listener_.name)) return;
        add("name", "listener name " + in_quotes(listener_.name) +
                        " is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -");
    }

    /// Returns why the address is none, or nullopt. "fd:NAME" has a name as systemd allows it (systemd.socket(5)).
    [[nodiscard]] std::optional<std::string> why_no_address() const {
        const std::string_view address = listener_.address;
        if (words_ == Words::program || !address.starts_with(inherited_prefix)) {
            const auto endpoint = parse_endpoint(address);
            return endpoint ? std::nullopt : std::optional(endpoint.error().message);
        }
        constexpr std::size_t longest = 255;
        const std::string_view name = address.substr(inherited_prefix.size());
        const bool is_number = name.find_first_not_of("0123456789") == std::string_view::npos;
        const bool is_standard = is_number && name.size() == 1 && name < "3";
        const auto is_allowed = [](char c) { return c > ' ' && c < 127 && c != ':'; };
        if (!name.empty() && name.size() <= (is_number ? 9 : longest) && !is_standard &&
            std::all_of(name.begin(), name.end(), is_allowed))
            return std::nullopt;
        return in_quotes(address) + " is no inherited socket; write fd:3 or a larger number, or fd:NAME";
    }

    void check_delimiter() {
        const std::string& delimiter = listener_.delimiter;
        if (delimiter.size() > max_delimiter) {
            report("delimiter", std::to_string(delimiter.size()) + " bytes are too long; write at most " +
                                    std::to_string(max_delimiter));
        }
        if (!delimiter.empty() && listener_.framing != Framing::ndjson)
            report("delimiter", "without effect on this framing; set framing to \"ndjson\", or remove the option");
        // An answer that contains the delimiter cannot be sent, so its device would send its items again for ever.
        constexpr std::string_view of_answers = "abcdefghijklmnopqrstuvwxyz_0123456789{}\":,";
        if (listener_.acks && !delimiter.empty() && delimiter.find_first_not_of(of_answers) == std::string::npos)
            report("delimiter",
                   "answers such as {\"ack\":1} may contain it; choose one with another byte, such as \"\\u0000\"");
    }

    void check_length_field() {
        const LengthField& field = listener_.length_field;
        if (listener_.framing != Framing::length_field) {
            if (field != LengthField{})
                add("framing", in_listener() +
                                   "the length_field options are without effect on this framing; set framing "
                                   "to \"length-field\", or remove them");
            return;
        }
        if (field.width > 4 && field.width != 8)
            report("length_field_width", std::to_string(field.width) + " is no width; write 1, 2, 3, 4 or 8");
        if (field.offset + field.width > unfinished_margin || field.strip > unfinished_margin)
            report("length_field_offset",
                   "the header is too long; it may have at most " + std::to_string(unfinished_margin) + " bytes");
    }

    /// Checks what depends on JSON.
    void check_payload() {
        if (listener_.payload == Payload::json) return;
        const std::string why = "needs payload = \"json\"; remove the option, or change the payload";
        if (listener_.acks) report("acks", why);
        if (listener_.arrays) report("arrays", why);
        if (listener_.framing == Framing::json && !listener_.codec) report("framing", "\"json\" " + why);
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
            if (missing) complain(option, " is not set; ", what);
        };
        const auto alone = [&](const std::string& value, std::string_view option, const char* what) {
            if (!value.empty()) complain(option, " is set, but ", what);
        };
        if (tls.enabled()) {
            need(tls.key.empty(), "tls_key", "name the file with the key of tls_certificate");
        } else {
            alone(tls.key, "tls_key", "tls_certificate is not; name both files or neither");
            if (tls.client != TlsClient::off)
                return complain("tls_client", " needs TLS; ", "name the files tls_certificate and tls_key");
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

    /// Adds a sentence that begins with the option. All of it is text of ours.
    void complain(std::string_view option, const char* state, const char* what) {
        add(option, in_listener() + in_words(std::string(option) + state + what, words_));
    }

    void report(std::string_view option, const std::optional<std::string>& complaint) {
        if (!complaint) return;
        add(option, in_listener() + in_words(option, words_) + ": " + *complaint);
    }

    void add(std::string_view option, std::string message) {
        out_.push_back({index_, "listener", option, std::move(message)});
    }

    std::string in_listener() const { return "listener " + in_quotes(listener_.name) + ": "; }

    ListenerConfig listener_;  // a copy, since Object needs a mutable struct
    std::size_t index_;
    Words words_;
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
    if (a.descriptor || b.descriptor) {
        if (a.descriptor != b.descriptor) return;
        out.push_back({second, "listener", "descriptor",
                       "listeners " + in_quotes(a.name) + " and " + in_quotes(b.name) +
                           " have the same descriptor; give each its own"});
        return;
    }
    if (a.address == b.address && a.address.starts_with(inherited_prefix)) {
        out.push_back({second, "listener", "address",
                       "listeners " + in_quotes(a.name) + " and " + in_quotes(b.name) + " both have " + a.address +
                           "; give each its own socket"});
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

void check_listeners(const ServerConfig& config, Words words, Violations& out) {
    if (config.listeners.empty()) {
        out.push_back({std::nullopt, "listener", "",
                       std::string("no listener is configured; add a ") +
                           (words == Words::file ? "[[listener]]" : "ListenerConfig")});
    }
    if (config.listeners.size() > max_listeners) {
        out.push_back({std::nullopt, "listener", "",
                       std::to_string(config.listeners.size()) + " listeners are configured; write at most " +
                           std::to_string(max_listeners)});
        return;
    }
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        ListenerCheck(config.listeners[i], i, words, out).run();
        for (std::size_t j = 0; j < i; ++j) check_pair(config, j, i, out);
    }
}

void check_key(const std::string& key, Words words, Violations& out) {
    if (key.size() <= key_length) return;
    out.push_back({std::nullopt, "item", "key",
                   with_section(Section::item, "key", words) + " has " + std::to_string(key.size()) +
                       " bytes; write at most " + std::to_string(key_length)});
}

void check_rest(ServerConfig config, Words words, Violations& out) {
    check_key(config.item.key, words, out);
    const auto report = [words, &out](const Option& option, const std::string& error) {
        out.push_back({std::nullopt, name_of(option.section), option.key,
                       with_section(option.section, option.key, words) + ": " + error});
    };
    for (const Option& option : server_options()) {
        if (option.section == Section::listener) continue;
        if (const auto error = out_of_range(option, config)) report(option, *error);
    }
    const std::size_t min = 16 * config.item.max_bytes;
    if (config.limits.buffer_budget == 0 || config.limits.buffer_budget >= min) return;
    report(*find_option(Section::limits, "buffer_budget"),
           format_size(config.limits.buffer_budget) + " is too small for 16 of the largest items; write at least " +
               format_size(min) + ", lower " + with_section(Section::item, "max_bytes", words) +
               ", or write 0 for no budget");
}

}  // namespace

std::vector<Violation> find_violations(const ServerConfig& config, Words words) {
    Violations out;
    check_rest(config, words, out);
    check_listeners(config, words, out);
    return out;
}

bool overlap(const Endpoint& a, const Endpoint& b) { return covers(a, b) || covers(b, a); }

std::string member_of(std::string_view option) { return in_words(option, Words::program); }

std::vector<Error> validate(const ServerConfig& config) {
    std::vector<Error> errors;
    for (Violation& violation : find_violations(config, Words::program)) {
        std::string field(violation.section);
        if (violation.section == "listener") field = "listeners";
        if (violation.listener) field += "[" + std::to_string(*violation.listener) + "]";
        if (!field.empty() && !violation.option.empty()) field += ".";
        errors.push_back(
            {std::move(violation.message), ErrorCode::invalid_config, field + member_of(violation.option)});
    }
    return errors;
}

}  // namespace holdfast
