// The files of a listener's TLS with the errors of operators and tools. Each gives an error with the file, the
// certificate and the remedy, or a warning. None ends the process.
#include <sys/stat.h>

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_certificates.h"
#include "tls/tls_context.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class TlsBadFiles : public testing::Test {
protected:
    TlsBadFiles() {
        config_.certificate = folder_.certificates("gateway.crt", {&own_});
        config_.key = folder_.key("gateway.key", own_);
    }

    void request_certificates() {
        config_.client = TlsClient::required;
        config_.client_ca = folder_.certificates("ca.crt", {&authority_});
    }
    void expect_fault(std::string_view option, const testing::Matcher<const std::string&>& message) const {
        const auto loaded = TlsContext::load(config_);
        const auto* fault = std::get_if<TlsFault>(&loaded);
        ASSERT_NE(fault, nullptr) << "it was loaded";
        EXPECT_EQ(fault->option, option);
        EXPECT_THAT(fault->message, message);
    }
    [[nodiscard]] std::vector<std::string> warnings() const {
        const auto loaded = TlsContext::load(config_);
        if (const auto* fault = std::get_if<TlsFault>(&loaded)) {
            ADD_FAILURE() << fault->message;
            return {};
        }
        return std::get<std::shared_ptr<const TlsContext>>(loaded)->warnings();
    }
    static std::string pem_of(const MadeCertificate& made) {
        return CertificateFolder::pem([&](BIO* bio) { return PEM_write_bio_X509(bio, made.certificate.get()); });
    }

    const CertificateFolder folder_;
    const MadeCertificate authority_ = make_certificate({.common_names = {"devices' authority"}, .authority = true});
    const MadeCertificate own_ = make_certificate({.common_names = {"gateway"}});
    TlsConfig config_;
};

// The chain

TEST_F(TlsBadFiles, AWeakCertificateOfTheChainIsNamedByItsPlace) {
    const auto weak = make_certificate({.common_names = {"weak"}, .authority = true, .key = MadeKey::rsa1024});
    config_.certificate = folder_.certificates("gateway.crt", {&own_, &authority_, &weak});
    expect_fault("tls_certificate", AllOf(HasSubstr("gateway.crt"), HasSubstr("certificate 3 (\"CN=weak\")"),
                                          HasSubstr("key too small"), HasSubstr("; replace it")));
}

TEST_F(TlsBadFiles, ASha1SignatureInTheChainIsNamedByItsPlace) {
    const auto old =
        make_certificate({.common_names = {"sha1"}, .issuer = &authority_, .authority = true, .digest = "SHA1"});
    config_.certificate = folder_.certificates("gateway.crt", {&own_, &old});
    expect_fault("tls_certificate", AllOf(HasSubstr("certificate 2 (\"CN=sha1\")"), HasSubstr("md too weak")));
}

TEST_F(TlsBadFiles, AWeakKeyOfItsOwnIsRefused) {
    const auto weak = make_certificate({.common_names = {"weak"}, .key = MadeKey::rsa1024});
    config_.certificate = folder_.certificates("gateway.crt", {&weak});
    config_.key = folder_.key("gateway.key", weak);
    expect_fault("tls_certificate", AllOf(HasSubstr("certificate 1"), HasSubstr("key too small")));
}

TEST_F(TlsBadFiles, AMalformedDateIsNamedWhereverItStands) {
    for (const std::string date : {"", " ", "not a date", "99999999999999Z", "000000000000Z1", "2026"}) {
        const auto broken = make_certificate({.common_names = {"dateless"},
                                              .issuer = &authority_,
                                              .authority = true,
                                              .not_after = date.empty() ? std::string(1, '\0') : date});
        config_.certificate = folder_.certificates("gateway.crt", {&own_, &broken});
        expect_fault("tls_certificate",
                     AllOf(HasSubstr("certificate 2 (\"CN=dateless\")"), HasSubstr("notAfter date is malformed")));
        request_certificates();
        config_.certificate = folder_.certificates("gateway.crt", {&own_});
        config_.client_ca = folder_.certificates("ca.crt", {&authority_, &broken});
        expect_fault("tls_client_ca",
                     AllOf(HasSubstr("certificate 2 (\"CN=dateless\")"), HasSubstr("notAfter date is malformed")));
    }
}

