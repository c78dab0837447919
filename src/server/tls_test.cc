// Tests of devices over TLS, in one process with the public Server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/durable_log.h"
#include "testing/gateway.h"
#include "testing/made_certificates.h"
#include "tls/tls_session.h"

#include <openssl/ssl.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// The device's end: OpenSSL's client on a blocking socket.
class TlsDevice {
public:
    TlsDevice(const Endpoint& gateway, SSL_CTX* ctx, int receive_bytes = 0) : ssl_(SSL_new(ctx)) {
        const SocketAddress name = to_socket_address(gateway);
        socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (receive_bytes > 0) ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
        EXPECT_EQ(::connect(socket_.get(), name.get(), name.length), 0);
        local_ = local_endpoint(socket_.get()).value();
        SSL_set_fd(ssl_.get(), socket_.get());
        EXPECT_EQ(SSL_connect(ssl_.get()), 1);
    }

    [[nodiscard]] Endpoint local() const { return local_; }
    void send(const std::string& text) {
        EXPECT_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
    }
    /// Returns the next line without its line end, or an empty text if the gateway ends the connection.
    [[nodiscard]] std::string line() {
        for (;;) {
            if (const auto end = received_.find('\n'); end != std::string::npos) {
                const std::string line = received_.substr(0, end);
                received_.erase(0, end + 1);
                return line;
            }
            std::array<char, 16'384> bytes;
            const int got = SSL_read(ssl_.get(), bytes.data(), bytes.size());
            if (got <= 0) return "";
            received_.append(bytes.data(), static_cast<std::size_t>(got));
        }
    }

private:
    UniqueFd socket_;
    SslPtr ssl_;
    Endpoint local_;
    std::string received_;
};

class TlsServer : public testing::Test {
protected:
    TlsServer()
        : authority_(make_certificate({.common_names = {"authority"}, .authority = true})),
          own_(make_certificate({.common_names = {"gateway"}})),
          device_(make_certificate({.common_names = {"d1"}, .issuer = &authority_})),
          ctx_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_use_certificate(ctx_.get(), device_.certificate.get());
        SSL_CTX_use_PrivateKey(ctx_.get(), device_.key.get());
        config_.reactors = 2;
        config_.listeners[0].address = "127.0.0.1:0";
        config_.listeners[0].tls = {.certificate = folder_.certificates("gateway.crt", {&own_}),
                                    .key = folder_.key("gateway.key", own_),
                                    .client = TlsClient::optional,
                                    .client_ca = folder_.certificates("ca.crt", {&authority_}),
                                    .client_crl = {},
                                    .id = TlsId::cn,
                                    .ids_file = {}};
    }

    const CertificateFolder folder_;
    const MadeCertificate authority_;
    const MadeCertificate own_;
    const MadeCertificate device_;
    SslCtxPtr ctx_;
    ServerConfig config_;
};

