#include "tls/tls_session.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "testing/tls_pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace holdfast {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

TEST_F(TlsSessionTest, BytesGoBothWays) {
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->facts().version, "TLSv1.3");
    EXPECT_FALSE(session_->facts().resumed);
    EXPECT_EQ(session_->device_id(), "");
    EXPECT_EQ(SSL_write(client_.get(), "up", 2), 2);
    std::array<char, 64> into{};
    const TlsOutcome got = session_->read(into);
    ASSERT_EQ(got.step, TlsStep::done);
    EXPECT_EQ(std::string_view(into.data(), got.bytes), "up");
    EXPECT_EQ(session_->read(into).step, TlsStep::want_read);
    EXPECT_EQ(session_->write("down").bytes, 4U);
    EXPECT_EQ(client_reads(), "down");
}

TEST_F(TlsSessionTest, VersionsBefore12AreRefused) {
    SSL_CTX_set_security_level(client_ctx_.get(), 0);
    SSL_CTX_set_min_proto_version(client_ctx_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client_ctx_.get(), TLS1_1_VERSION);
    const TlsOutcome outcome = meet();
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("no TLS newer than 1.1"));
}

TEST_F(TlsSessionTest, Version12IsTaken) {
    SSL_CTX_set_max_proto_version(client_ctx_.get(), TLS1_2_VERSION);
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->facts().version, "TLSv1.2");
}

TEST_F(TlsSessionTest, ACipherWithoutForwardSecrecyIsRefused) {
    SSL_CTX_set_max_proto_version(client_ctx_.get(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client_ctx_.get(), "AES128-GCM-SHA256");
    EXPECT_THAT(meet().detail, HasSubstr("no cipher in common"));
}

TEST_F(TlsSessionTest, APlainTextDeviceIsDistinguished) {
    connect();
    ASSERT_EQ(::send(there_.get(), "{\"ip\":\"10.0.0.1\"}\n", 18, 0), 18);
    EXPECT_THAT(session_->handshake().detail, HasSubstr("probably uses plain"));
    EXPECT_EQ(session_->handshake_bytes(), 5U) << "the header of a record";
    connect();
    ASSERT_EQ(::send(there_.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    EXPECT_THAT(session_->handshake().detail, HasSubstr("HTTP request"));
}

TEST_F(TlsSessionTest, RenegotiationIsRefusedAndTheSessionContinues) {
    SSL_CTX_set_max_proto_version(client_ctx_.get(), TLS1_2_VERSION);
    ASSERT_EQ(meet().step, TlsStep::done);
    ASSERT_EQ(SSL_renegotiate(client_.get()), 1);
    SSL_do_handshake(client_.get());
    std::array<char, 64> into{};
    const TlsOutcome outcome = session_->read(into);
    EXPECT_EQ(outcome.step, TlsStep::want_read);
    EXPECT_NE(SSL_do_handshake(client_.get()), 1);
    EXPECT_EQ(session_->facts().version, "TLSv1.2");
}

TEST_F(TlsSessionTest, CloseNotifyAndABareFinAreDistinguished) {
    std::array<char, 64> into{};
    ASSERT_EQ(meet().step, TlsStep::done);
    SSL_shutdown(client_.get());
    EXPECT_EQ(session_->read(into).step, TlsStep::closed);
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(client_reads(), "");  // reads the ticket: unread bytes would turn the FIN into a reset
    client_.reset();
    there_.reset();
    EXPECT_EQ(session_->read(into).step, TlsStep::truncated);
    EXPECT_EQ(session_->read(into).step, TlsStep::truncated) << "once more";
}

TEST_F(TlsSessionTest, TheFarewellIsACloseNotify) {
    ASSERT_EQ(meet().step, TlsStep::done);
    session_->farewell();
    char byte = 0;
    EXPECT_EQ(SSL_get_error(client_.get(), SSL_read(client_.get(), &byte, 1)), SSL_ERROR_ZERO_RETURN);
}

TEST_F(TlsSessionTest, ARecordThatWasTamperedWithEndsIt) {
    ASSERT_EQ(meet().step, TlsStep::done);
    const std::array<unsigned char, 9> record{0x17, 3, 3, 0, 4, 1, 2, 3, 4};
    ASSERT_EQ(::send(there_.get(), record.data(), record.size(), 0), 9);
    std::array<char, 64> into{};
    EXPECT_EQ(session_->read(into).step, TlsStep::failed);
}

TEST_F(TlsSessionTest, AWriteThatFindsNoRoomIsTakenUpAgainFromAnotherPlace) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::string sent;
    for (int i = 0; i < 400'000; ++i) sent.push_back(static_cast<char>('a' + i % 26));
    std::string received;
    std::size_t done = 0;
    bool waited = false;
    while (done < sent.size()) {
        const TlsOutcome outcome = session_->write(std::string(sent, done));  // another copy for each call
        waited = waited || outcome.step == TlsStep::want_write;
        ASSERT_THAT(outcome.step, AnyOf(TlsStep::done, TlsStep::want_write));
        done += outcome.bytes;
        if (outcome.step == TlsStep::want_write) received += client_reads();
    }
    while (received.size() < sent.size()) {
        const std::string more = client_reads();
        ASSERT_FALSE(more.empty());
        received += more;
    }
    EXPECT_TRUE(waited);
    EXPECT_EQ(received, sent);
}

TEST_F(TlsSessionTest, APeerThatHasGoneRaisesNoSignal) {
    ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
    ASSERT_EQ(meet().step, TlsStep::done);
    client_.reset();
    there_.reset();
    const TlsOutcome outcome = session_->write("down");
    EXPECT_EQ(outcome.step, TlsStep::broken);
    EXPECT_EQ(outcome.error, EPIPE);
}

TEST_F(TlsSessionTest, ADevicesCertificateGivesItsId) {
    request_certificates();
    show(device_);
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->device_id(), "device-1");
}

TEST_F(TlsSessionTest, WithoutACertificateOnlyTheOptionalComeIn) {
    request_certificates();
    EXPECT_THAT(meet().detail, HasSubstr("sent no certificate"));
    request_certificates(TlsClient::optional);
    context_.reset();
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->device_id(), "");
}

TEST_F(TlsSessionTest, OptionalIsNoExcuseForABadCertificate) {
    request_certificates(TlsClient::optional);
    show(own_);
    EXPECT_EQ(meet().step, TlsStep::failed);
}

TEST_F(TlsSessionTest, ARevokedDeviceIsRefused) {
    request_certificates();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {&device_}));
    show(device_);
    EXPECT_EQ(meet().detail, "certificate revoked");
    context_.reset();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}));
    EXPECT_EQ(meet().step, TlsStep::done);
}

