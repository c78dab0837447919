#include "tls/tls_context.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "text/input_file.h"
#include "text/printable.h"
#include "tls/device_certificate.h"
#include "tls/tls_file.h"
#include "tls/tls_session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace holdfast {

namespace {

// Forward secrecy and authenticated encryption only, as TLS 1.3 always has.
constexpr const char* ciphers_of_tls_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
// A listener has few certificates and authorities; lists of ids or revoked certificates may be long.
constexpr FileRules certificate_file{.largest = std::size_t{1} << 20};
constexpr FileRules key_file{.largest = std::size_t{1} << 20, .readers = Readers::group};
constexpr FileRules list_file{.largest = std::size_t{64} << 20};
constexpr std::chrono::hours ticket_life{2};
constexpr long largest_chain = 32 * 1024;  // bytes of certificates that a peer may send
constexpr int deepest_chain = 8;
constexpr std::string_view session_context = "holdfast";

const TlsContext* context_of(const SSL* ssl) {
    return static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

/// Called by OpenSSL for each certificate of the chain. For the device's own certificate it checks the id, too, while
/// an alert can still be sent.
int classify_peer(int good, X509_STORE_CTX* store) {
    if (good != 1 || X509_STORE_CTX_get_error_depth(store) != 0) return good;
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const CertifiedId id = context_of(ssl)->classify(*X509_STORE_CTX_get_current_cert(store));
    if (!id.id.empty()) return 1;
    SSL_set_app_data(ssl, const_cast<char*>(id.refusal.data()));
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/// Called by OpenSSL to make or read a ticket. TLS 1.3 issues a new one in every session.
int use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                   int makes) {
    const TlsContext& context = *context_of(ssl);
    if (makes != 1 && !context.resumes()) return 0;
    TicketKeys& keys = *context.tickets();
    switch (makes == 1 ? keys.make(name, iv, cipher, mac) : keys.read(name, iv, cipher, mac)) {
        case TicketKeys::Verdict::unknown:
            return 0;
        case TicketKeys::Verdict::good:
            return makes != 1 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
        case TicketKeys::Verdict::renew:
            return 2;
        case TicketKeys::Verdict::failed:
            break;
    }
    return -1;
}

/// Accepts an expired revocation list for a chain that was valid when its device connected: the list still names every
/// certificate on it.
int pass_over_old_lists(int good, X509_STORE_CTX* store) {
    if (good != 1 && X509_STORE_CTX_get_error(store) == X509_V_ERR_CRL_HAS_EXPIRED) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return good;
}

/// Returns false if this host's OpenSSL, with its configuration, lacks what the rules need.
[[nodiscard]] bool set_rules(SSL_CTX* ctx) {
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) return false;
    if (SSL_CTX_set_cipher_list(ctx, ciphers_of_tls_1_2) != 1) return false;
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx,
                                   SSL_SESS_CACHE_OFF);  // sessions are resumed by tickets, which the device stores
    SSL_CTX_set_max_cert_list(ctx, largest_chain);
    SSL_CTX_set_verify_depth(ctx, deepest_chain);
    return true;
}

[[nodiscard]] bool set_server_rules(SSL_CTX* ctx) {
    if (!set_rules(ctx)) return false;
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, std::chrono::seconds(ticket_life).count());
    return SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>(session_context.data()),
                                          session_context.size()) == 1;
}

/// Returns the error of a failed OpenSSL: no algorithms if its configuration disables its providers, and no context
/// without memory.
Error no_library() {
    return Error{"OpenSSL cannot set up TLS 1.2 and 1.3: " + take_openssl_reason() +
                 "; correct its configuration (openssl.cnf, OPENSSL_CONF) or free memory"};
}

std::optional<Error> trust(SSL_CTX* ctx, const std::string& path) {
    const auto text = read_input_file("", path, certificate_file);
    if (!text) return text.error();
    const auto authorities = read_certificates(text.value(), path);
    if (!authorities) return authorities.error();
    for (const CertificatePtr& each : authorities.value()) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), each.get()) != 1) return no_library();
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    return std::nullopt;
}

/// Does not use OpenSSL's own file readers, which wait for a FIFO and read a passphrase from the terminal.
std::optional<Error> show_certificate(SSL_CTX* ctx, const TlsClientFiles& files) {
    const auto text = read_input_file("", files.certificate, certificate_file);
    if (!text) return text.error();
    const auto chain = read_certificates(text.value(), files.certificate);
    if (!chain) return chain.error();
    const auto key_text = read_input_file("", files.key, certificate_file);
    if (!key_text) return key_text.error();
    const auto key = read_private_key(key_text.value(), files.key);
    if (!key) return key.error();
    bool good = SSL_CTX_use_certificate(ctx, chain.value().front().get()) == 1 &&
                SSL_CTX_use_PrivateKey(ctx, key.value().get()) == 1;
    for (std::size_t i = 1; good && i < chain.value().size(); ++i)
        good = SSL_CTX_add1_chain_cert(ctx, chain.value()[i].get()) == 1;
    if (good) return std::nullopt;
    return Error{path_in_quotes(files.certificate) + " and " + path_in_quotes(files.key) +
                 " cannot be used: " + take_openssl_reason() + "; name a PEM certificate and its key"};
}

