#include "config/admin_check.h"

#include <sys/un.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <holdfast/endpoint.h>

#include "base/address_kind.h"
#include "base/printable.h"
#include "base/secret_file.h"
#include "tls/tls_context.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

bool is_host_name(std::string_view name) {
    constexpr std::string_view characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    return !name.empty() && name.size() <= 253 && name.find_first_not_of(characters) == std::string_view::npos;
}

TlsContext::Loaded load_certificate(const AdminConfig& admin) {
    TlsConfig files;
    files.certificate = admin.tls_certificate;
    files.key = admin.tls_key;
    return TlsContext::load(files);
}

class AdminCheck {
public:
    AdminCheck(const DaemonConfig& config, Violations& out) : config_(config), admin_(config.admin), out_(out) {}

    void run() {
        if (admin_.has_address()) check_address();
        if (admin_.has_socket()) check_socket();
        check_tokens();
        if (!admin_.read_token_file.empty() && admin_.token_file.empty()) {
            report("read_token_file",
                   "without token_file nobody could change anything: add token_file, whose tokens may");
        }
        check_certificate();
        for (const std::string& name : admin_.hosts) {
            if (!is_host_name(name))
                report("hosts", in_quotes(name) + " is not the name of a host: write e.g. gateway.example.org");
        }
    }

private:
    void report(std::string_view option, const std::string& message) {
        out_.push_back({std::nullopt, "admin", option, std::string(option) + " in [admin]: " + message});
    }

    void check_address() {
        const auto address = parse_endpoint(admin_.address);
        if (!address) return report("address", address.error().message + ", or \"off\"");
        for (const ListenerConfig& listener : config_.server.listeners) {
            const auto endpoint = parse_endpoint(listener.address);
            if (endpoint && overlap(endpoint.value(), address.value())) {
                report("address", admin_.address + " is in the way of listener " + in_quotes(listener.name) + " at " +
                                      listener.address + ": give it an address or port of its own");
            }
        }
        const bool shut = !admin_.token_file.empty() && !admin_.tls_certificate.empty() && !admin_.tls_key.empty();
        if (is_loopback(address.value().address) || shut) return;
        report("address", admin_.address +
                              " is not loopback, and whoever reaches it could list, close and write to devices: add "
                              "token_file, tls_certificate and tls_key, or listen on 127.0.0.1");
    }

    void check_socket() {
        constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
        const bool fits = admin_.socket.size() <= longest && admin_.socket.find('\0') == std::string::npos;
        if (!fits) {
            report("socket", path_in_quotes(admin_.socket) + " cannot be the path of a socket: write 1 to " +
                                 std::to_string(longest) + " bytes, or \"off\"");
        }
    }

    void check_tokens() {
        const auto write = tokens_of("token_file", admin_.token_file);
        const auto read = tokens_of("read_token_file", admin_.read_token_file);
        const auto may_write = [&write](const std::string& token) {
            return std::find(write.begin(), write.end(), token) != write.end();
        };
        if (std::any_of(read.begin(), read.end(), may_write)) {
            report("read_token_file", "a token in it is in token_file, too, and may do everything: write another one");
        }
    }

    /// None if they cannot be read, which is reported.
    std::vector<std::string> tokens_of(std::string_view option, const std::string& file) {
        if (file.empty()) return {};
        auto tokens = read_bearer_tokens(file);
        if (tokens) return std::move(tokens).value();
        report(option, tokens.error().message);
        return {};
    }

    void check_certificate() {
        if (admin_.tls_certificate.empty() && admin_.tls_key.empty()) return;
        if (admin_.tls_certificate.empty() || admin_.tls_key.empty()) {
            const bool no_key = admin_.tls_key.empty();
            return report(no_key ? "tls_certificate" : "tls_key",
                          "tls_certificate and tls_key go together: give both or neither");
        }
        const auto loaded = load_certificate(admin_);
        const auto* fault = std::get_if<TlsFault>(&loaded);
        if (fault == nullptr) return;
        // Its message begins with the option's name.
        report(fault->option, fault->message.substr(fault->option.size() + 2));
    }

    const DaemonConfig& config_;
    const AdminConfig& admin_;
    Violations& out_;
};

}  // namespace

void check_admin(const DaemonConfig& config, std::vector<Violation>& out) { AdminCheck(config, out).run(); }

void warn_of_admin(const AdminConfig& admin, std::vector<Violation>& out) {
    if (admin.tls_certificate.empty() || admin.tls_key.empty()) return;
    const auto loaded = load_certificate(admin);
    const auto* context = std::get_if<std::shared_ptr<const TlsContext>>(&loaded);
    if (context == nullptr) return;
    for (const std::string& warning : (*context)->warnings())
        out.push_back({std::nullopt, "admin", "tls_certificate", "tls_certificate in [admin]: " + warning});
}

}  // namespace holdfast
