#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <holdfast/config.h>
#include <holdfast/result.h>

#include <openssl/x509.h>

namespace holdfast {

/// The id in a certificate, or why there is none.
struct CertifiedId {
    std::string id;            ///< empty: there is none
    std::string_view refusal;  ///< static text, if there is none
};

/// The only name of the kind that `source` says. Several would let two readers of one certificate see two devices; one
/// that could not be said in a hello (docs/reference/protocol.md) is none. Pure.
[[nodiscard]] CertifiedId certified_id(const X509& certificate, TlsId source);

/// Who may come in by a certificate.
using IdList = std::unordered_set<std::string>;

/// One id a line; blank lines and those that begin with # are skipped. `path` is for messages. Pure.
[[nodiscard]] Result<IdList> parse_id_list(std::string_view text, const std::string& path);

}  // namespace holdfast