/// Appends a part unambiguously: different sequences of parts give different texts.
void add_part(std::string& sum, std::string_view part) {
    sum += std::to_string(part.size()) + ":";
    sum += part;
}

/// Returns an empty text if OpenSSL has no SHA-256.
std::string hash_of(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1) return {};
    return {reinterpret_cast<char*>(hash.data()), size};
}

}  // namespace

/// Builds a TlsContext from a listener's files in order, and stops at the first fault.
class TlsLoader {
public:
    TlsLoader(const TlsConfig& config, const Clock& clock)
        : config_(config),
          made_(std::make_shared<TlsContext>(TlsContext::Private(), SslCtxPtr(SSL_CTX_new(TLS_server_method())))) {
        made_->clock_ = &clock;
    }

    TlsContext::Loaded run() {
        if (ctx() == nullptr || !set_server_rules(ctx()) || !has_socket_bio())
            return fault("tls_certificate", no_library().message);
        SSL_CTX_set_app_data(ctx(), made_.get());
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx(), use_ticket_key);
        made_->tickets_ = std::make_unique<TicketKeys>(*made_->clock_);
        made_->serves_ = true;
        made_->client_ = config_.client;
        made_->id_ = config_.id;
        if (auto fault = load_own()) return *fault;
        if (config_.client != TlsClient::off) {
            if (auto fault = load_authorities()) return *fault;
            if (auto fault = load_revoked()) return *fault;
            if (auto fault = load_ids()) return *fault;
            request_certificates();
        }
        add_part(parts_, to_string(config_.client));
        add_part(parts_, to_string(config_.id));
        made_->digest_ = hash_of(parts_);
        OPENSSL_cleanse(parts_.data(), parts_.size());
        if (made_->digest_.empty()) return fault("tls_certificate", no_library().message);
        return made_;
    }

private:
    using Fault = std::optional<TlsFault>;

    [[nodiscard]] SSL_CTX* ctx() const { return made_->get(); }
    static TlsFault fault(std::string_view option, const std::string& message) {
        return {option, std::string(option) + ": " + message};
    }
    void warn(std::string message) { made_->warnings_.push_back(std::move(message)); }
    /// Returns the fault of the certificate at `position` of a file, with its remedy.
    static TlsFault unusable(std::string_view option, const std::string& path, const std::string& label,
                             const std::string& why, const std::string& remedy) {
        return fault(option, path_in_quotes(path) + " cannot be used: " + label + ": " + why + "; " + remedy);
    }
    void vouched_until(const ASN1_TIME* end) {
        made_->vouched_until_ = std::min(made_->vouched_until_, time_of(end).value_or(EventTime::max()));
    }

    Fault load_own();
    Fault use_chain(const std::vector<CertificatePtr>& chain);
    Fault load_key(const X509& certificate);
    Fault load_authorities();
    Fault use_authority(X509& authority, std::size_t position);
    Fault load_revoked();
    Fault check_revocation_lists(const std::vector<CrlPtr>& lists);
    Fault load_ids();
    void request_certificates();

    const TlsConfig& config_;
    const std::shared_ptr<TlsContext> made_;
    std::string parts_;
    std::vector<CertificatePtr> authorities_;
};

constexpr std::string_view strong_enough =
    "replace it with one that has a key of RSA 2048, P-256 or better, signed with SHA-256 or better";

TlsLoader::Fault TlsLoader::load_own() {
    const auto text = read_input_file("", config_.certificate, certificate_file);
    if (!text) return fault("tls_certificate", text.error().message);
    add_part(parts_, text.value());
    auto chain = read_certificates(text.value(), config_.certificate);
    if (!chain) return fault("tls_certificate", chain.error().message);
    if (auto wrong = use_chain(chain.value())) return wrong;
    const X509* own = chain.value().front().get();
    const std::string subject = subject_of(X509_get_subject_name(own));
    made_->good_until_ = time_of(X509_get0_notAfter(own)).value_or(EventTime::min());
    if (is_past(X509_get0_notAfter(own))) {
        warn("tls_certificate " + subject + " has expired on " + day_of(X509_get0_notAfter(own)) +
             "; renew it, as devices that verify it refuse to connect");
    }
    if (!is_past(X509_get0_notBefore(own))) {
        warn("tls_certificate " + subject + " is valid from " + day_of(X509_get0_notBefore(own)) +
             " only; until then devices that verify it refuse to connect");
    }
    return load_key(*own);
}

