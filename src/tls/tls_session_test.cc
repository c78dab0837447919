#include "tls/tls_session.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tls/made_certificates.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace holdfast {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

/// A gateway's session and a device's, on the two ends of a socket pair; the device's is OpenSSL's own.
class TlsSessionTest : public testing::Test {
protected:
    TlsSessionTest()
        : authority_(make_certificate({.common_names = {"authority"}, .authority = true})),
          own_(make_certificate({.common_names = {"gateway"}})),
          device_(make_certificate({.common_names = {"device-1"}, .issuer = &authority_})),
          client_ctx_(SSL_CTX_new(TLS_client_method())) {
        config_.certificate = folder_.certificates("gateway.crt", {&own_});
        config_.key = folder_.key("gateway.key", own_);
    }

    void ask_devices(TlsClient client = TlsClient::required) {
        config_.client = client;
        config_.client_ca = folder_.certificates("ca.crt", {&authority_});
    }
    void show(const MadeCertificate& certificate) {
        SSL_CTX_use_certificate(client_ctx_.get(), certificate.certificate.get());
        SSL_CTX_use_PrivateKey(client_ctx_.get(), certificate.key.get());
    }
    void load() {
        const auto loaded = TlsContext::load(config_, clock_);
        if (const auto* wrong = std::get_if<TlsFault>(&loaded)) FAIL() << wrong->message;
        context_ = std::get<std::shared_ptr<const TlsContext>>(loaded);
    }
    void connect(SSL_SESSION* resumed = nullptr) {
        if (!context_) load();
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        client_.reset();
        session_.reset();
        here_.reset(ends[0]);
        there_.reset(ends[1]);
        session_ = TlsSession::begin(context_, here_.get());
        client_.reset(SSL_new(client_ctx_.get()));
        SSL_set_fd(client_.get(), there_.get());
        if (resumed != nullptr) SSL_set_session(client_.get(), resumed);
    }
    /// Both sides in turn, until the gateway's has come to an end.
    TlsOutcome shake_hands() {
        for (int round = 0; round < 20; ++round) {
            if (SSL_connect(client_.get()) == 1) client_done_ = true;
            const TlsOutcome outcome = session_->handshake();
            if (outcome.step == TlsStep::done) SSL_connect(client_.get());
            if (outcome.step != TlsStep::want_read && outcome.step != TlsStep::want_write) return outcome;
        }
        return {.step = TlsStep::failed, .detail = "it takes for ever"};
    }
    TlsOutcome meet() {
        connect();
        return shake_hands();
    }
    std::string client_reads() {
        std::array<char, 40'000> into{};
        const int got = SSL_read(client_.get(), into.data(), into.size());
        return {into.data(), static_cast<std::size_t>(std::max(got, 0))};
    }

    const CertificateFolder folder_;
    const MadeCertificate authority_;
    const MadeCertificate own_;
    const MadeCertificate device_;
    SslCtxPtr client_ctx_;
    TlsConfig config_;
    ManualClock clock_;
    std::shared_ptr<const TlsContext> context_;
    UniqueFd here_;
    UniqueFd there_;
    std::unique_ptr<TlsSession> session_;
    SslPtr client_;
    bool client_done_ = false;
};

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

