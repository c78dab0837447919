#pragma once

#include "tls/record_budget.h"

#include <openssl/bio.h>

namespace holdfast {

/// Returns a BIO like OpenSSL's socket BIO with two differences. A write to a closed connection fails with EPIPE
/// without a signal. A read requests a retry once `budget`, which must outlive the BIO, is used up. Does not close
/// `fd`. Returns nullptr if memory is exhausted.
[[nodiscard]] BIO* new_socket_bio(int fd, RecordBudget& budget) noexcept;

/// Returns whether new_socket_bio() works in this process; if memory is exhausted at its first use it never does.
[[nodiscard]] bool has_socket_bio() noexcept;

}  // namespace holdfast
