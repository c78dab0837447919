#include "daemon/admin_endpoints.h"

#include <utility>
#include <variant>

#include "net/address.h"
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
                       listener.proxy_protocol == ProxyProtocol::off && listener.payload == Payload::json &&
                       (listener.framing == Framing::ndjson || listener.framing == Framing::json);
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

std::optional<Error> AdminEndpoints::open(const AdminConfig& config, ControlPlane& gateway, ApiOptions options) {
    config_ = config;
    options.meter = &meter_;
    first_item_ = options.first_item;
    auto secrets = read_secrets();
    if (!secrets) return secrets.error();
    secrets_ = std::move(secrets).value();
    auto failed = open_health(gateway, options);
    if (!failed) failed = open_socket(gateway, options);
    if (!failed) failed = open_address(gateway, std::move(options));
    if (failed) {
        by_socket_.reset();
        health_.reset();
    }
    return failed;
}

std::optional<Error> AdminEndpoints::open_health(ControlPlane& gateway, const ApiOptions& options) {
    if (config_.health.empty()) return std::nullopt;
    auto health = HealthServer::start(config_.health, gateway, options, meter_);
    if (!health) return health.error();
    health_ = std::move(health).value();
    return std::nullopt;
}

std::optional<Error> AdminEndpoints::open_socket(ControlPlane& gateway, const ApiOptions& options) {
    if (!config_.has_socket()) return std::nullopt;
    auto server = AdminServer::start("unix:" + config_.socket, gateway, options, {.meter = &meter_});
    if (!server) return server.error();
    by_socket_ = std::move(server).value();
    return std::nullopt;
}

std::optional<Error> AdminEndpoints::open_address(ControlPlane& gateway, ApiOptions options) {
    if (!config_.has_address()) return std::nullopt;
    const auto unauthorized = [this](const Endpoint& peer) {
        log_.warn("refused an admin request without a valid token", {{"peer", to_string(peer)}});
    };
    auto server = AdminServer::start(
        config_.address, gateway, std::move(options),
        {.hosts = config_.hosts, .secrets = secrets_, .meter = &meter_, .on_unauthorized = unauthorized});
    if (!server) return server.error();
    by_address_ = std::move(server).value();
    return std::nullopt;
}

void AdminEndpoints::close() {
    if (by_address_) by_address_->stop();
    if (by_socket_) by_socket_->stop();
    if (health_) health_->stop();
}

void AdminEndpoints::report_addresses() const {
    if (health_) {
        const bool is_unix = config_.health.starts_with(HttpListener::unix_scheme);
        log_.info("health", {{"address", is_unix ? config_.health : to_string(health_->address())}});
    }
    if (by_socket_) log_.info("admin", {{"socket", config_.socket}});
    if (by_address_) {
        log_.info("admin", {{"address", to_string(by_address_->address())}});
        log_.info("dashboard", {{"url", dashboard()}});
    }
    if (!first_item_.empty()) log_.info("first item, from bash: " + first_item_);
}

std::string AdminEndpoints::dashboard() const {
    return by_address_ ? dashboard_url(by_address_->address(), !config_.tls_certificate.empty()) : std::string();
}

Result<AdminEndpoints::Fresh> AdminEndpoints::read_anew() {
    Fresh fresh;
    if (!by_address_) return fresh;
    auto secrets = read_secrets();
    if (!secrets) return secrets.error();
    if (!(*secrets.value().tokens == *secrets_.tokens)) fresh.changes.emplace_back("tokens in [admin]: reloaded");
    const TlsContext* tls = secrets.value().tls.get();
    if (tls != nullptr && tls->digest() != secrets_.tls->digest())
        fresh.changes.emplace_back("certificate in [admin]: reloaded");
    fresh.take_over = [this, taken = std::move(secrets).value()] {
        secrets_ = taken;
        by_address_->change(taken);
    };
    return fresh;
}

Result<DoorSecrets> AdminEndpoints::read_secrets() const {
    DoorSecrets secrets;
    auto tokens = AdminTokens::load(config_.token_file, config_.read_token_file);
    if (!tokens) return tokens.error();
    secrets.tokens = std::make_shared<AdminTokens>(std::move(tokens).value());
    if (config_.tls_certificate.empty()) return secrets;
    TlsConfig files;
    files.certificate = config_.tls_certificate;
    files.key = config_.tls_key;
    auto loaded = TlsContext::load(files);
    if (const auto* fault = std::get_if<TlsFault>(&loaded)) return Error{"[admin] " + fault->message};
    secrets.tls = std::get<std::shared_ptr<const TlsContext>>(std::move(loaded));
    return secrets;
}

}  // namespace holdfast
