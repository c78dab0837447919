#include "tls/device_certificate.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <memory>

#include "text/printable.h"
#include "tls/openssl_ptr.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace holdfast {
namespace {

/// SSL_CTX_set_security_level(3): level 2 requires 112 bits.
constexpr int min_security_bits = 112;

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
    if (!time_of(X509_get0_notBefore(&certificate))) return "the notBefore date is malformed";
    if (!time_of(X509_get0_notAfter(&certificate))) return "the notAfter date is malformed";
    const EVP_PKEY* key = X509_get0_pubkey(&certificate);
    ERR_clear_error();
    if (key == nullptr) return "the public key cannot be read or is of an unknown kind";
    if (has_unnamed_curve(*key)) return "the key has a curve without a name, which TLS does not support";
    return std::nullopt;
}

std::optional<std::string> defect_of(const X509_CRL& list) {
    if (!time_of(X509_CRL_get0_lastUpdate(&list))) return "the thisUpdate date is malformed";
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(&list);  // RFC 5280 requires it; OpenSSL does not
    if (next != nullptr && !time_of(next)) return "the nextUpdate date is malformed";
    return std::nullopt;
}

std::optional<std::string> weakness_of(const X509& authority) {
    const EVP_PKEY* key = X509_get0_pubkey(&authority);
    if (key == nullptr || EVP_PKEY_get_security_bits(key) >= min_security_bits) return std::nullopt;
    return "the key of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits is too weak";
}

namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>>;

/// Converts to UTF-8 without further checks: is_device_word rejects NUL bytes.
std::string text_of(const ASN1_STRING* string) {
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, string);
    if (size < 0) return {};
    std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text;
}

/// Collects names until it is clear whether there is exactly one.
struct Found {
    std::string text;
    int count = 0;

    void add(const ASN1_STRING* string) {
        if (++count == 1) text = text_of(string);
    }
};

Found find_common_name(const X509& certificate) {
    Found found;
    const X509_NAME* subject = X509_get_subject_name(&certificate);
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        found.add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
    return found;
}

Found find_alternative_name(const X509& certificate, int kind) {
    Found found;
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == kind)
            found.add(name->d.ia5);  // the string type of DNS, URI and e-mail names (RFC 5280, 4.2.1.6)
    }
    return found;
}

Found find(const X509& certificate, TlsId source) {
    switch (source) {
        case TlsId::cn:
            return find_common_name(certificate);
        case TlsId::san_dns:
            return find_alternative_name(certificate, GEN_DNS);
        case TlsId::san_uri:
            return find_alternative_name(certificate, GEN_URI);
        case TlsId::san_email:
            return find_alternative_name(certificate, GEN_EMAIL);
    }
    return {};
}

}  // namespace

CertifiedId certified_id(const X509& certificate, TlsId source) {
    Found found = find(certificate, source);
    if (found.count == 0) return {{}, "the certificate has no name of the kind in tls_id"};
    if (found.count > 1) return {{}, "the certificate has several names of the kind in tls_id"};
    if (!is_device_word(found.text, max_device_id)) {
        return {{}, "the name in the certificate is not an id of 1 to 128 bytes of UTF-8 without control characters"};
    }
    return {std::move(found.text), {}};
}

Result<IdList> parse_id_list(std::string_view text, const std::string& path) {
    IdList ids;
    for (std::size_t line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view id = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (id.ends_with('\r')) id.remove_suffix(1);
        if (id.empty() || id.starts_with('#')) continue;
        if (!is_device_word(id, max_device_id)) {
            return Error{path_in_quotes(path) + ", line " + std::to_string(line) + ": " + in_quotes(id) +
                         " is not an id; write 1 to 128 bytes of UTF-8 without control characters"};
        }
        ids.emplace(id);
    }
    if (ids.empty()) return Error{path_in_quotes(path) + " contains no id; write one per line"};
    return ids;
}

}  // namespace holdfast