TEST_F(TlsBadFiles, ACurveWithoutANameIsRefused) {
    const auto unnamed = make_certificate({.common_names = {"unnamed"}, .key = MadeKey::p256_explicit});
    config_.certificate = folder_.certificates("gateway.crt", {&unnamed});
    config_.key = folder_.key("gateway.key", unnamed);
    expect_fault("tls_certificate", AllOf(HasSubstr("certificate 1"), HasSubstr("curve without a name")));
}

TEST_F(TlsBadFiles, KeysOfEveryGoodKindAreTaken) {
    for (const MadeKey kind : {MadeKey::ed25519, MadeKey::rsa_pss, MadeKey::rsa2048}) {
        const auto good = make_certificate({.common_names = {"good"}, .key = kind});
        config_.certificate = folder_.certificates("gateway.crt", {&good});
        config_.key = folder_.key("gateway.key", good);
        EXPECT_THAT(warnings(), IsEmpty()) << static_cast<int>(kind);
    }
}

TEST_F(TlsBadFiles, AYearThatNoClockShowsIsADate) {
    const auto endless = make_certificate({.common_names = {"endless"}, .not_after = "99991231235959Z"});
    config_.certificate = folder_.certificates("gateway.crt", {&endless});
    config_.key = folder_.key("gateway.key", endless);
    expect_fault("tls_certificate", HasSubstr("malformed"));  // UTCTime has two digits for the year
    ASN1_TIME_set_string(X509_getm_notAfter(endless.certificate.get()), "99991231235959Z");
    X509_sign(endless.certificate.get(), endless.key.get(), EVP_sha256());
    config_.certificate = folder_.certificates("gateway.crt", {&endless});
    EXPECT_THAT(warnings(), IsEmpty());
}

// Authorities and lists

TEST_F(TlsBadFiles, AWeakAuthorityIsLoadedWithAWarning) {
    request_certificates();
    const auto weak = make_certificate({.common_names = {"weak"}, .authority = true, .key = MadeKey::rsa1024});
    config_.client_ca = folder_.certificates("ca.crt", {&authority_, &weak});
    EXPECT_THAT(warnings(), Contains(AllOf(HasSubstr("\"CN=weak\""), HasSubstr("1024 bits is too weak"),
                                           HasSubstr("admits no device"))));
}

TEST_F(TlsBadFiles, AnAuthorityMayBeThereTwice) {
    request_certificates();
    config_.client_ca = folder_.certificates("ca.crt", {&authority_, &authority_});
    EXPECT_THAT(warnings(), IsEmpty());
    const CrlPtr list = make_crl(authority_, {});
    const std::string once = CertificateFolder::pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
    config_.client_crl = folder_.text("ca.crl", once + once);
    EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(TlsBadFiles, AListWithAMalformedDateIsNamedByItsPlace) {
    request_certificates();
    const auto other = make_certificate({.common_names = {"foreign"}, .authority = true});
    const CrlPtr good = make_crl(authority_, {});
    for (const CrlWish& wish : {CrlWish{.bad_next = "x"}, CrlWish{.bad_last = "x"}}) {
        for (const MadeCertificate* issuer : {&authority_, &other}) {
            const CrlPtr bad = make_crl(*issuer, {}, 1, wish);
            config_.client_crl = folder_.text("ca.crl", CertificateFolder::pem([&](BIO* bio) {
                                                  return PEM_write_bio_X509_CRL(bio, good.get()) == 1 &&
                                                                 PEM_write_bio_X509_CRL(bio, bad.get()) == 1
                                                             ? 1
                                                             : 0;
                                              }));
            expect_fault("tls_client_crl", AllOf(HasSubstr("list 2 (of \"CN="), HasSubstr("Update date is malformed")));
        }
    }
}

TEST_F(TlsBadFiles, AListWithoutANextUpdateIsLoadedWithAWarning) {
    request_certificates();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, 0, {.next_update = false}));
    EXPECT_THAT(warnings(), Contains(HasSubstr("has no next update")));
}

