#include "conn/preamble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_certificates.h"
#include "testing/shard_rig.h"
#include "tls/tls_context.h"

#include <openssl/ssl.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view header = "PROXY TCP4 198.51.100.7 192.0.2.9 4000 7000\r\n";

class PreambleTest : public testing::Test {
protected:
    PreambleTest() : rig_({.max_connections = 100, .max_unfinished = 4'096, .policies = {proxied()}}) {}
    static ListenerPolicy proxied() {
        ListenerPolicy policy = ShardRig::policy();
        policy.proxy_protocol = ProxyProtocol::v1;
        policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
        return policy;
    }
    ShardRig rig_;
};

TEST_F(PreambleTest, TheHandlerKnowsOfAConnectionOnceItsHeaderIsThere) {
    const int fd = rig_.connect();
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    EXPECT_EQ(rig_.find(fd)->stage, Stage::preamble);
    EXPECT_EQ(rig_.counters().opening.get(), 1U);
    rig_.kernel.send(fd, header.substr(0, 20));
    rig_.turn();
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    rig_.kernel.send(fd, std::string(header.substr(20)) + "item\n");
    rig_.turn();
    EXPECT_EQ(rig_.handler.opened.size(), 1U);
    EXPECT_THAT(rig_.handler.items, ElementsAre("item"));
    EXPECT_EQ(rig_.find(fd)->stage, Stage::unidentified);
    EXPECT_EQ(to_string(rig_.find(fd)->peer), "198.51.100.7:4000");
    EXPECT_EQ(rig_.counters().opening.get(), 0U);
}

TEST_F(PreambleTest, WithoutAWholeHeaderTheConnectionEndsAfterFiveSeconds) {
    const int fd = rig_.connect();
    rig_.kernel.send(fd, header.substr(0, 20));
    rig_.pass(milliseconds(4'900));
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    rig_.pass(milliseconds(300));
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::proxy_header_invalid));
    EXPECT_EQ(rig_.handler.opened.size(), 1U) << "the handler learns of both";
}

TEST_F(PreambleTest, AnEndBeforeAnyByteIsAHealthCheck) {
    const int fd = rig_.connect();
    rig_.kernel.finish(fd);
    rig_.turn();
    EXPECT_TRUE(rig_.kernel.is_closed(fd));
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    EXPECT_EQ(rig_.counters().health_checks.get(), 1U);
    EXPECT_EQ(rig_.counters().connections.get(), 0U);
}

constexpr std::string_view own_header = "PROXY TCP4 192.0.2.1 192.0.2.9 1000 7000\r\n";

void expect_no_trace(ShardRig& rig, std::uint64_t checks) {
    EXPECT_THAT(rig.handler.opened, IsEmpty());
    EXPECT_THAT(rig.reasons(), IsEmpty());
    EXPECT_EQ(rig.counters().health_checks.get(), checks);
    EXPECT_EQ(rig.counters().health_checks_open.get(), 0U);
    EXPECT_EQ(rig.counters().accepted.get(), 0U);
    EXPECT_EQ(rig.counters().connections.get(), 0U);
    EXPECT_EQ(rig.counters().opening.get(), 0U);
}

TEST_F(PreambleTest, AConnectionOfTheProxyItselfIsAHealthCheckHoweverItEnds) {
    const int reset = rig_.connect();
    rig_.kernel.send(reset, own_header);
    rig_.kernel.reset(reset);
    rig_.turn();
    EXPECT_TRUE(rig_.kernel.is_closed(reset));
    const int blank = rig_.connect();
    rig_.kernel.send(blank, std::string(own_header) + "\r\n");
    rig_.turn();
    EXPECT_EQ(rig_.counters().health_checks_open.get(), 1U);
    EXPECT_EQ(rig_.counters().connections.get(), 0U) << "not of the population";
    rig_.kernel.send(blank, " \n");
    rig_.kernel.finish(blank);
    rig_.turn();
    EXPECT_TRUE(rig_.kernel.is_closed(blank));
    const int dead = rig_.connect();
    rig_.kernel.send(dead, "PROXY UNKNOWN\r\n");
    rig_.turn();
    rig_.kernel.give_up(dead, ETIMEDOUT);
    rig_.turn();
    expect_no_trace(rig_, 3);
}

TEST_F(PreambleTest, TheFirstByteOfAnItemMakesAConnectionOfAHealthCheck) {
    const int fd = rig_.connect();
    rig_.kernel.send(fd, own_header);
    rig_.pass(std::chrono::minutes(5));
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    EXPECT_FALSE(rig_.kernel.is_closed(fd)) << "no limit is configured";
    rig_.kernel.send(fd, "\n");
    rig_.turn();
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    rig_.kernel.send(fd, "\nitem\n");
    rig_.turn();
    EXPECT_EQ(rig_.handler.opened.size(), 1U);
    EXPECT_THAT(rig_.handler.items, ElementsAre("", "item"));
    EXPECT_EQ(rig_.counters().health_checks_open.get(), 0U);
    EXPECT_EQ(rig_.counters().connections.get(), 1U);
    EXPECT_EQ(rig_.counters().accepted.get(), 1U);
    EXPECT_EQ(rig_.counters().opening.get(), 0U);
    rig_.kernel.finish(fd);
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::peer_closed));
    EXPECT_EQ(rig_.counters().health_checks.get(), 0U);
}

