#include "tls/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_certificates.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TlsContextTest : public testing::Test {
protected:
    TlsContextTest()
        : authority_(make_certificate({.common_names = {"devices' authority"}, .authority = true})),
          own_(make_certificate({.common_names = {"gateway"}})) {
        config_.certificate = folder_.certificates("gateway.crt", {&own_});
        config_.key = folder_.key("gateway.key", own_);
    }

    void request_certificates() {
        config_.client = TlsClient::required;
        config_.client_ca = folder_.certificates("ca.crt", {&authority_});
    }
    [[nodiscard]] TlsFault fault() const {
        const auto loaded = TlsContext::load(config_);
        return std::holds_alternative<TlsFault>(loaded) ? std::get<TlsFault>(loaded) : TlsFault{"", "it was loaded"};
    }
    [[nodiscard]] std::shared_ptr<const TlsContext> load() const {
        const auto loaded = TlsContext::load(config_);
        if (const auto* wrong = std::get_if<TlsFault>(&loaded)) ADD_FAILURE() << wrong->message;
        return std::get<std::shared_ptr<const TlsContext>>(loaded);
    }
    void expect_fault(std::string_view option, const testing::Matcher<const std::string&>& message) const {
        const TlsFault found = fault();
        EXPECT_EQ(found.option, option);
        EXPECT_THAT(found.message, message);
    }

    const CertificateFolder folder_;
    const MadeCertificate authority_;
    const MadeCertificate own_;
    TlsConfig config_;
};

TEST_F(TlsContextTest, GoodFilesAreLoadedWithoutAWarning) {
    request_certificates();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}));
    config_.ids_file = folder_.text("ids", "# the first hall\ndevice-1\r\n\ndevice-2");
    const auto context = load();
    EXPECT_THAT(context->warnings(), IsEmpty());
    EXPECT_GT(context->good_until(), std::chrono::system_clock::now() + std::chrono::hours(24 * 29));
}

TEST_F(TlsContextTest, AFileThatIsNotThereIsNamed) {
    config_.certificate = folder_.path("nothing.crt");
    expect_fault("tls_certificate", AllOf(HasSubstr("nothing.crt"), HasSubstr("No such file")));
}

TEST_F(TlsContextTest, ADirectoryIsNoFile) {
    config_.certificate = "/";
    expect_fault("tls_certificate", HasSubstr("is not a regular file"));
}

TEST_F(TlsContextTest, AFileWithoutPemIsRefused) {
    config_.certificate = folder_.text("gateway.crt", "not a certificate\n");
    expect_fault("tls_certificate", HasSubstr("contains no certificate"));
}

TEST_F(TlsContextTest, ABrokenSecondCertificateOfAChainIsNoShorterChain) {
    const std::string whole =
        CertificateFolder::pem([&](BIO* bio) { return PEM_write_bio_X509(bio, own_.certificate.get()); });
    config_.certificate = folder_.text("gateway.crt", whole + whole.substr(0, whole.size() / 2));
    expect_fault("tls_certificate", HasSubstr("contains a malformed certificate"));
}

TEST_F(TlsContextTest, TheKeyOfAnotherCertificateIsRefused) {
    config_.key = folder_.key("gateway.key", authority_);
    expect_fault("tls_key", HasSubstr("is not the key of the certificate"));
}

TEST_F(TlsContextTest, AWorldReadableKeyIsRefused) {
    config_.key = folder_.key("gateway.key", own_, 0644);
    expect_fault("tls_key", AllOf(HasSubstr("accessible to others (mode 0644)"), HasSubstr("chmod")));
}

TEST_F(TlsContextTest, AKeyThatItsGroupMayReadIsTaken) {
    config_.key = folder_.key("gateway.key", own_, 0640);
    EXPECT_NE(load(), nullptr);
}

TEST_F(TlsContextTest, AnEncryptedKeyIsRefusedWithoutAPrompt) {
    config_.key = folder_.text("gateway.key", CertificateFolder::pem([&](BIO* bio) {
                                   return PEM_write_bio_PrivateKey(bio, own_.key.get(), EVP_aes_256_cbc(), nullptr, 0,
                                                                   nullptr, const_cast<char*>("secret"));
                               }));
    expect_fault("tls_key", HasSubstr("is encrypted"));
}

TEST_F(TlsContextTest, AnExpiredCertificateIsLoadedWithAWarning) {
    const auto expired = make_certificate({.common_names = {"old"}, .from_days = -9, .to_days = -2});
    config_.certificate = folder_.certificates("gateway.crt", {&expired});
    config_.key = folder_.key("gateway.key", expired);
    EXPECT_THAT(load()->warnings(), ElementsAre(HasSubstr("has expired on")));
}

