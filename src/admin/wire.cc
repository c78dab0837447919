#include "admin/wire.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <openssl/err.h>

namespace holdfast {
namespace {

int whole(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max())); }

Wire::Step plain_step(ssize_t result, short events) {
    if (result > 0) return {static_cast<std::size_t>(result), 0};
    const bool later = result < 0 && (errno == EAGAIN || errno == EINTR);
    return {0, later ? events : short{0}};
}

}  // namespace

Wire::Wire(UniqueFd socket, SslHandle tls) : socket_(std::move(socket)), tls_(std::move(tls)) {
    if (tls_ && ::SSL_set_fd(tls_.get(), socket_.get()) != 1) broken_ = true;
    if (tls_) ::SSL_set_accept_state(tls_.get());
}

Wire::Step Wire::read(char* to, std::size_t size) {
    if (!tls_) return plain_step(::recv(socket_.get(), to, size, MSG_DONTWAIT), POLLIN);
    if (broken_) return {};
    ::ERR_clear_error();
    return after(::SSL_read(tls_.get(), to, whole(size)));
}

Wire::Step Wire::write(const char* from, std::size_t size) {
    if (!tls_) return plain_step(::send(socket_.get(), from, size, MSG_NOSIGNAL | MSG_DONTWAIT), POLLOUT);
    if (broken_) return {};
    ::ERR_clear_error();
    return after(::SSL_write(tls_.get(), from, whole(size)));
}

void Wire::end_writing() {
    ::ERR_clear_error();
    if (tls_ && !broken_ && ::SSL_is_init_finished(tls_.get()) == 1) ::SSL_shutdown(tls_.get());
    ::shutdown(socket_.get(), SHUT_WR);
}

Wire::Step Wire::after(int result) {
    if (result > 0) return {static_cast<std::size_t>(result), 0};
    switch (::SSL_get_error(tls_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return {0, POLLIN};
        case SSL_ERROR_WANT_WRITE:
            return {0, POLLOUT};
        case SSL_ERROR_ZERO_RETURN:
            return {};
        default:
            broken_ = true;
            return {};
    }
}

}  // namespace holdfast
