#include <sys/socket.h>

#include <cerrno>

#include "load/fleet.h"

namespace holdfast {

namespace {

/// Maps to the results of recv(2) and send(2); a failure of TLS itself is EPROTO.
ssize_t as_socket(const TlsOutcome& outcome) {
    switch (outcome.step) {
        case TlsStep::done:
            return static_cast<ssize_t>(outcome.bytes);
        case TlsStep::closed:
        case TlsStep::truncated:
            return 0;
        case TlsStep::want_read:
        case TlsStep::want_write:
            errno = EAGAIN;
            return -1;
        case TlsStep::broken:
            errno = outcome.error;
            return -1;
        case TlsStep::failed:
            errno = EPROTO;
            return -1;
    }
    return -1;
}

}  // namespace

/// Continues the handshake. A device counts as connected after it.
void LoadFleet::shake_hands(LoadDevice& device) {
    const TlsOutcome outcome = device.tls->handshake();
    if (outcome.step == TlsStep::done) return connected(device);
    const ssize_t result = as_socket(outcome);
    if (result < 0 && errno == EAGAIN) return;
    connect_failed(device, result == 0 ? ECONNRESET : errno);
}

ssize_t LoadFleet::get(LoadDevice& device) {
    if (device.tls) return as_socket(device.tls->read(landing_));
    return ::recv(device.fd.get(), landing_.data(), landing_.size(), 0);
}

/// Writes bytes. An incomplete TLS write must be repeated with the same bytes first.
ssize_t LoadFleet::put(LoadDevice& device, std::string_view bytes) {
    if (!device.tls) return ::send(device.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::size_t taken = 0;
    while (taken < bytes.size()) {
        const ssize_t sent = as_socket(device.tls->write(bytes.substr(taken)));
        if (sent < 0) return taken > 0 && errno == EAGAIN ? static_cast<ssize_t>(taken) : -1;
        taken += static_cast<std::size_t>(sent);
    }
    return static_cast<ssize_t>(taken);
}

}  // namespace holdfast
