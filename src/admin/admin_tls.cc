#include "admin/admin_tls.h"

#include <array>

#include "base/printable.h"
#include "base/secret_file.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace holdfast {
namespace {

std::string why() {
    std::array<char, 256> text{};
    const unsigned long code = ::ERR_peek_last_error();
    ::ERR_error_string_n(code, text.data(), text.size());
    const char* reason = ::ERR_reason_error_string(code);
    ::ERR_clear_error();
    return code == 0 ? "no reason given" : reason != nullptr ? reason : text.data();
}

/// A daemon has nobody to ask for a pass phrase.
int no_pass_phrase(char*, int, int, void*) { return 0; }

using Key = std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)>;
using Memory = std::unique_ptr<BIO, decltype(&::BIO_free)>;

Key parse_key(const std::string& pem) {
    const Memory memory(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &::BIO_free);
    return {memory ? ::PEM_read_bio_PrivateKey(memory.get(), nullptr, no_pass_phrase, nullptr) : nullptr,
            &::EVP_PKEY_free};
}

/// An admin connection is one conversation: no tickets, no sessions, no renegotiation.
void set_rules(SSL_CTX* context) {
    ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ::SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(context, 0);
    ::SSL_CTX_set_mode(context,
                       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

}  // namespace

Result<std::shared_ptr<const AdminTls>> AdminTls::load(const std::string& certificate, const std::string& key) {
    ::ERR_clear_error();
    Context context(::SSL_CTX_new(::TLS_server_method()));
    if (!context) return Error{"TLS cannot be set up for the admin address: " + why()};
    set_rules(context.get());
    if (::SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
        return Error{"the certificate " + path_in_quotes(certificate) + " cannot be used (" + why() +
                     "): name a PEM file with the server's certificate and those that signed it"};
    }
    const auto pem = read_secret_file("the key", key, SecretReaders::group);
    if (!pem) return pem.error();
    const Key parsed = parse_key(pem.value());
    if (!parsed) {
        return Error{"the key " + path_in_quotes(key) + " cannot be used (" + why() +
                     "): name a PEM file with a private key without pass phrase"};
    }
    if (::SSL_CTX_use_PrivateKey(context.get(), parsed.get()) != 1) {
        return Error{"the key " + path_in_quotes(key) + " is not that of the certificate " +
                     path_in_quotes(certificate) + " (" + why() + "): name the two that belong together"};
    }
    return std::shared_ptr<const AdminTls>(new AdminTls(std::move(context)));
}

bool AdminTls::names(std::string_view host) const {
    X509* certificate = ::SSL_CTX_get0_certificate(context_.get());
    return certificate != nullptr && !host.empty() &&
           ::X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

}  // namespace holdfast
