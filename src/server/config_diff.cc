#include "server/config_diff.h"

#include <optional>
#include <string_view>

#include "base/printable.h"
#include "base/units.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

std::string text_of(milliseconds value) { return format_duration(value); }
std::string text_of(Framing value) { return std::string(to_string(value)); }
std::string text_of(ProxyProtocol value) { return std::string(to_string(value)); }
std::string text_of(const std::vector<std::string>& values) {
    std::string text;
    for (const std::string& value : values) text += (text.empty() ? "" : ", ") + in_quotes(value);
    return "[" + text + "]";
}
std::string text_of(TlsClient value) { return std::string(to_string(value)); }
std::string text_of(TlsId value) { return std::string(to_string(value)); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(const std::string& value) { return in_quotes(value); }
template <typename T>
requires std::is_integral_v<T> std::string text_of(T value) { return std::to_string(value); }

std::string text_of(const std::optional<milliseconds>& value, std::string_view unset) {
    return value ? format_duration(*value) : std::string(unset);
}

/// Gathers the lines about one section or listener.
class Lines {
public:
    Lines(std::string place, ApplyReport& out) : place_(std::move(place)), out_(out) {}

    template <typename T>
    void live(std::string_view key, const T& running, const T& wanted) {
        if (running != wanted) applied(key, text_of(running), text_of(wanted));
    }
    void live(std::string_view key, const std::optional<milliseconds>& running,
              const std::optional<milliseconds>& wanted, std::string_view unset) {
        if (running != wanted) applied(key, text_of(running, unset), text_of(wanted, unset));
    }
    void size(std::string_view key, std::size_t running, std::size_t wanted) {
        if (running != wanted) applied(key, format_size(running), format_size(wanted));
    }
    template <typename T>
    void restart(std::string_view key, const T& running, const T& wanted) {
        if (running != wanted) needs_restart(key, text_of(running), text_of(wanted));
    }
    void restart_size(std::string_view key, std::size_t running, std::size_t wanted) {
        if (running != wanted) needs_restart(key, format_size(running), format_size(wanted));
    }

private:
    void applied(std::string_view key, const std::string& running, const std::string& wanted) {
        out_.applied.push_back(std::string(key) + place_ + ": " + running + " -> " + wanted);
    }
    void needs_restart(std::string_view key, const std::string& running, const std::string& wanted) {
        out_.needs_restart.push_back(std::string(key) + place_ + ": runs with " + running +
                                     ", the configuration says " + wanted + ": restart to take it");
    }

    std::string place_;
    ApplyReport& out_;
};

/// A listener is plain or has TLS for its life.
void report_tls(const TlsConfig& running, const TlsConfig& wanted, Lines& lines) {
    if (running.enabled() != wanted.enabled()) {
        return lines.restart("tls_certificate", running.certificate, wanted.certificate);
    }
    lines.live("tls_certificate", running.certificate, wanted.certificate);
    lines.live("tls_key", running.key, wanted.key);
    lines.live("tls_client", running.client, wanted.client);
    lines.live("tls_client_ca", running.client_ca, wanted.client_ca);
    lines.live("tls_client_crl", running.client_crl, wanted.client_crl);
    lines.live("tls_id", running.id, wanted.id);
    lines.live("ids_file", running.ids_file, wanted.ids_file);
}

}  // namespace

void report_differences(const ServerConfig& running, const ServerConfig& wanted, ApplyReport& out) {
    Lines top("", out);
    top.live("drain_time", running.drain_time, wanted.drain_time);
    top.restart("reactors", running.reactors, wanted.reactors);
    top.restart("closed_history", running.closed_history, wanted.closed_history);
    Lines limits(" in [limits]", out);
    limits.live("max_connections", running.limits.max_connections, wanted.limits.max_connections);
    limits.size("downlink_queue", running.limits.downlink_queue, wanted.limits.downlink_queue);
    limits.live("max_connections_per_peer", running.limits.max_connections_per_peer,
                wanted.limits.max_connections_per_peer);
    limits.live("max_connections_per_prefix", running.limits.max_connections_per_prefix,
                wanted.limits.max_connections_per_prefix);
    limits.live("accept_rate", running.limits.accept_rate, wanted.limits.accept_rate);
    limits.size("buffer_budget", running.limits.buffer_budget, wanted.limits.buffer_budget);
    limits.live("max_handshakes", running.limits.max_handshakes, wanted.limits.max_handshakes);
    limits.restart("items_per_second", running.limits.items_per_second, wanted.limits.items_per_second);
    limits.restart_size("bytes_per_second", running.limits.bytes_per_second, wanted.limits.bytes_per_second);
    Lines item(" in [item]", out);
    item.restart("key", running.item.key, wanted.item.key);
    item.restart_size("max_bytes", running.item.max_bytes, wanted.item.max_bytes);
    item.restart("max_depth", running.item.max_depth, wanted.item.max_depth);
}

void report_differences(const ListenerConfig& running, const ListenerConfig& wanted, ApplyReport& out) {
    Lines lines(" of listener " + in_quotes(running.name), out);
    lines.live("address", running.address, wanted.address);
    lines.live("detect_within", running.detect_within, wanted.detect_within);
    lines.live("read_idle", running.read_idle, wanted.read_idle, "off");
    lines.live("write_stall", running.write_stall, wanted.write_stall, "detect_within");
    lines.live("item_deadline", running.item_deadline, wanted.item_deadline);
    lines.live("max_bad_items", running.max_bad_items, wanted.max_bad_items);
    lines.live("backlog", running.backlog, wanted.backlog);
    lines.live("acks", running.acks, wanted.acks);
    lines.live("tokens_file", running.tokens_file, wanted.tokens_file);
    if (running.proxy_protocol == wanted.proxy_protocol) {
        lines.live("trusted_proxies", running.trusted_proxies, wanted.trusted_proxies);
    } else {
        lines.restart("proxy_protocol", running.proxy_protocol, wanted.proxy_protocol);
    }
    report_tls(running.tls, wanted.tls, lines);
    lines.restart("framing", running.framing, wanted.framing);
    lines.restart("reuse_port", running.reuse_port, wanted.reuse_port);
    lines.restart("acks", running.acks, wanted.acks);
}

ServerConfig without_restart(const ServerConfig& running, ServerConfig wanted) {
    wanted.reactors = running.reactors;
    wanted.closed_history = running.closed_history;
    wanted.item = running.item;
    wanted.limits.items_per_second = running.limits.items_per_second;
    wanted.limits.bytes_per_second = running.limits.bytes_per_second;
    wanted.observed = running.observed;
    wanted.on_notice = running.on_notice;
    return wanted;
}

ListenerConfig without_restart(const ListenerConfig& running, ListenerConfig wanted) {
    wanted.framing = running.framing;
    wanted.reuse_port = running.reuse_port;
    wanted.acks = running.acks;
    if (wanted.proxy_protocol != running.proxy_protocol) wanted.trusted_proxies = running.trusted_proxies;
    wanted.proxy_protocol = running.proxy_protocol;
    if (wanted.tls.enabled() != running.tls.enabled()) wanted.tls = running.tls;
    return wanted;
}

}  // namespace holdfast
