#pragma once

#include <openssl/bio.h>

namespace holdfast {

/// OpenSSL's socket BIO, but that a write to a connection which has gone says EPIPE and raises no signal. Leaves `fd`
/// open. Nullptr: no memory.
[[nodiscard]] BIO* new_socket_bio(int fd) noexcept;

/// Returns whether new_socket_bio() can work in this process: without memory at its first use it never can.
[[nodiscard]] bool has_socket_bio() noexcept;

}  // namespace holdfast
