#pragma once

#include <openssl/bio.h>

namespace holdfast {

/// OpenSSL's socket BIO, but that a write to a connection which has gone says EPIPE and raises no signal. Leaves `fd`
/// open. Nullptr: no memory.
[[nodiscard]] BIO* new_socket_bio(int fd) noexcept;

}  // namespace holdfast
