#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <holdfast/config.h>
#include <holdfast/result.h>

#include <openssl/x509.h>

namespace holdfast {

/// The id in a certificate, or why it has none.
struct CertifiedId {
    std::string id;            ///< empty: there is none
    std::string_view refusal;  ///< static text, if there is no id
};

/// Returns the only name of the kind that `source` selects. Several names are rejected, since two readers of one
/// certificate could see two devices. A name must be valid in a hello (docs/reference/protocol.md), too. Pure.
[[nodiscard]] CertifiedId certified_id(const X509& certificate, TlsId source);

/// Ids whose certificates are accepted.
using IdList = std::unordered_set<std::string>;

/// Parses one id per line; blank lines and lines that begin with # are skipped. `path` is for messages. Pure.
[[nodiscard]] Result<IdList> parse_id_list(std::string_view text, const std::string& path);

}  // namespace holdfast