TEST_F(TlsSessionTest, ADeviceThatSpeaksPlainIsToldApart) {
    connect();
    ASSERT_EQ(::send(there_.get(), "{\"ip\":\"10.0.0.1\"}\n", 18, 0), 18);
    EXPECT_THAT(session_->handshake().detail, HasSubstr("probably speaks plain"));
    connect();
    ASSERT_EQ(::send(there_.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    EXPECT_THAT(session_->handshake().detail, HasSubstr("HTTP request"));
}

TEST_F(TlsSessionTest, RenegotiationIsRefusedAndTheSessionGoesOn) {
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

TEST_F(TlsSessionTest, CloseNotifyAndABareFinAreToldApart) {
    std::array<char, 64> into{};
    ASSERT_EQ(meet().step, TlsStep::done);
    SSL_shutdown(client_.get());
    EXPECT_EQ(session_->read(into).step, TlsStep::closed);
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(client_reads(), "");  // takes the ticket: what is left unread would make the FIN a reset
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

/// What the client's OpenSSL would send, so often.
void update_keys(SSL* ssl, int times) {
    for (int i = 0; i < times; ++i) {
        ASSERT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_EQ(SSL_do_handshake(ssl), 1);
    }
}

TEST_F(TlsSessionTest, KeyUpdatesWithoutDataEndIt) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::array<char, 64> into{};
    update_keys(client_.get(), 32);
    TlsOutcome outcome;
    for (int turn = 0; turn < 4; ++turn) {
        session_->begin_turn();
        outcome = session_->read(into);
        EXPECT_EQ(outcome.step, TlsStep::want_read);
    }
    EXPECT_FALSE(outcome.ran_out);
    update_keys(client_.get(), 1);
    session_->begin_turn();
    outcome = session_->read(into);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("more than 32 KeyUpdates"));
    EXPECT_EQ(session_->read(into).step, TlsStep::failed) << "once more";
}

TEST_F(TlsSessionTest, KeyUpdatesWithDataBetweenAreTaken) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::array<char, 64> into{};
    for (int round = 0; round < 10; ++round) {
        update_keys(client_.get(), 10);
        ASSERT_EQ(SSL_write(client_.get(), "x", 1), 1);
        session_->begin_turn();
        TlsOutcome outcome = session_->read(into);
        ASSERT_EQ(outcome.step, TlsStep::done) << outcome.detail;
        session_->begin_turn();
        outcome = session_->read(into);
        ASSERT_EQ(outcome.step, TlsStep::want_read) << outcome.detail;
    }
}

TEST_F(TlsSessionTest, ATurnReadsSoManyRecordsAndTheNextOneGoesOn) {
    ASSERT_EQ(meet().step, TlsStep::done);
    const int records = static_cast<int>(RecordBudget::records_per_turn) + 10;
    for (int i = 0; i < records; ++i) ASSERT_EQ(SSL_write(client_.get(), "x", 1), 1);
    std::array<char, 64> into{};
    int read = 0;
    session_->begin_turn();
    TlsOutcome outcome;
    while ((outcome = session_->read(into)).step == TlsStep::done) ++read;
    EXPECT_EQ(outcome.step, TlsStep::want_read);
    EXPECT_TRUE(outcome.ran_out);
    EXPECT_EQ(read, static_cast<int>(RecordBudget::records_per_turn));
    session_->begin_turn();
    while ((outcome = session_->read(into)).step == TlsStep::done) ++read;
    EXPECT_FALSE(outcome.ran_out);
    EXPECT_EQ(read, records);
}

TEST_F(TlsSessionTest, AClientHelloInManyTinyRecordsIsRefusedAfterSoMany) {
    connect();
    std::string bytes("\x16\x03\x01\x00\x01\x01", 6);  // a ClientHello
    for (const char* byte : {"\x01", "\xff", "\xff"})
        bytes += std::string("\x16\x03\x01\x00\x01", 5) + byte;  // of 128 KiB
    for (int i = 0; i < 1'000; ++i) bytes += std::string("\x16\x03\x01\x00\x01\x00", 6);
    ASSERT_EQ(::send(there_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    TlsOutcome outcome;
    int turns = 0;
    do {
        session_->begin_turn();
        outcome = session_->handshake();
        ++turns;
    } while (outcome.step == TlsStep::want_read && outcome.ran_out);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("in more than 512 records"));
    EXPECT_GE(turns, 16) << "a turn takes 32 at most";
}

TEST_F(TlsSessionTest, AClientHelloWithoutAnEndIsRefused) {
    connect();
    const std::string first = std::string("\x16\x03\x01\x40\x00\x01\x01\xff\xff", 9) + std::string(16'380, '\0');
    const std::string more = std::string("\x16\x03\x01\x40\x00", 5) + std::string(16'384, '\0');
    std::string bytes = first;
    for (int i = 0; i < 7; ++i) bytes += more;
    ASSERT_EQ(::send(there_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    TlsOutcome outcome;
    do {
        session_->begin_turn();
        outcome = session_->handshake();
    } while (outcome.step == TlsStep::want_read && outcome.ran_out);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("longer than 48 KiB"));
}

TEST_F(TlsSessionTest, AWriteThatFindsNoRoomIsTakenUpAgainFromAnotherPlace) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::string sent;
    for (int i = 0; i < 400'000; ++i) sent.push_back(static_cast<char>('a' + i % 26));
    std::string received;
    std::size_t done = 0;
    bool waited = false;
    while (done < sent.size()) {
        const TlsOutcome outcome = session_->write(std::string(sent, done));  // another copy each time
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
    ask_devices();
    show(device_);
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->device_id(), "device-1");
}

TEST_F(TlsSessionTest, WithoutACertificateOnlyTheOptionalComeIn) {
    ask_devices();
    EXPECT_THAT(meet().detail, HasSubstr("showed no certificate"));
    ask_devices(TlsClient::optional);
    context_.reset();
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(session_->device_id(), "");
}

TEST_F(TlsSessionTest, OptionalIsNoExcuseForABadCertificate) {
    ask_devices(TlsClient::optional);
    show(own_);
    EXPECT_EQ(meet().step, TlsStep::failed);
}

TEST_F(TlsSessionTest, ARevokedDeviceIsRefused) {
    ask_devices();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {&device_}));
    show(device_);
    EXPECT_EQ(meet().detail, "certificate revoked");
    context_.reset();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}));
    EXPECT_EQ(meet().step, TlsStep::done);
}

TEST_F(TlsSessionTest, AnOldRevocationListLetsNobodyIn) {
    ask_devices();
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, -86'400));
    show(device_);
    EXPECT_EQ(meet().detail, "CRL has expired");
}

TEST_F(TlsSessionTest, AnExpiredDeviceIsRefused) {
    ask_devices();
    show(make_certificate({.common_names = {"device-1"}, .issuer = &authority_, .from_days = -9, .to_days = -2}));
    EXPECT_EQ(meet().detail, "certificate has expired");
}

TEST_F(TlsSessionTest, WhoIsNotOnTheListIsToldSoByAnAlert) {
    ask_devices();
    config_.ids_file = folder_.text("ids", "device-2\n");
    show(device_);
    EXPECT_THAT(meet().detail, HasSubstr("not in ids_file"));
    char byte = 0;
    ERR_clear_error();
    EXPECT_LE(SSL_read(client_.get(), &byte, 1), 0);
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
}

/// Keeps the ticket that the gateway gives.
class TicketTest : public TlsSessionTest {
protected:
    using SessionPtr = std::unique_ptr<SSL_SESSION, FreeBy<SSL_SESSION_free>>;

    SessionPtr get_ticket() {
        EXPECT_EQ(meet().step, TlsStep::done);
        EXPECT_EQ(session_->write("x").bytes, 1U);
        client_reads();  // with the ticket in front
        SessionPtr kept(SSL_get1_session(client_.get()));
        SSL_shutdown(client_.get());
        return kept;
    }
    SessionPtr get_ticket(int version) {
        SSL_CTX_set_max_proto_version(client_ctx_.get(), version);
        return get_ticket();
    }
    /// The handshake comes about, by the ticket or as a whole: whether by the ticket.
    bool is_taken(const SessionPtr& ticket) {
        connect(ticket.get());
        EXPECT_EQ(shake_hands().step, TlsStep::done);
        return session_->facts().resumed;
    }
};

TEST_F(TicketTest, ATicketResumesTheSessionWithItsId) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ask_devices();
        show(device_);
        const SessionPtr ticket = get_ticket(version);
        EXPECT_TRUE(is_taken(ticket)) << version;
        EXPECT_EQ(session_->device_id(), "device-1");
    }
}