TEST_F(TlsServer, ItemsInRecordsOfAllSizes) {
    TestGateway gateway(config_);
    TlsDevice device(gateway.bound("devices"), ctx_.get());
    for (const char byte : std::string("{\"ip\":\"byte by byte\"}\n")) device.send({byte});
    std::string many;
    for (int i = 0; i < 20'000; ++i) many += "{\"ip\":\"10.0.0." + std::to_string(i) + "\"}\n";
    device.send(many + "{\"ip\":\"last\"}\n");
    EXPECT_EQ(gateway.events().listener_of("last"), "devices");
    EXPECT_EQ(gateway.status("devices").items, 20'002U);
}

TEST_F(TlsServer, ADeviceThatReadsLateGetsEveryByte) {
    TestGateway gateway(config_);
    TlsDevice device(gateway.bound("devices"), ctx_.get(), 4'096);
    device.send("{\"ip\":\"here\"}\n");
    EXPECT_EQ(gateway.events().listener_of("here"), "devices");
    const ConnectionId id = gateway.server().list({}).rows.at(0).conn;
    std::vector<std::string> sent;
    for (SendOutcome outcome = SendOutcome::queued; outcome == SendOutcome::queued;) {
        const std::string item =
            "{\"n\":" + std::to_string(sent.size()) + ",\"pad\":\"" + std::string(30'000, 'x') + "\"}";
        outcome = gateway.server().send(id, item);
        if (outcome == SendOutcome::queued) sent.push_back(item);
        ASSERT_NE(outcome, SendOutcome::no_such_connection);
    }
    ASSERT_GT(sent.size(), 2U);
    for (const std::string& item : sent) ASSERT_EQ(device.line(), item);
    EXPECT_EQ(gateway.server().send(id, "{\"and\":\"now\"}"), SendOutcome::queued);
    EXPECT_EQ(device.line(), "{\"and\":\"now\"}");
}

TEST_F(TlsServer, ShowsWhatWasAgreedAndEndsWithAnAlert) {
    TestGateway gateway(config_);
    TlsDevice device(gateway.bound("devices"), ctx_.get());
    device.send("{\"ip\":\"here\"}\n");
    EXPECT_EQ(gateway.events().listener_of("here"), "devices");
    const auto row = gateway.server().list({}).rows.at(0);
    EXPECT_EQ(row.id, "d1");
    EXPECT_EQ(gateway.server().show(row.conn)->tls_version, "TLSv1.3");
    EXPECT_TRUE(gateway.server().close(row.conn));
    EXPECT_EQ(device.line(), "");
    EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::kicked);
    EXPECT_EQ(gateway.status("devices").handshakes_full, 1U);
    EXPECT_EQ(gateway.status("devices").handshakes, 0U);
}

TEST_F(TlsServer, BadFilesStartNothingAndChangeNothing) {
    TestGateway gateway(config_);
    ServerConfig other = config_;
    other.listeners[0].tls.ids_file = folder_.path("nothing");
    const auto refused = gateway.server().apply(other);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("ids_file"));
    EXPECT_THAT(gateway.apply(config_).applied, ElementsAre());
    other.listeners[0].tls = {};
    EXPECT_THAT(gateway.apply(other).needs_restart, testing::Contains(HasSubstr("tls_certificate")));
    TlsDevice device(gateway.bound("devices"), ctx_.get());
}

TEST_F(TlsServer, AReloadNamesTheDayUntilWhichAnotherCertificateIsGood) {
    TestGateway gateway(config_);
    const MadeCertificate later = make_certificate({.common_names = {"gateway"}, .to_days = 60});
    ServerConfig next = config_;
    next.listeners[0].tls.certificate = folder_.certificates("later.crt", {&later});
    next.listeners[0].tls.key = folder_.key("later.key", later);
    EXPECT_THAT(gateway.apply(next).applied,
                ElementsAre(HasSubstr("tls_certificate of"), HasSubstr("tls_key of"),
                            testing::ContainsRegex("TLS files of listener \"devices\": .* valid until [0-9-]+$")));
    next.listeners[0].tls.client = TlsClient::required;
    EXPECT_THAT(gateway.apply(next).applied, ElementsAre(HasSubstr("tls_client of")));
}

TEST_F(TlsServer, AReloadClosesExactlyTheRejectedConnections) {
    TestGateway gateway(config_);
    const MadeCertificate other = make_certificate({.common_names = {"d2"}, .issuer = &authority_});
    TlsDevice revoked(gateway.bound("devices"), ctx_.get());
    revoked.send("{\"ip\":\"revoked\"}\n");
    SSL_CTX_use_certificate(ctx_.get(), other.certificate.get());
    SSL_CTX_use_PrivateKey(ctx_.get(), other.key.get());
    TlsDevice good(gateway.bound("devices"), ctx_.get());
    good.send("{\"ip\":\"good\"}\n");
    const SslCtxPtr bare(SSL_CTX_new(TLS_client_method()));
    TlsDevice without(gateway.bound("devices"), bare.get());
    without.send("{\"ip\":\"without\"}\n");
    for (const char* key : {"revoked", "good", "without"}) EXPECT_EQ(gateway.events().listener_of(key), "devices");

    ServerConfig next = config_;
    next.listeners[0].tls.client_crl = folder_.crl("ca.crl", make_crl(authority_, {&device_}));
    EXPECT_THAT(gateway.apply(next).applied, ElementsAre(HasSubstr("tls_client_crl")));
    EXPECT_EQ(revoked.line(), "");
    EXPECT_EQ(gateway.events().reason_of(revoked.local()), CloseReason::kicked);
    EXPECT_EQ(gateway.server().closed({}).at(0).detail, "certificate revoked");
    good.send("{\"ip\":\"good still\"}\n");
    without.send("{\"ip\":\"without still\"}\n");
    for (const char* key : {"good still", "without still"}) EXPECT_EQ(gateway.events().listener_of(key), "devices");

    next.listeners[0].tls.client = TlsClient::required;
    static_cast<void>(gateway.apply(next));
    EXPECT_EQ(without.line(), "");
    EXPECT_EQ(gateway.events().reason_of(without.local()), CloseReason::kicked);
    good.send("{\"ip\":\"good at last\"}\n");
    EXPECT_EQ(gateway.events().listener_of("good at last"), "devices");
}

TEST_F(TlsServer, WhatTlsHoldsCountsForTheBudget) {
    config_.limits.buffer_budget = 2U << 20;
    TestGateway gateway(config_);
    const auto held = [&] { return gateway.server().status().buffer_bytes; };
    const SslCtxPtr bare(SSL_CTX_new(TLS_client_method()));
    auto plain = std::make_unique<TlsDevice>(gateway.bound("devices"), bare.get());
    plain->send("{\"ip\":\"plain\"}\n");
    EXPECT_EQ(gateway.events().listener_of("plain"), "devices");
    EXPECT_EQ(held(), TlsSession::memory_open);
    auto certified = std::make_unique<TlsDevice>(gateway.bound("devices"), ctx_.get());
    certified->send("{\"ip\":\"certified\"}\n");
    EXPECT_EQ(gateway.events().listener_of("certified"), "devices");
    EXPECT_EQ(held(), TlsSession::memory_open + TlsSession::memory_certified);

    // Idle sessions alone reach the stages: new sessions are refused, and admitted again once there is room.
    std::vector<std::unique_ptr<TlsDevice>> many;
    while (gateway.server().status().buffer_stage < 2) {
        many.push_back(std::make_unique<TlsDevice>(gateway.bound("devices"), bare.get()));
        ASSERT_LT(many.size(), 200U);
    }
    many.clear();
    certified.reset();
    plain.reset();
    EXPECT_TRUE(gateway.until([&] { return held() == 0; })) << held();
    EXPECT_EQ(gateway.server().status().buffer_stage, 0U);
}

TEST_F(TlsServer, ACertifiedDeviceTakesItsNumbersAlong) {
    TestLog log;
    config_.listeners[0].acks = true;
    auto server = std::move(Server::start(config_, [&](unsigned) { return log.make_handler(); })).value();
    const Endpoint bound = server->status().listeners[0].bound;
    log.commit_each_turn();
    const std::string hello = "{\"hello\":{\"id\":\"d1\",\"session\":\"s1\"}}\n";
    TlsDevice first(bound, ctx_.get());
    first.send(hello + "{\"ip\":\"10.0.0.1\",\"seq\":1}\n");
    EXPECT_EQ(first.line(), "{\"resume\":0}");
    EXPECT_EQ(first.line(), "{\"ack\":1}");
    TlsDevice second(bound, ctx_.get());
    second.send(hello);
    EXPECT_EQ(second.line(), "{\"resume\":1}");
    EXPECT_EQ(first.line(), "");
    TlsDevice liar(bound, ctx_.get());
    liar.send("{\"hello\":{\"id\":\"d2\"}}\n");
    EXPECT_EQ(liar.line(), "");
}

}  // namespace
}  // namespace holdfast
