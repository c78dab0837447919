#include "tls/certificate_facts.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "text/printable.h"
#include "tls/openssl_ptr.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

namespace holdfast {

namespace {

/// SSL_CTX_set_security_level(3): level 2 requires 112 bits.
constexpr int least_security_bits = 112;

/// Returns true if the key does not name its curve, as RFC 5480, 2.1.1 requires. OpenSSL reads such a certificate, and
/// rejects it in a handshake.
bool has_unnamed_curve(const EVP_PKEY& key) {
    int is_explicit = 0;
    EVP_PKEY_get_int_param(&key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
    ERR_clear_error();
    return is_explicit == 1;
}

}  // namespace

std::optional<EventTime> time_of(const ASN1_TIME* time) noexcept {
    std::tm parts{};
    // ASN1_TIME_to_tm(3) takes a null pointer for the current time.
    const bool good = time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1;
    ERR_clear_error();
    return good ? std::optional(EventTime{std::chrono::seconds(timegm(&parts))}) : std::nullopt;
}

std::string day_of(const ASN1_TIME* time) {
    std::tm parts{};
    const bool good = time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1;
    ERR_clear_error();
    std::array<char, 16> text{};
    if (!good || std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts) == 0) return "an unreadable day";
    return text.data();
}

bool is_past(const ASN1_TIME* time) { return X509_cmp_current_time(time) < 0; }

std::string subject_of(const X509_NAME* name) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    if (!bio) return "\"\"";
    X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    ERR_clear_error();
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return in_quotes({text, static_cast<std::size_t>(std::max(size, 0L))});
}

std::string label_of(const X509& certificate, std::size_t position) {
    return "certificate " + std::to_string(position) + " (" + subject_of(X509_get_subject_name(&certificate)) + ")";
}

std::string label_of(const X509_CRL& list, std::size_t position) {
    return "list " + std::to_string(position) + " (of " + subject_of(X509_CRL_get_issuer(&list)) + ")";
}

std::optional<std::string> defect_of(const X509& certificate) {
    if (!time_of(X509_get0_notBefore(&certificate))) return "its notBefore date is malformed";
    if (!time_of(X509_get0_notAfter(&certificate))) return "its notAfter date is malformed";
    const EVP_PKEY* key = X509_get0_pubkey(&certificate);
    ERR_clear_error();
    if (key == nullptr) return "its public key cannot be read or is of an unknown kind";
    if (has_unnamed_curve(*key)) return "the curve of its key has no name, which TLS has no number for";
    return std::nullopt;
}

std::optional<std::string> defect_of(const X509_CRL& list) {
    if (!time_of(X509_CRL_get0_lastUpdate(&list))) return "its thisUpdate date is malformed";
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(&list);  // RFC 5280 requires it; OpenSSL does not
    if (next != nullptr && !time_of(next)) return "its nextUpdate date is malformed";
    return std::nullopt;
}

std::optional<std::string> weakness_of(const X509& authority) {
    const EVP_PKEY* key = X509_get0_pubkey(&authority);
    if (key == nullptr || EVP_PKEY_get_security_bits(key) >= least_security_bits) return std::nullopt;
    return "its key of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits is too weak";
}

}  // namespace holdfast
