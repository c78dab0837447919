#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "testing/made_certificates.h"
#include "testing/manual_clock.h"
#include "tls/tls_session.h"

#include <openssl/ssl.h>

namespace holdfast {

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

    void request_certificates(TlsClient client = TlsClient::required) {
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
    /// Runs both sides in turn, until the gateway's has ended.
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

}  // namespace holdfast