TEST_F(TlsBadFiles, AListOfAForeignIssuerBesideTheOwnIsTaken) {
    request_certificates();
    const auto other = make_certificate({.common_names = {"foreign"}, .authority = true});
    const CrlPtr own = make_crl(authority_, {});
    const CrlPtr foreign = make_crl(other, {});
    config_.client_crl =
        folder_.text("ca.crl", CertificateFolder::pem([&](BIO* bio) {
                         return PEM_write_bio_X509_CRL(bio, foreign.get()) & PEM_write_bio_X509_CRL(bio, own.get());
                     }));
    EXPECT_THAT(warnings(), IsEmpty());
    config_.client_crl = folder_.crl("ca.crl", foreign);
    expect_fault("tls_client_crl", HasSubstr("contains no list signed by"));
}

// Files

TEST_F(TlsBadFiles, AnEncryptedObjectOfAnyKindPromptsForNothing) {
    request_certificates();
    std::string text = pem_of(own_);
    text.insert(text.find('\n') + 1,
                "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n");
    config_.client_ca = folder_.text("ca.crt", text);
    expect_fault("tls_client_ca", HasSubstr("contains an encrypted certificate (number 1)"));
    config_.certificate = folder_.text("gateway.crt", pem_of(own_) + text);
    expect_fault("tls_certificate", HasSubstr("contains an encrypted certificate (number 2)"));
}

TEST_F(TlsBadFiles, DerIsDistinguishedFromPem) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(own_.certificate.get(), &der);
    const std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    config_.certificate = folder_.text("gateway.crt", bytes);
    expect_fault("tls_certificate", AllOf(HasSubstr("in PEM but DER"), HasSubstr("-inform DER")));
}

TEST_F(TlsBadFiles, AnUnrelatedFileIsAnError) {
    const std::string good = config_.certificate;
    const std::string fifo = folder_.path("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const std::vector<std::pair<std::string, std::string>> rows = {
        {fifo, "is not a regular file"},
        {folder_.path("."), "is not a regular file"},
        {folder_.text("empty", ""), "contains no certificate"},
        {folder_.text("huge", std::string((1U << 20) + 1, '\n')), "is larger than"},
        {folder_.text("nul", std::string(4096, '\0')), "contains no certificate"},
        {folder_.text("nul in PEM", pem_of(own_).insert(40, 1, '\0')), "contains a malformed certificate"},
        {folder_.text("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
         "contains no certificate"},
        {std::string("/a\0b", 4), "NUL byte"},
    };
    for (const auto& [path, words] : rows) {
        config_.certificate = path;
        expect_fault("tls_certificate", HasSubstr(words));
        config_.certificate = good;
        TlsConfig with_key = config_;
        with_key.key = path;
        EXPECT_TRUE(std::holds_alternative<TlsFault>(TlsContext::load(with_key))) << path;
    }
}

TEST_F(TlsBadFiles, MoreThanAFileMayHoldIsAnError) {
    request_certificates();
    const CrlPtr list = make_crl(authority_, {});
    const std::string one = CertificateFolder::pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
    std::string many;
    for (int i = 0; i <= 1'000; ++i) many += one;
    config_.client_crl = folder_.text("ca.crl", many);
    expect_fault("tls_client_crl", HasSubstr("contains more than 1000"));
}

// The client's side: holdfast load.

TEST_F(TlsBadFiles, AClientsEncryptedKeyPromptsForNothing) {
    const std::string key =
        folder_.text("secret.key", CertificateFolder::pem([&](BIO* bio) {
                         return PEM_write_bio_PrivateKey(bio, own_.key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                                         const_cast<char*>("secret"));
                     }));
    const auto made = TlsContext::for_client({.ca = {}, .certificate = config_.certificate, .key = key});
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(made.error().message, HasSubstr("is encrypted"));
    EXPECT_TRUE(
        TlsContext::for_client({.ca = config_.certificate, .certificate = config_.certificate, .key = config_.key})
            .ok());
}

}  // namespace
}  // namespace holdfast