TEST_F(TlsSessionTest, AnExpiredRevocationListRejectsAll) {
    request_certificates();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, -86'400));
    show(device_);
    EXPECT_EQ(meet().detail, "CRL has expired");
}

TEST_F(TlsSessionTest, AnExpiredDeviceIsRefused) {
    request_certificates();
    show(make_certificate({.common_names = {"device-1"}, .issuer = &authority_, .from_days = -9, .to_days = -2}));
    EXPECT_EQ(meet().detail, "certificate has expired");
}

TEST_F(TlsSessionTest, AnUnlistedIdIsRejectedByAnAlert) {
    request_certificates();
    config_.ids_file = folder_.text("ids", "device-2\n");
    show(device_);
    EXPECT_THAT(meet().detail, HasSubstr("not in ids_file"));
    char byte = 0;
    ERR_clear_error();
    EXPECT_LE(SSL_read(client_.get(), &byte, 1), 0);
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
}

/// Keeps the ticket that the gateway sends.
class TicketTest : public TlsSessionTest {
protected:
    using SessionPtr = std::unique_ptr<SSL_SESSION, FreeBy<SSL_SESSION_free>>;

    SessionPtr get_ticket() {
        EXPECT_EQ(meet().step, TlsStep::done);
        EXPECT_EQ(session_->write("x").bytes, 1U);
        client_reads();  // receives the ticket first
        SessionPtr kept(SSL_get1_session(client_.get()));
        SSL_shutdown(client_.get());
        return kept;
    }
    SessionPtr get_ticket(int version) {
        SSL_CTX_set_max_proto_version(client_ctx_.get(), version);
        return get_ticket();
    }
    /// Completes a handshake. Returns true if it resumed by the ticket, and false if it was a full one.
    bool is_taken(const SessionPtr& ticket) {
        connect(ticket.get());
        EXPECT_EQ(shake_hands().step, TlsStep::done);
        return session_->facts().resumed;
    }
};

TEST_F(TicketTest, ATicketResumesTheSessionWithItsId) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        request_certificates();
        show(device_);
        const SessionPtr ticket = get_ticket(version);
        EXPECT_TRUE(is_taken(ticket)) << version;
        EXPECT_EQ(session_->device_id(), "device-1");
    }
}

TEST_F(TicketTest, ATicketEndsWithTheRulesThatItWasGivenUnder) {
    request_certificates();
    show(device_);
    const SessionPtr ticket = get_ticket();
    config_.ids_file = folder_.text("ids", "device-2\n");
    load();
    connect(ticket.get());
    EXPECT_THAT(shake_hands().detail, HasSubstr("not in ids_file"));
}

