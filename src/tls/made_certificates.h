#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/temporary_directory.h"
#include "tls/openssl_ptr.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace holdfast {

/// For tests: a certificate with its key.
struct MadeCertificate {
    KeyPtr key;
    CertificatePtr certificate;
};

struct CertificateWish {
    std::vector<std::string> common_names = {};
    std::string alternative_names = {};       ///< as openssl has them: "DNS:a,URI:urn:b"
    const MadeCertificate* issuer = nullptr;  ///< null: itself
    bool authority = false;
    int from_days = -1;
    int to_days = 30;
};

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
    MadeCertificate made{KeyPtr(EVP_EC_gen("P-256")), CertificatePtr(X509_new())};
    X509* certificate = made.certificate.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from_days * 86'400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.to_days * 86'400L);
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
    X509_sign(certificate, wish.issuer != nullptr ? wish.issuer->key.get() : made.key.get(), EVP_sha256());
    return made;
}

/// The issuer's revocation list with these on it.
inline CrlPtr make_crl(const MadeCertificate& issuer, const std::vector<const MadeCertificate*>& revoked,
                       long next_seconds = 30 * 86'400L) {
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
    X509_CRL_set1_nextUpdate(crl.get(), time);
    ASN1_TIME_free(time);
    X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256());
    return crl;
}

/// For PEM files; removed at the end.
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