TEST_F(TicketTest, ATicketEndsWithTheRulesThatItWasGivenUnder) {
    ask_devices();
    show(device_);
    const SessionPtr ticket = get_ticket();
    config_.ids_file = folder_.text("ids", "device-2\n");
    load();
    connect(ticket.get());
    EXPECT_THAT(shake_hands().detail, HasSubstr("not in ids_file"));
}

/// So that a whole handshake looks at the list, and lets nobody in by one that is due.
TEST_F(TicketTest, ATicketIsNotTakenOnceTheRevocationListIsDue) {  // the clock begins an hour ahead
    clock_.advance(std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().wall().time_since_epoch()));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, 5'400));
        ask_devices();
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

/// What a reload's rules say of a session that is open.
class ObjectionTest : public TicketTest {
protected:
    ObjectionTest() {
        ask_devices();
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
    ask_devices(TlsClient::off);
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

/// It was forgotten: a reload for another reason must not end the whole fleet.
TEST_F(ObjectionTest, AListThatIsDueTurnsNobodyOutWhoIsNotOnIt) {
    ASSERT_EQ(meet().step, TlsStep::done);
    config_.client_crl = folder_.crl("ca.crl", make_crl(authority_, {}, -86'400));
    EXPECT_EQ(objection(), "");
}

TEST_F(ObjectionTest, WithoutACertificateOnlyTheOptionalMayStay) {
    ask_devices(TlsClient::optional);
    SSL_CTX_free(client_ctx_.release());
    client_ctx_.reset(SSL_CTX_new(TLS_client_method()));
    ASSERT_EQ(meet().step, TlsStep::done);
    EXPECT_EQ(objection(), "");
    ask_devices(TlsClient::required);
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
