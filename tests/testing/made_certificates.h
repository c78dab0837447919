#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "testing/temporary_directory.h"
#include "tls/openssl_ptr.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace holdfast {

/// A certificate with its key, for tests.
struct MadeCertificate {
    KeyPtr key;
    CertificatePtr certificate;
};

enum class MadeKey : std::uint8_t { p256, p256_explicit, rsa1024, rsa2048, rsa_pss, ed25519 };

inline KeyPtr make_key(MadeKey kind) {
    switch (kind) {
        case MadeKey::rsa1024:
            return KeyPtr(EVP_RSA_gen(1024));
        case MadeKey::rsa2048:
            return KeyPtr(EVP_RSA_gen(2048));
        case MadeKey::rsa_pss: {
            const std::unique_ptr<EVP_PKEY_CTX, FreeBy<EVP_PKEY_CTX_free>> ctx(
                EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
            EVP_PKEY* made = nullptr;
            HOLDFAST_CHECK(EVP_PKEY_keygen_init(ctx.get()) == 1 && EVP_PKEY_generate(ctx.get(), &made) == 1);
            return KeyPtr(made);
        }
        case MadeKey::ed25519:
            return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
        case MadeKey::p256:
        case MadeKey::p256_explicit:
            break;
    }
    KeyPtr key(EVP_EC_gen("P-256"));
    if (kind == MadeKey::p256_explicit)
        HOLDFAST_CHECK(EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, "explicit") == 1);
    return key;
}

struct CertificateWish {
    std::vector<std::string> common_names = {};
    std::string alternative_names = {};       ///< as openssl has them: "DNS:a,URI:urn:b"
    const MadeCertificate* issuer = nullptr;  ///< null: self-signed
    bool authority = false;
    int from_days = -1;
    int to_days = 30;
    MadeKey key = MadeKey::p256;
    const char* digest = "SHA256";
    std::string not_after = {};  ///< raw, instead of to_days: "not a date"
};

/// Overwrites a time with bytes that are no date.
inline void spoil_time(ASN1_TIME* time, const std::string& bytes) {
    HOLDFAST_CHECK(ASN1_STRING_set(time, bytes.data(), static_cast<int>(bytes.size())) == 1);
}

inline void add_extension(X509* certificate, const MadeCertificate* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer != nullptr ? issuer->certificate.get() : certificate, certificate, nullptr, nullptr,
                   0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    HOLDFAST_CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

inline MadeCertificate make_certificate(const CertificateWish& wish) {
    static long serial = 1;
    MadeCertificate made{make_key(wish.key), CertificatePtr(X509_new())};
    X509* certificate = made.certificate.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from_days * 86'400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.to_days * 86'400L);
    if (!wish.not_after.empty()) spoil_time(X509_getm_notAfter(certificate), wish.not_after);
    for (const std::string& name : wish.common_names) {
        X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()),
                                   -1, 0);
    }
    X509_set_issuer_name(certificate,
                         X509_get_subject_name(wish.issuer != nullptr ? wish.issuer->certificate.get() : certificate));
    X509_set_pubkey(certificate, made.key.get());
    add_extension(certificate, wish.issuer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wish.alternative_names.empty()) {
        add_extension(certificate, wish.issuer, NID_subject_alt_name, wish.alternative_names);
    }
    EVP_PKEY* signer = wish.issuer != nullptr ? wish.issuer->key.get() : made.key.get();
    // Ed25519 includes its hash.
    const EVP_MD* digest = EVP_PKEY_is_a(signer, "ED25519") == 1 ? nullptr : EVP_get_digestbyname(wish.digest);
    HOLDFAST_CHECK(X509_sign(certificate, signer, digest) > 0);
    return made;
}

struct CrlWish {
    bool next_update = true;
    std::string bad_last = {};  ///< raw bytes that are no date
    std::string bad_next = {};
};

/// Returns the issuer's revocation list of these certificates.
inline CrlPtr make_crl(const MadeCertificate& issuer, const std::vector<const MadeCertificate*>& revoked,
                       long next_seconds = 30 * 86'400L, const CrlWish& wish = {}) {
    CrlPtr crl(X509_CRL_new());
    X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get()));
    ASN1_TIME* time = X509_gmtime_adj(nullptr, -3 * 86'400L);
    X509_CRL_set1_lastUpdate(crl.get(), time);
    for (const MadeCertificate* each : revoked) {
        X509_REVOKED* entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(each->certificate.get()));
        X509_REVOKED_set_revocationDate(entry, time);
        X509_CRL_add0_revoked(crl.get(), entry);
    }
    X509_gmtime_adj(time, next_seconds);
    if (!wish.bad_next.empty()) spoil_time(time, wish.bad_next);
    if (wish.next_update) X509_CRL_set1_nextUpdate(crl.get(), time);
    if (!wish.bad_last.empty()) {
        spoil_time(time, wish.bad_last);
        X509_CRL_set1_lastUpdate(crl.get(), time);
    }
    ASN1_TIME_free(time);
    X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256());
    return crl;
}

/// Holds PEM files until it is destroyed.
class CertificateFolder {
public:
    [[nodiscard]] std::string path(const std::string& name) const { return folder_.in(name); }
    std::string text(const std::string& name, const std::string& content, mode_t mode = 0600) const {
        return folder_.write(name, content, mode);
    }
    std::string key(const std::string& name, const MadeCertificate& made, mode_t mode = 0600) const {
        return text(name, pem([&](BIO* bio) {
                        return PEM_write_bio_PrivateKey(bio, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
                    }),
                    mode);
    }
    std::string certificates(const std::string& name, const std::vector<const MadeCertificate*>& chain) const {
        return text(name, pem([&](BIO* bio) {
                        for (const auto* each : chain) PEM_write_bio_X509(bio, each->certificate.get());
                        return 1;
                    }));
    }
    std::string crl(const std::string& name, const CrlPtr& list) const {
        return text(name, pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); }));
    }

    template <typename Write>
    static std::string pem(Write write) {
        const BioPtr bio(BIO_new(BIO_s_mem()));
        HOLDFAST_CHECK(write(bio.get()) == 1);
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &bytes);
        return {bytes, static_cast<std::size_t>(size)};
    }

private:
    TemporaryDirectory folder_;
};

}  // namespace holdfast
