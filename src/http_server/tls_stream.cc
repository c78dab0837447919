#include "http_server/tls_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace holdfast {
namespace {

TlsStream::Step step_of(ssize_t result, short events) {
    if (result > 0) return {static_cast<std::size_t>(result), 0};
    const bool later = result < 0 && (errno == EAGAIN || errno == EINTR);
    return {0, later ? events : short{0}};
}

TlsStream::Step step_of(const TlsOutcome& outcome) {
    switch (outcome.step) {
        case TlsStep::done:
            return {outcome.bytes, 0};
        case TlsStep::want_read:
            return {0, POLLIN};
        case TlsStep::want_write:
            return {0, POLLOUT};
        case TlsStep::closed:
        case TlsStep::truncated:
        case TlsStep::broken:
        case TlsStep::failed:
            break;
    }
    return {};
}

}  // namespace

TlsStream::Step TlsStream::read(char* to, std::size_t size) {
    if (!tls_) return step_of(::recv(socket_, to, size, MSG_DONTWAIT), POLLIN);
    tls_->begin_turn();  // the caller checks its deadline between two calls
    if (!open_) {
        const TlsOutcome outcome = tls_->handshake();
        if (outcome.step != TlsStep::done) return step_of(outcome);
        open_ = true;
    }
    return step_of(tls_->read({to, size}));
}

TlsStream::Step TlsStream::write(std::string_view bytes) {
    if (!tls_) return step_of(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT), POLLOUT);
    return open_ ? step_of(tls_->write(bytes)) : Step{};
}

void TlsStream::end_writing() {
    if (open_) tls_->farewell();
    ::shutdown(socket_, SHUT_WR);
}

}  // namespace holdfast