TEST_F(PreambleTest, ADeviceOnTheProxysHostIsAConnection) {
    const int fd = rig_.connect("192.0.2.1:1000");
    rig_.kernel.send(fd, "PROXY TCP4 192.0.2.1 192.0.2.9 1001 7000\r\n");
    rig_.turn();
    EXPECT_EQ(rig_.handler.opened.size(), 1U) << "another port";
}

TEST(HealthCheck, EndsAfterReadIdle) {
    ListenerPolicy policy = ShardRig::policy();
    policy.proxy_protocol = ProxyProtocol::v1;
    policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
    policy.read_idle = std::chrono::seconds(20);
    ShardRig rig({.max_connections = 100, .max_unfinished = 4'096, .policies = {policy}});
    const int fd = rig.connect();
    rig.kernel.send(fd, own_header);
    rig.pass(std::chrono::seconds(19));
    EXPECT_FALSE(rig.kernel.is_closed(fd));
    rig.pass(std::chrono::seconds(2));
    EXPECT_TRUE(rig.kernel.is_closed(fd));
    expect_no_trace(rig, 1);
}

TEST(HealthCheck, AnEmptyFrameIsNoItem) {
    ListenerPolicy policy = ShardRig::policy();
    policy.proxy_protocol = ProxyProtocol::v1;
    policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
    for (const bool skips : {true, false}) {
        policy.blanks = skips ? Blanks::space_and_empty_frames : Blanks::space;
        ShardRig rig({.max_connections = 100, .max_unfinished = 4'096, .policies = {policy}});
        const int fd = rig.connect();
        rig.kernel.send(fd, own_header);
        rig.kernel.send(fd, {"\0\0\0\0\0\0\0\0", 8});
        rig.turn();
        EXPECT_EQ(rig.counters().health_checks_open.get(), skips ? 1U : 0U);
        EXPECT_EQ(rig.handler.opened.size(), skips ? 0U : 1U);
        rig.kernel.send(fd, {"\0\0\0\2{}", 6});
        rig.turn();
        EXPECT_EQ(rig.handler.opened.size(), 1U);
    }
}

TEST(HealthCheck, CountsForNoLimitOfAPeer) {
    ListenerPolicy policy = ShardRig::policy();
    policy.proxy_protocol = ProxyProtocol::v1;
    policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
    ShardRig rig({.max_connections = 100, .max_unfinished = 4'096, .policies = {policy}});
    LimitsConfig limits;
    limits.max_connections_per_peer = 1;
    rig.admission.set(limits, 3);
    for (const char* from : {"192.0.2.1:1000", "192.0.2.1:1001"}) {
        const int check = rig.connect(from);
        const std::string port = std::string(from).substr(10);
        rig.kernel.send(check, "PROXY TCP4 192.0.2.1 192.0.2.9 " + port + " 7000\r\n");
        rig.turn();
    }
    EXPECT_EQ(rig.counters().health_checks_open.get(), 2U);
    const int device = rig.connect("192.0.2.1:1002");
    rig.kernel.send(device, "PROXY TCP4 192.0.2.1 192.0.2.9 5000 7000\r\n");
    rig.turn();
    EXPECT_EQ(rig.handler.opened.size(), 1U);
    EXPECT_TRUE(rig.kernel.is_closed(rig.connect("192.0.2.1:1003"))) << "checks take places of max_connections";
}

TEST_F(PreambleTest, WhatIsNoHeaderEndsTheConnection) {
    const int fd = rig_.connect();
    rig_.kernel.send(fd, "{\"ip\":\"a\"}\n");
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::proxy_header_invalid));
    EXPECT_THAT(rig_.handler.items, IsEmpty());
}

TEST_F(PreambleTest, AProxyThatIsNotTrustedIsTurnedAway) {
    const int fd = rig_.connect("203.0.113.1:1000");
    EXPECT_TRUE(rig_.kernel.is_closed(fd));
    EXPECT_EQ(rig_.counters().refused[static_cast<std::size_t>(RefusedBy::untrusted_proxy)].get(), 1U);
    EXPECT_THAT(rig_.reasons(), IsEmpty());
}

TEST_F(PreambleTest, APauseOfTheGatewayDoesNotUseUpTheTime) {
    const int fd = rig_.connect();
    rig_.clock.advance(std::chrono::seconds(60));
    rig_.turn();
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    rig_.kernel.send(fd, header);
    rig_.turn();
    EXPECT_EQ(rig_.find(fd)->stage, Stage::unidentified);
}

TEST_F(PreambleTest, AHandlerMayCloseAConnectionAsItOpens) {
    rig_.handler.at_open = [this](Connection& connection) { rig_.shard.close(connection, CloseReason::kicked); };
    const int fd = rig_.connect();
    rig_.kernel.send(fd, std::string(header) + "item\n");
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::kicked));
    EXPECT_TRUE(rig_.kernel.is_closed(fd));
    EXPECT_THAT(rig_.handler.items, IsEmpty());
    EXPECT_EQ(rig_.counters().opening.get(), 0U);
    EXPECT_EQ(rig_.counters().connections.get(), 0U);
}

/// A device at the other end of a simulated socket: OpenSSL's client between two buffers.
class TlsPeer {
public:
    TlsPeer(SSL_CTX* ctx, SimulatedKernel& kernel, int fd) : kernel_(kernel), fd_(fd), ssl_(SSL_new(ctx)) {
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
    }
    /// Reads what has arrived, and answers.
    void step() {
        const std::string_view come = std::string_view(kernel_.sent(fd_)).substr(taken_);
        taken_ += come.size();
        if (!come.empty()) BIO_write(SSL_get_rbio(ssl_.get()), come.data(), static_cast<int>(come.size()));
        SSL_do_handshake(ssl_.get());
        flush();
    }
    void send(std::string_view text) {
        ASSERT_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
        flush();
    }

private:
    void flush() {
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
        if (size > 0) kernel_.send(fd_, {bytes, static_cast<std::size_t>(size)});
        static_cast<void>(BIO_reset(SSL_get_wbio(ssl_.get())));
    }

    SimulatedKernel& kernel_;
    int fd_;
    SslPtr ssl_;
    std::size_t taken_ = 0;
};

/// Certificates of a listener and a device. A member before the shard, which takes the policy.
struct TlsFiles {
    TlsFiles()
        : authority(make_certificate({.common_names = {"authority"}, .authority = true})),
          own(make_certificate({.common_names = {"gateway"}})),
          device(make_certificate({.common_names = {"d1"}, .issuer = &authority})),
          client(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_use_certificate(client.get(), device.certificate.get());
        SSL_CTX_use_PrivateKey(client.get(), device.key.get());
        TlsConfig config;
        config.certificate = folder.certificates("gateway.crt", {&own});
        config.key = folder.key("gateway.key", own);
        config.client = TlsClient::required;
        config.client_ca = folder.certificates("ca.crt", {&authority});
        policy.tls = std::get<std::shared_ptr<const TlsContext>>(TlsContext::load(config));
    }
    CertificateFolder folder;
    MadeCertificate authority;
    MadeCertificate own;
    MadeCertificate device;
    SslCtxPtr client;
    ListenerPolicy policy = ShardRig::policy();
};

class TlsPreambleTest : public testing::Test {
protected:
    TlsPreambleTest() : rig_({.max_connections = 100, .max_unfinished = 4'096, .policies = {files_.policy}}) {
        rig_.admission.set(LimitsConfig(), 100);  // else there is no room for a handshake
    }
    TlsPeer shake_hands() {
        fd_ = rig_.connect();
        TlsPeer peer(files_.client.get(), rig_.kernel, fd_);
        for (int flight = 0; flight < 4; ++flight) {
            peer.step();
            rig_.turn();
        }
        return peer;
    }

    TlsFiles files_;
    ShardRig rig_;
    int fd_ = -1;
};

TEST_F(TlsPreambleTest, TheHandlerLearnsTheIdOfTheCertificateAndGetsWhatItDeciphers) {
    TlsPeer peer = shake_hands();
    EXPECT_THAT(rig_.handler.certified, ElementsAre("d1"));
    EXPECT_EQ(rig_.handler.opened.size(), 1U);
    peer.send("item\n");
    rig_.turn();
    EXPECT_THAT(rig_.handler.items, ElementsAre("item"));
    EXPECT_GT(rig_.kernel.reads(fd_), 0) << "TLS reads by the same kernel as all else";
}

/// A TLS listener behind a proxy that checks it: LOCAL, then a handshake.
struct CheckedTls {
    CheckedTls() : rig({.max_connections = 100, .max_unfinished = 4'096, .policies = {behind_a_proxy()}}) {
        rig.admission.set(LimitsConfig(), 100);
    }
    ListenerPolicy behind_a_proxy() const {
        ListenerPolicy policy = files.policy;
        policy.proxy_protocol = ProxyProtocol::v2;
        policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
        return policy;
    }
    int begin() {
        const int fd = rig.connect();
        rig.kernel.send(fd, {"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16});
        rig.turn();
        return fd;
    }
    TlsPeer shake_hands(int fd) {
        TlsPeer peer(files.client.get(), rig.kernel, fd);
        for (int flight = 0; flight < 4; ++flight) {
            peer.step();
            rig.turn();
        }
        return peer;
    }
    TlsFiles files;
    ShardRig rig;
};

TEST(TlsCheck, AHandshakeOfTheProxyIsAHealthCheck) {
    CheckedTls checked;
    const int done = checked.begin();
    static_cast<void>(checked.shake_hands(done));
    EXPECT_EQ(checked.rig.counters().handshakes_full.get(), 1U);
    checked.rig.kernel.reset(done);
    checked.rig.turn();
    const int failed = checked.begin();
    checked.rig.kernel.send(failed, {"\x16\x03\x01\0\4abcd", 9});
    checked.rig.turn();
    checked.rig.turn();
    EXPECT_TRUE(checked.rig.kernel.is_closed(failed));
    const int blank = checked.begin();
    checked.rig.kernel.send(blank, "\r\n");
    checked.rig.turn();
    checked.rig.kernel.finish(blank);
    checked.rig.turn();
    EXPECT_TRUE(checked.rig.kernel.is_closed(blank));
    const int silent = checked.begin();
    checked.rig.pass(std::chrono::seconds(6));
    EXPECT_TRUE(checked.rig.kernel.is_closed(silent)) << "no handshake in its time";
    EXPECT_THAT(checked.rig.handler.certified, IsEmpty());
    expect_no_trace(checked.rig, 4);
}

TEST(TlsCheck, BytesThatBeginNoHandshakeMakeAConnection) {
    CheckedTls checked;
    for (const char* bytes : {"{\"ip\":\"1\"}\n", "\r\nGET / HTTP/1.1\r\n\r\n", "\x16 a record of no version"}) {
        const int fd = checked.begin();
        checked.rig.kernel.send(fd, bytes);
        checked.rig.turn();
        checked.rig.turn();
        EXPECT_TRUE(checked.rig.kernel.is_closed(fd)) << bytes;
    }
    EXPECT_THAT(checked.rig.reasons(), Each(CloseReason::tls_failed));
    EXPECT_EQ(checked.rig.handler.opened.size(), 3U);
    EXPECT_EQ(checked.rig.counters().accepted.get(), 3U);
    EXPECT_EQ(checked.rig.counters().health_checks.get(), 0U);
    EXPECT_EQ(checked.rig.counters().health_checks_open.get(), 0U);
    EXPECT_EQ(checked.rig.counters().connections.get(), 0U);
}

TEST(TlsCheck, TheFirstDecipheredByteOfAnItemMakesAConnection) {
    CheckedTls checked;
    const int fd = checked.begin();
    TlsPeer peer = checked.shake_hands(fd);
    peer.send("\r\n");
    checked.rig.turn();
    EXPECT_THAT(checked.rig.handler.opened, IsEmpty());
    checked.rig.pass(std::chrono::seconds(30));
    EXPECT_FALSE(checked.rig.kernel.is_closed(fd));
    peer.send("item\n");
    checked.rig.turn();
    EXPECT_EQ(checked.rig.handler.opened.size(), 1U);
    EXPECT_THAT(checked.rig.handler.certified, ElementsAre("d1"));
    EXPECT_THAT(checked.rig.handler.items, ElementsAre("item"));
    EXPECT_EQ(checked.rig.counters().connections.get(), 1U);
    EXPECT_EQ(checked.rig.counters().health_checks_open.get(), 0U);
}

TEST_F(TlsPreambleTest, AHandlerMayCloseAConnectionThatItsCertificateNames) {
    rig_.handler.at_certified = [this](Connection& connection) {
        rig_.shard.close(connection, CloseReason::superseded, "a newer one is there");
    };
    static_cast<void>(shake_hands());
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::superseded));
    EXPECT_EQ(rig_.handler.opened.size(), 1U) << "the handler learns of both";
    EXPECT_TRUE(rig_.kernel.is_closed(fd_));
    EXPECT_EQ(rig_.counters().opening.get(), 0U);
    EXPECT_EQ(rig_.counters().handshakes.get(), 0U);
    EXPECT_EQ(rig_.counters().connections.get(), 0U);
    EXPECT_EQ(rig_.counters().accepted.get(), 1U);
}

TEST_F(TlsPreambleTest, AHandshakeThatCannotBeginInTimeIsCountedUnderItsOwnName) {
    std::vector<int> peers(100);
    for (int& fd : peers) fd = rig_.connect();
    for (const int fd : peers) rig_.kernel.send(fd, "\x16\x03\x01");
    rig_.pass(milliseconds(2'000));  // a turn begins four handshakes
    const auto refused = [this](RefusedBy limit) {
        return rig_.counters().refused[static_cast<std::size_t>(limit)].get();
    };
    EXPECT_GT(refused(RefusedBy::handshake_wait), 0U);
    EXPECT_EQ(refused(RefusedBy::handshake_wait) + rig_.counters().handshakes.get(), peers.size());
    EXPECT_EQ(refused(RefusedBy::max_handshakes), 0U) << "1,024 at once were not reached";
}

TEST_F(TlsPreambleTest, AHandlerMayCloseAConnectionAsItOpens) {
    rig_.handler.at_open = [this](Connection& connection) { rig_.shard.close(connection, CloseReason::kicked); };
    static_cast<void>(shake_hands());
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::kicked));
    EXPECT_EQ(rig_.counters().connections.get(), 0U);
    EXPECT_EQ(rig_.counters().accepted.get(), 1U);
}

}  // namespace
}  // namespace holdfast
