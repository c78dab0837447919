#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/unique_fd.h"
#include "tls/tls_session.h"

namespace holdfast {

/// An admin client's socket, which does not block, as it is or under TLS. The handshake is part of the first read.
/// Owns both; one thread at a time; the destructor closes.
class TlsStream {
public:
    explicit TlsStream(UniqueFd socket) : socket_(std::move(socket)) {}
    /// `tls` is a session on `socket`.
    TlsStream(UniqueFd socket, std::unique_ptr<TlsSession> tls) : socket_(std::move(socket)), tls_(std::move(tls)) {}

    /// Bytes that went, or else what poll(2) has to report before it is worth another try; neither: it is over.
    struct Step {
        std::size_t bytes = 0;
        short wait_for = 0;
    };
    [[nodiscard]] Step read(char* to, std::size_t size);
    [[nodiscard]] Step write(std::string_view bytes);
    /// Nothing more will be written.
    void end_writing();

    [[nodiscard]] int socket() const noexcept { return socket_.get(); }

private:
    UniqueFd socket_;
    std::unique_ptr<TlsSession> tls_;
    bool shaken_ = false;  // hands, with tls_
};

}  // namespace holdfast
