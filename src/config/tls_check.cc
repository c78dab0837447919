#include "config/tls_check.h"

#include "base/printable.h"
#include "tls/tls_context.h"

namespace holdfast {

namespace {

bool is_whole(const TlsConfig& tls) {
    return tls.enabled() && !tls.key.empty() && (tls.client == TlsClient::off || !tls.client_ca.empty());
}

Violation about(const ListenerConfig& listener, std::size_t index, std::string_view option, const std::string& what) {
    return {index, "listener", option, "listener " + in_quotes(listener.name) + ": " + what};
}

}  // namespace

void check_tls_files(const ServerConfig& config, std::vector<Violation>& out) {
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const ListenerConfig& listener = config.listeners[i];
        if (!is_whole(listener.tls)) continue;  // validate has said so
        const auto loaded = TlsContext::load(listener.tls);
        if (const auto* fault = std::get_if<TlsFault>(&loaded)) {
            out.push_back(about(listener, i, fault->option, fault->message));
        }
    }
}

void warn_of_tls_files(const ServerConfig& config, std::vector<Violation>& out) {
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const ListenerConfig& listener = config.listeners[i];
        if (!is_whole(listener.tls)) continue;
        const auto loaded = TlsContext::load(listener.tls);
        const auto* context = std::get_if<std::shared_ptr<const TlsContext>>(&loaded);
        if (context == nullptr) continue;
        for (const std::string& warning : (*context)->warnings()) {
            out.push_back(about(listener, i, "tls_certificate", warning));
        }
    }
}

}  // namespace holdfast
