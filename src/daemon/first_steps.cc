#include "daemon/first_steps.h"

#include "net/address_kind.h"
#include "text/json_writer.h"

namespace holdfast {

Endpoint local_address(const Endpoint& bound) {
    if (!is_unspecified(bound.address)) return bound;
    const char* const loopback = bound.address.is_v4() ? "127.0.0.1" : "::1";
    return {parse_ip_address(loopback).value(), bound.port};
}

std::string dashboard_url(const Endpoint& bound, bool tls) {
    return (tls ? "https://" : "http://") + to_string(local_address(bound)) + "/";
}

std::optional<std::string> first_item_command(const ListenerConfig& listener, const Endpoint& bound,
                                              const std::string& key) {
    const bool plain = listener.tls.certificate.empty() && listener.tokens_file.empty() &&
                       listener.proxy_protocol == ProxyProtocol::off && listener.framing != Framing::length;
    // The key stands between a shell's single quotes, and in a log line.
    if (!plain || key.find_first_of("'\\") != std::string::npos) return std::nullopt;
    const std::string item = JsonWriter().begin_object().field(key, "10.20.30.40").end_object().take();
    std::string host = to_string(local_address(bound));
    host.resize(host.rfind(':'));
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    return "echo '" + item + "' >/dev/tcp/" + host + "/" + std::to_string(bound.port);
}

std::string first_item_command(const ServerConfig& config, const ServerStatus& status) {
    for (const ListenerStatus& running : status.listeners) {
        for (const ListenerConfig& listener : config.listeners) {
            if (listener.name != running.name) continue;
            if (const auto command = first_item_command(listener, running.bound, config.item.key)) return *command;
        }
    }
    return {};
}

}  // namespace holdfast