TEST_F(TlsContextTest, AnExpiredAuthorityIsLoadedWithAWarning) {
    request_certificates();
    const auto expired = make_certificate({.common_names = {"old"}, .authority = true, .from_days = -9, .to_days = -2});
    config_.client_ca = folder_.certificates("ca.crt", {&expired});
    EXPECT_THAT(load()->warnings(), ElementsAre(HasSubstr("admits no device")));
}

TEST_F(TlsContextTest, ADevicesCertificateIsNoAuthority) {
    request_certificates();
    config_.client_ca = folder_.certificates("ca.crt", {&authority_, &own_});
    expect_fault("tls_client_ca", HasSubstr("not the certificate of an authority"));
}

TEST_F(TlsContextTest, AnEmptyAuthorityFileRejectsAll) {
    request_certificates();
    config_.client_ca = folder_.text("ca.crt", "");
    expect_fault("tls_client_ca", HasSubstr("contains no certificate"));
}

TEST_F(TlsContextTest, AnEmptyRevocationFileIsNoEmptyList) {
    request_certificates();
    config_.client_crl = folder_.text("ca.crl", "");
    expect_fault("tls_client_crl", HasSubstr("contains no revocation list"));
}

TEST_F(TlsContextTest, AForeignRevocationListIsRefused) {
    request_certificates();
    const auto namesake = make_certificate({.common_names = {"devices' authority"}, .authority = true});
    config_.client_crl = folder_.crl("ca.crl", make_crl(namesake, {}));
    expect_fault("tls_client_crl", HasSubstr("contains no list signed by"));
}

TEST_F(TlsContextTest, AnOldRevocationListIsLoadedWithAWarning) {
    request_certificates();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, -1));
    EXPECT_THAT(load()->warnings(), ElementsAre(HasSubstr("has expired on")));
}

TEST_F(TlsContextTest, AnIdListMustHaveIds) {
    request_certificates();
    config_.ids_file = folder_.text("ids", "# nobody yet\n");
    expect_fault("ids_file", HasSubstr("contains no id"));
    config_.ids_file = folder_.text("ids", "one\ntw\to\n");
    expect_fault("ids_file", AllOf(HasSubstr("line 2"), HasSubstr("is not an id")));
}

TEST_F(TlsContextTest, TheDigestFollowsEveryFile) {
    request_certificates();
    config_.ids_file = folder_.text("ids", "one\n");
    const std::string before = load()->digest();
    EXPECT_EQ(load()->digest(), before);
    folder_.text("ids", "two\n");
    EXPECT_NE(load()->digest(), before);
    folder_.text("ids", "one\n");
    EXPECT_EQ(load()->digest(), before);
    config_.client = TlsClient::optional;
    EXPECT_NE(load()->digest(), before);
}

CertifiedId id_in(const CertificateWish& wish, TlsId source) {
    return certified_id(*make_certificate(wish).certificate, source);
}

TEST(CertifiedIdTest, EachKindOfName) {
    const CertificateWish wish{.common_names = {"device-1"},
                               .alternative_names = "DNS:a.example,URI:urn:dev:7,email:d@example.org"};
    EXPECT_EQ(id_in(wish, TlsId::cn).id, "device-1");
    EXPECT_EQ(id_in(wish, TlsId::san_dns).id, "a.example");
    EXPECT_EQ(id_in(wish, TlsId::san_uri).id, "urn:dev:7");
    EXPECT_EQ(id_in(wish, TlsId::san_email).id, "d@example.org");
}

TEST(CertifiedIdTest, NoneAndSeveralAreNoId) {
    EXPECT_THAT(id_in({.common_names = {"a"}}, TlsId::san_dns).refusal, HasSubstr("no name of the kind"));
    EXPECT_THAT(id_in({}, TlsId::cn).refusal, HasSubstr("no name of the kind"));
    EXPECT_THAT(id_in({.common_names = {"a", "b"}}, TlsId::cn).refusal, HasSubstr("several"));
    EXPECT_THAT(id_in({.alternative_names = "DNS:a,DNS:b"}, TlsId::san_dns).refusal, HasSubstr("several"));
}

TEST(CertifiedIdTest, WhatNoHelloCouldSayIsNoId) {
    EXPECT_THAT(id_in({.common_names = {std::string("a\0b", 3)}}, TlsId::cn).refusal, HasSubstr("is not an id"));
    EXPECT_THAT(id_in({.common_names = {"a\nb"}}, TlsId::cn).refusal, HasSubstr("is not an id"));
    EXPECT_EQ(id_in({.common_names = {"größe"}}, TlsId::cn).id, "größe");
}

}  // namespace
}  // namespace holdfast
