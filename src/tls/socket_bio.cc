#include "tls/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/kernel.h"

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

}  // namespace holdfast
