#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "admin/wire.h"

namespace holdfast {

/// The admin door's certificate and key. Immutable; any thread; sessions that began with it keep it alive.
class AdminTls {
public:
    /// Reads a PEM certificate chain, the server's own first, and its key. A key that others can read, or that is not
    /// the certificate's, is an error. The process must ignore SIGPIPE: OpenSSL writes as write(2) does.
    [[nodiscard]] static Result<std::shared_ptr<const AdminTls>> load(const std::string& certificate,
                                                                      const std::string& key);

    /// A session whose handshake is still to come; null when there is no memory for one.
    [[nodiscard]] SslHandle begin() const { return SslHandle(::SSL_new(context_.get())); }
    /// Whether the certificate is one for this host.
    [[nodiscard]] bool names(std::string_view host) const;

private:
    struct ContextDeleter {
        void operator()(SSL_CTX* context) const noexcept { ::SSL_CTX_free(context); }
    };
    using Context = std::unique_ptr<SSL_CTX, ContextDeleter>;

    explicit AdminTls(Context context) : context_(std::move(context)) {}

    Context context_;
};

}  // namespace holdfast
