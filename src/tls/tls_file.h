#pragma once

#include <string>
#include <vector>

#include <holdfast/result.h>

#include "tls/openssl_ptr.h"

namespace holdfast {

/// The certificates in PEM text, in order; at least one, and nothing that is broken. `path` is for messages.
[[nodiscard]] Result<std::vector<CertificatePtr>> read_certificates(const std::string& text, const std::string& path);
/// The same for revocation lists.
[[nodiscard]] Result<std::vector<CrlPtr>> read_crls(const std::string& text, const std::string& path);
/// A private key, without a passphrase: nobody is there to type it.
[[nodiscard]] Result<KeyPtr> read_private_key(const std::string& text, const std::string& path);

/// The latest reason of OpenSSL's queue, which is emptied; "unknown" if there is none.
[[nodiscard]] std::string take_openssl_reason();

}  // namespace holdfast