/// Takes the chain: the first certificate is the listener's own, the others lead to its authority.
TlsLoader::Fault TlsLoader::use_chain(const std::vector<CertificatePtr>& chain) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
        X509* each = chain[i].get();
        const auto defect = defect_of(*each);
        if (defect) {
            return unusable("tls_certificate", config_.certificate, label_of(*each, i + 1), *defect, "reissue it");
        }
        const bool taken =
            i == 0 ? SSL_CTX_use_certificate(ctx(), each) == 1 : SSL_CTX_add1_chain_cert(ctx(), each) == 1;
        if (!taken) {
            const std::string reason = take_openssl_reason();  // before label_of() empties the queue
            return unusable("tls_certificate", config_.certificate, label_of(*each, i + 1), reason,
                            std::string(strong_enough));
        }
    }
    return {};
}

TlsLoader::Fault TlsLoader::load_key(const X509& certificate) {
    auto text = read_input_file("", config_.key, key_file);
    if (!text) return fault("tls_key", text.error().message);
    add_part(parts_, text.value());
    const auto key = read_private_key(text.value(), config_.key);
    OPENSSL_cleanse(text.value().data(), text.value().size());
    if (!key) return fault("tls_key", key.error().message);
    if (X509_check_private_key(&certificate, key.value().get()) != 1 ||
        SSL_CTX_use_PrivateKey(ctx(), key.value().get()) != 1) {
        ERR_clear_error();
        return fault("tls_key", path_in_quotes(config_.key) + " is not the key of the certificate in " +
                                    path_in_quotes(config_.certificate) + "; name the two that belong together");
    }
    return {};
}

TlsLoader::Fault TlsLoader::load_authorities() {
    const auto text = read_input_file("", config_.client_ca, certificate_file);
    if (!text) return fault("tls_client_ca", text.error().message);
    add_part(parts_, text.value());
    auto found = read_certificates(text.value(), config_.client_ca);
    if (!found) return fault("tls_client_ca", found.error().message);
    authorities_ = std::move(found).value();
    for (std::size_t i = 0; i < authorities_.size(); ++i) {
        if (auto wrong = use_authority(*authorities_[i], i + 1)) return wrong;
    }
    return {};
}

TlsLoader::Fault TlsLoader::use_authority(X509& authority, std::size_t position) {
    const auto wrong = [&](const std::string& why, const std::string& remedy) {
        return unusable("tls_client_ca", config_.client_ca, label_of(authority, position), why, remedy);
    };
    const std::string subject = subject_of(X509_get_subject_name(&authority));
    if (const auto defect = defect_of(authority)) return wrong(*defect, "remove it or reissue it");
    if (X509_check_ca(&authority) == 0) {
        return fault("tls_client_ca", path_in_quotes(config_.client_ca) + " holds " + subject +
                                          ", which is not the certificate of an authority; remove it");
    }
    const ASN1_TIME* end = X509_get0_notAfter(&authority);
    if (is_past(end)) {
        warn("the authority " + subject + " in tls_client_ca has expired on " + day_of(end) +
             ", and admits no device; renew it");
    }
    if (const auto weakness = weakness_of(authority)) {
        warn("the authority " + subject + " in tls_client_ca is refused by OpenSSL: " + *weakness +
             ", and admits no device; " + std::string(strong_enough));
    }
    vouched_until(end);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx()), &authority) != 1 ||
        SSL_CTX_add_client_CA(ctx(), &authority) != 1) {
        return wrong(take_openssl_reason(), "remove it");
    }
    return {};
}

TlsLoader::Fault TlsLoader::load_revoked() {
    if (config_.client_crl.empty()) return {};
    const auto text = read_input_file("", config_.client_crl, list_file);
    if (!text) return fault("tls_client_crl", text.error().message);
    add_part(parts_, text.value());
    const auto lists = read_crls(text.value(), config_.client_crl);
    if (!lists) return fault("tls_client_crl", lists.error().message);
    X509_STORE* store = SSL_CTX_get_cert_store(ctx());
    for (std::size_t i = 0; i < lists.value().size(); ++i) {
        X509_CRL* list = lists.value()[i].get();
        const auto wrong = [&](const std::string& why) {
            return unusable("tls_client_crl", config_.client_crl, label_of(*list, i + 1), why,
                            "reissue the list by its authority");
        };
        if (const auto defect = defect_of(*list)) return wrong(*defect);
        if (X509_STORE_add_crl(store, list) != 1) return wrong(take_openssl_reason());
        vouched_until(X509_CRL_get0_nextUpdate(list));
    }
    if (auto wrong = check_revocation_lists(lists.value())) return wrong;
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return {};
}

