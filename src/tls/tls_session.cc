#include "tls/tls_session.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/kernel.h"

#include <openssl/err.h>

namespace holdfast {
namespace {

int send_without_signal(BIO* bio, const char* bytes, int size) {
    int fd = -1;
    BIO_get_fd(bio, &fd);
    BIO_clear_retry_flags(bio);
    errno = 0;
    const ssize_t sent = kernel::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent <= 0 && BIO_sock_should_retry(static_cast<int>(sent)) != 0) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int read_within_budget(BIO* bio, char* into, int size) {
    auto& budget = *static_cast<RecordBudget*>(BIO_get_data(bio));
    int fd = -1;
    BIO_get_fd(bio, &fd);
    BIO_clear_retry_flags(bio);
    errno = 0;
    const std::size_t allowed = budget.allow(static_cast<std::size_t>(size));
    if (allowed == 0) {
        if (!budget.is_refused()) BIO_set_retry_read(bio);
        return -1;
    }
    const ssize_t arrived = kernel::recv(fd, into, allowed, 0);
    if (arrived > 0) budget.count_bytes(static_cast<std::size_t>(arrived));
    if (arrived == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (arrived < 0 && BIO_sock_should_retry(-1) != 0) BIO_set_retry_read(bio);
    return static_cast<int>(arrived);
}

/// Returns nullptr if memory is exhausted.
const BIO_METHOD* make_method() {
    const BIO_METHOD* socket = BIO_s_socket();
    BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOCKET, "socket without signals");
    if (method == nullptr) return nullptr;
    // The setters only store a pointer.
    BIO_meth_set_write(method, send_without_signal);
    BIO_meth_set_read(method, read_within_budget);
    BIO_meth_set_puts(method, BIO_meth_get_puts(socket));
    BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(socket));
    BIO_meth_set_create(method, BIO_meth_get_create(socket));
    BIO_meth_set_destroy(method, BIO_meth_get_destroy(socket));
    return method;
}

/// Returns the method, created once for the program's life. A context is loaded only if it is not nullptr.
const BIO_METHOD* socket_method() noexcept {
    static const BIO_METHOD* const method = make_method();
    return method;
}

}  // namespace

bool has_socket_bio() noexcept { return socket_method() != nullptr; }

BIO* new_socket_bio(int fd, RecordBudget& budget) noexcept {
    const BIO_METHOD* const method = socket_method();
    BIO* bio = method == nullptr ? nullptr : BIO_new(method);
    if (bio == nullptr) return nullptr;
    BIO_set_fd(bio, fd, BIO_NOCLOSE);
    BIO_set_data(bio, &budget);
    return bio;
}

namespace {

struct Explanation {
    int reason;
    std::string_view text;
};

// Explains frequent failures in terms of what to check; OpenSSL's own words serve for the rest.
constexpr Explanation explanations[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the received bytes are not TLS; the device probably uses plain TCP"},
    {SSL_R_HTTP_REQUEST, "the received bytes are an HTTP request, not TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the device offers no TLS newer than 1.1"},
    {SSL_R_NO_SHARED_CIPHER, "the device and the gateway have no cipher in common"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the device sent no certificate, and tls_client is \"required\""},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the device does not know the authority of the gateway's certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the device reports that the gateway's certificate has expired"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the device does not accept the gateway's certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the device does not accept the gateway's certificate"},
};

/// Counts every record header and handshake message that OpenSSL read. A callback of SSL_CTX_set_msg_callback(3).
void count_message(int written, int, int type, const void* bytes, std::size_t size, SSL*, void* to) {
    auto& budget = *static_cast<RecordBudget*>(to);
    if (written != 0) return;
    if (type == SSL3_RT_HEADER) return budget.count_record();
    if (type != SSL3_RT_HANDSHAKE || size == 0) return;
    const auto message = *static_cast<const unsigned char*>(bytes);
    if (message == SSL3_MT_CLIENT_HELLO) budget.count_client_hello();
    if (message == SSL3_MT_KEY_UPDATE) budget.count_key_update();
}

}  // namespace

