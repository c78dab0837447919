#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <holdfast/config.h>
#include <holdfast/events.h>
#include <holdfast/result.h>

#include <openssl/x509.h>

namespace holdfast {

/// Returns the moment that `time` names, or nullopt if it is malformed.
[[nodiscard]] std::optional<EventTime> time_of(const ASN1_TIME* time) noexcept;
/// Returns "2026-03-31" of a time that time_of() can read, else "an unreadable day".
[[nodiscard]] std::string day_of(const ASN1_TIME* time);
/// Returns whether a well-formed time has passed.
[[nodiscard]] bool is_past(const ASN1_TIME* time);

/// Returns the name in quotes, as RFC 2253 writes it.
[[nodiscard]] std::string subject_of(const X509_NAME* name);
/// Returns `certificate 2 ("CN=device authority")`: the position counts from 1.
[[nodiscard]] std::string label_of(const X509& certificate, std::size_t position);
/// Returns `list 2 (of "CN=device authority")`.
[[nodiscard]] std::string label_of(const X509_CRL& list, std::size_t position);

/// Returns why a certificate is unusable under any rules: a date or a public key that cannot be read.
[[nodiscard]] std::optional<std::string> defect_of(const X509& certificate);
[[nodiscard]] std::optional<std::string> defect_of(const X509_CRL& list);

/// Returns why peers reject chains with this certificate as their authority: a key below 112 bits of security.
[[nodiscard]] std::optional<std::string> weakness_of(const X509& authority);

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