/// Requires a list signed by each authority: OpenSSL would otherwise reject all its devices without saying why.
TlsLoader::Fault TlsLoader::check_revocation_lists(const std::vector<CrlPtr>& lists) {
    for (const CertificatePtr& authority : authorities_) {
        const X509_NAME* name = X509_get_subject_name(authority.get());
        const auto is_its = [&](const CrlPtr& list) {
            return X509_NAME_cmp(X509_CRL_get_issuer(list.get()), name) == 0 &&
                   X509_CRL_verify(list.get(), X509_get0_pubkey(authority.get())) == 1;
        };
        const auto own = std::find_if(lists.begin(), lists.end(), is_its);
        ERR_clear_error();
        if (own == lists.end()) {
            return fault("tls_client_crl", path_in_quotes(config_.client_crl) + " contains no list signed by " +
                                               subject_of(name) +
                                               " of tls_client_ca; append its list, even if it is empty");
        }
        const ASN1_TIME* next = X509_CRL_get0_nextUpdate(own->get());
        if (next != nullptr && is_past(next)) {
            warn("the list of " + subject_of(name) + " in tls_client_crl has expired on " + day_of(next) +
                 ", and admits none of its devices; renew it");
        }
        if (next == nullptr) {
            warn("the list of " + subject_of(name) + " in tls_client_crl has no next update, and never expires");
        }
    }
    return {};
}

TlsLoader::Fault TlsLoader::load_ids() {
    if (config_.ids_file.empty()) return {};
    const auto text = read_input_file("", config_.ids_file, list_file);
    if (!text) return fault("ids_file", text.error().message);
    add_part(parts_, "ids");
    add_part(parts_, text.value());
    auto ids = parse_id_list(text.value(), config_.ids_file);
    if (!ids) return fault("ids_file", ids.error().message);
    made_->ids_ = std::move(ids).value();
    made_->has_ids_ = true;
    return {};
}

void TlsLoader::request_certificates() {
    const int required = config_.client == TlsClient::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx(), SSL_VERIFY_PEER | required, classify_peer);
}

TlsContext::Loaded TlsContext::load(const TlsConfig& config, const Clock& clock) {
    return TlsLoader(config, clock).run();
}

TlsContext::Loaded TlsContext::load(const TlsConfig& config) {
    static const SystemClock clock;
    return load(config, clock);
}

CertifiedId TlsContext::classify(const X509& certificate) const {
    CertifiedId found = certified_id(certificate, id_);
    if (!found.id.empty() && has_ids_ && !ids_.contains(found.id)) {
        return {{}, "the certificate is valid, but its id is not in ids_file"};
    }
    return found;
}

std::string_view TlsContext::objection_to(X509* certificate, STACK_OF(X509) * chain, std::string_view id) const {
    if (!asks()) return {};
    if (certificate == nullptr) {
        return client_ == TlsClient::required ? "the device has no certificate, and tls_client is \"required\" now"
                                              : "";
    }
    const StoreCtxPtr store(X509_STORE_CTX_new());
    if (!store || X509_STORE_CTX_init(store.get(), SSL_CTX_get_cert_store(get()), certificate, chain) != 1) {
        ERR_clear_error();
        return "no memory to verify the certificate again";
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(store.get());
    X509_VERIFY_PARAM_set_auth_level(rules, SSL_CTX_get_security_level(get()));
    X509_STORE_CTX_set_default(store.get(), "ssl_client");
    X509_VERIFY_PARAM_set1(rules, SSL_CTX_get0_param(get()));
    X509_STORE_CTX_set_verify_cb(store.get(), pass_over_old_lists);
    const bool good = X509_verify_cert(store.get()) == 1;
    ERR_clear_error();
    if (!good) return X509_verify_cert_error_string(X509_STORE_CTX_get_error(store.get()));
    const CertifiedId named = classify(*certificate);
    if (named.id.empty()) return named.refusal;
    return named.id == id ? std::string_view() : "the certificate has another id by the new tls_id";
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const TlsClientFiles& files) {
    ERR_clear_error();
    auto made = std::make_shared<TlsContext>(Private(), SslCtxPtr(SSL_CTX_new(TLS_client_method())));
    SSL_CTX* ctx = made->get();
    if (ctx == nullptr || !set_rules(ctx) || !has_socket_bio()) return no_library();
    if (!files.ca.empty()) {
        if (auto error = trust(ctx, files.ca)) return *error;
    }
    if (!files.certificate.empty()) {
        if (auto error = show_certificate(ctx, files)) return *error;
    }
    return std::shared_ptr<const TlsContext>(made);
}

}  // namespace holdfast
