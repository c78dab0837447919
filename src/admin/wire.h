#pragma once

#include <cstddef>
#include <memory>

#include "base/unique_fd.h"

#include <openssl/ssl.h>

namespace holdfast {

struct SslDeleter {
    void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
};
using SslHandle = std::unique_ptr<SSL, SslDeleter>;

/// An admin client's socket, which does not block, as it is or under TLS. The handshake is part of the first read or
/// write. Owns both; one thread at a time; the destructor closes.
class Wire {
public:
    explicit Wire(UniqueFd socket, SslHandle tls = nullptr);

    /// Bytes that went, or else what poll(2) has to report before it is worth another try; neither: it is over.
    struct Step {
        std::size_t bytes = 0;
        short wait_for = 0;
    };
    [[nodiscard]] Step read(char* to, std::size_t size);
    [[nodiscard]] Step write(const char* from, std::size_t size);
    /// Nothing more will be written.
    void end_writing();

    [[nodiscard]] int socket() const noexcept { return socket_.get(); }

private:
    [[nodiscard]] Step after(int result);

    UniqueFd socket_;
    SslHandle tls_;
    bool broken_ = false;  // by a TLS error: then not even the end can be said
};

}  // namespace holdfast