std::unique_ptr<TlsSession> TlsSession::begin(std::shared_ptr<const TlsContext> context, int fd) noexcept {
    ERR_clear_error();
    SslPtr ssl(SSL_new(context->get()));
    if (!ssl) return nullptr;
    std::unique_ptr<TlsSession> made(new (std::nothrow) TlsSession(std::move(ssl), std::move(context)));
    BIO* bio = made ? new_socket_bio(fd, made->budget_) : nullptr;
    if (bio == nullptr) return nullptr;
    SSL* const own = made->ssl_.get();
    SSL_set_bio(own, bio, bio);
    SSL_set_msg_callback(own, count_message);
    SSL_set_msg_callback_arg(own, &made->budget_);
    const bool serves = made->context_->serves();
    serves ? SSL_set_accept_state(own) : SSL_set_connect_state(own);
    if (!serves) made->budget_.lift();
    return made;
}

TlsOutcome TlsSession::handshake() noexcept {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) return classify(result);
    budget_.end_handshake();
    memory_ = SSL_get0_peer_certificate(ssl_.get()) == nullptr ? memory_open : memory_certified;
    return SSL_session_reused(ssl_.get()) == 1 && context_->serves() ? check_resumed() : TlsOutcome{TlsStep::done};
}

/// Checks the certificate of a resumed session. A ticket stands for a certificate that was valid when the ticket was
/// issued and was not checked since.
TlsOutcome TlsSession::check_resumed() noexcept {
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return {TlsStep::done};
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        return {.step = TlsStep::failed, .detail = "certificate has expired"};
    }
    return {TlsStep::done};
}

TlsOutcome TlsSession::read(std::span<char> into) noexcept { return read_by(SSL_read_ex, into); }

TlsOutcome TlsSession::peek(std::span<char> into) noexcept { return read_by(SSL_peek_ex, into); }

TlsOutcome TlsSession::read_by(Reader* reader, std::span<char> into) noexcept {
    if (read_end_.step != TlsStep::done) return read_end_;
    ERR_clear_error();
    std::size_t bytes = 0;
    const int result = reader(ssl_.get(), into.data(), into.size(), &bytes);
    if (result == 1) {
        budget_.count_data();
        return {.step = TlsStep::done, .bytes = bytes};
    }
    const TlsOutcome outcome = classify(result);
    if (outcome.step != TlsStep::want_read && outcome.step != TlsStep::want_write) read_end_ = outcome;
    return outcome;
}

TlsOutcome TlsSession::write(std::string_view bytes) noexcept {
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
    if (result != 1) return classify(result);
    budget_.count_data();
    return {.step = TlsStep::done, .bytes = written};
}

void TlsSession::farewell() noexcept {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) == 1) static_cast<void>(SSL_shutdown(ssl_.get()));
    ERR_clear_error();
}

TlsOutcome TlsSession::classify(int result) noexcept {
    const int error = errno;
    if (budget_.is_refused()) return {.step = TlsStep::failed, .detail = budget_.refusal()};
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return {.step = TlsStep::want_read, .ran_out = budget_.ran_out()};
        case SSL_ERROR_WANT_WRITE:
            return {TlsStep::want_write};
        case SSL_ERROR_ZERO_RETURN:
            return {TlsStep::closed};
        case SSL_ERROR_SYSCALL:
            return {.step = TlsStep::broken, .error = error};
        case SSL_ERROR_SSL:
            if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {TlsStep::truncated};
            return {.step = TlsStep::failed, .detail = why_failed()};
        default:
            return {.step = TlsStep::failed, .detail = "OpenSSL requested an unsupported operation"};
    }
}

std::string_view TlsSession::why_failed() const noexcept {
    if (const auto* refusal = static_cast<const char*>(SSL_get_app_data(ssl_.get()))) return refusal;
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
        if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            return X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()));
        }
        for (const Explanation& each : explanations) {
            if (each.reason == reason) return each.text;
        }
    }
    const char* text = ERR_reason_error_string(error);
    return text == nullptr ? "the TLS library gives no reason" : text;
}

TlsFacts TlsSession::facts() const noexcept {
    return {.version = SSL_get_version(ssl_.get()),
            .cipher = SSL_get_cipher_name(ssl_.get()),
            .resumed = SSL_session_reused(ssl_.get()) == 1};
}

std::string_view TlsSession::objection_of(const TlsContext& rules) const {
    return rules.objection_to(SSL_get0_peer_certificate(ssl_.get()), SSL_get_peer_cert_chain(ssl_.get()), device_id());
}

std::size_t TlsSession::decrypted_unread() const noexcept {
    const int bytes = SSL_pending(ssl_.get());
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::string TlsSession::device_id() const {
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    return certificate == nullptr ? std::string() : context_->classify(*certificate).id;
}

}  // namespace holdfast
