#pragma once

#include "tls/record_budget.h"

#include <openssl/bio.h>

namespace holdfast {

/// OpenSSL's socket BIO, but that a write to a connection which has gone says EPIPE and raises no signal, and that a
/// read asks for a retry once `budget`, which must outlive it, allows no more. Leaves `fd` open. Nullptr: no memory.
[[nodiscard]] BIO* new_socket_bio(int fd, RecordBudget& budget) noexcept;

/// Returns whether new_socket_bio() can work in this process: without memory at its first use it never can.
[[nodiscard]] bool has_socket_bio() noexcept;

}  // namespace holdfast
