#pragma once

#include <string>
#include <vector>

#include <holdfast/result.h>

#include "tls/openssl_ptr.h"

namespace holdfast {

/// Returns the certificates in PEM text in order: at least one, none of them broken. `path` is for messages.
[[nodiscard]] Result<std::vector<CertificatePtr>> read_certificates(const std::string& text, const std::string& path);
/// Returns the revocation lists in PEM text under the same rules.
[[nodiscard]] Result<std::vector<CrlPtr>> read_crls(const std::string& text, const std::string& path);
/// Returns the private key in PEM text. A passphrase is an error, since the gateway cannot ask for one.
[[nodiscard]] Result<KeyPtr> read_private_key(const std::string& text, const std::string& path);

/// Returns the latest reason in OpenSSL's queue and empties the queue; "unknown" if there is none.
[[nodiscard]] std::string take_openssl_reason();

}  // namespace holdfast