/// A full handshake then checks the list, and rejects clients of a list that is due.
TEST_F(TicketTest, ATicketIsNotTakenOnceTheRevocationListIsDue) {  // the clock begins an hour ahead
    clock_.advance(std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().wall().time_since_epoch()));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, 5'400));
        request_certificates();
        show(device_);
        const SessionPtr ticket = get_ticket(version);
        EXPECT_TRUE(is_taken(ticket)) << version;
        clock_.advance(std::chrono::minutes(31));
        EXPECT_FALSE(is_taken(ticket)) << version;
        clock_.advance(-std::chrono::minutes(31));
    }
}

TEST_F(TicketTest, ATicketIsGoodForADayAndRenewedOnTheWay) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        load();
        const SessionPtr ticket = get_ticket(version);
        clock_.advance(std::chrono::hours(13));
        EXPECT_TRUE(is_taken(ticket)) << version;
        EXPECT_EQ(session_->write("x").bytes, 1U);
        client_reads();
        const SessionPtr renewed(SSL_get1_session(client_.get()));
        SSL_shutdown(client_.get());
        clock_.advance(std::chrono::hours(11));
        EXPECT_FALSE(is_taken(ticket)) << version;
        EXPECT_TRUE(is_taken(renewed)) << version;
    }
}

/// Returns the objection of a reload's rules to an open session.
class ObjectionTest : public TicketTest {
protected:
    ObjectionTest() {
        request_certificates();
        config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}));
        show(device_);
    }
    std::string objection() {
        load();
        EXPECT_FALSE(session_->follows(*context_));
        return std::string(session_->objection_of(*context_));
    }
};

TEST_F(ObjectionTest, RulesThatLetItInSayNothing) {
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_TRUE(session_->follows(*context_));
    EXPECT_EQ(objection(), "");
    config_.ids_file = folder_.text("ids", "device-1\n");
    EXPECT_EQ(objection(), "");
    request_certificates(TlsClient::off);
    EXPECT_EQ(objection(), "");
}

TEST_F(ObjectionTest, EveryRuleIsLookedAt) {
    ASSERT_EQ(meet().step, TlsStep::done);
    const TlsConfig before = config_;
    config_.client_crl = folder_.crl("revoked.crl", make_crl(authority_, {&device_}));
    EXPECT_EQ(objection(), "certificate revoked");
    config_.client_crl = folder_.crl("revoked.crl", make_crl(authority_, {&device_}, -86'400));
    EXPECT_EQ(objection(), "certificate revoked");
    config_ = before;
    config_.ids_file = folder_.text("ids", "device-2\n");
    EXPECT_THAT(objection(), HasSubstr("not in ids_file"));
    config_ = before;
    config_.id = TlsId::san_dns;
    EXPECT_THAT(objection(), HasSubstr("no name of the kind"));
    config_ = before;
    const MadeCertificate other = make_certificate({.common_names = {"other"}, .authority = true});
    config_.client_ca = folder_.certificates("other.crt", {&other});
    config_.client_crl = {};
    EXPECT_THAT(objection(), HasSubstr("issuer"));
}

/// The list is overdue by neglect. A reload for another reason must not end all connections.
TEST_F(ObjectionTest, AnExpiredListClosesOnlyRevokedConnections) {
    ASSERT_EQ(meet().step, TlsStep::done);
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, -86'400));
    EXPECT_EQ(objection(), "");
}

TEST_F(ObjectionTest, WithoutACertificateOnlyTheOptionalMayStay) {
    request_certificates(TlsClient::optional);
    SSL_CTX_free(client_ctx_.release());
    client_ctx_.reset(SSL_CTX_new(TLS_client_method()));
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(objection(), "");
    request_certificates(TlsClient::required);
    EXPECT_THAT(objection(), HasSubstr("no certificate"));
}

TEST_F(ObjectionTest, AResumedSessionHasItsCertificateStill) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SSL_CTX_set_max_proto_version(client_ctx_.get(), version);
        const SessionPtr ticket = get_ticket();
        connect(ticket.get());
        ASSERT_EQ(shake_hands().step, TlsStep::done);
        ASSERT_TRUE(session_->facts().resumed);
        config_.ids_file = folder_.text("ids", "device-1\n");
        EXPECT_EQ(objection(), "");
        config_.ids_file = folder_.text("ids", "device-2\n");
        EXPECT_THAT(objection(), HasSubstr("not in ids_file"));
        config_.ids_file = {};
        load();
    }
}

TEST_F(TicketTest, EarlyDataIsNotTaken) {
    const SessionPtr ticket = get_ticket();
    EXPECT_EQ(SSL_SESSION_get_max_early_data(ticket.get()), 0U);
}

}  // namespace
}  // namespace holdfast
