#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "tls/tls_session.h"

namespace holdfast {

/// A client's socket, which does not block, plain or under TLS. The handshake is part of the first read. Owns the
/// session, not the descriptor; one thread at a time.
class TlsStream {
public:
    /// `tls` is a session on `socket`, or null.
    TlsStream(int socket, std::unique_ptr<TlsSession> tls) : socket_(socket), tls_(std::move(tls)) {}

    /// Sent bytes, or what poll(2) must report before another try; neither: the connection has ended.
    struct Step {
        std::size_t bytes = 0;
        short wait_for = 0;
    };
    [[nodiscard]] Step read(char* to, std::size_t size);
    /// Encrypts and sends bytes. After wait_for, the next call must begin with the same bytes.
    [[nodiscard]] Step write(std::string_view bytes);
    void end_writing();

private:
    int socket_;
    std::unique_ptr<TlsSession> tls_;
    bool open_ = false;  // the handshake is complete
};

}  // namespace holdfast
