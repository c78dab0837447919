#include "tls/device_certificate.h"

#include <memory>

#include "text/device_word.h"
#include "text/printable.h"
#include "tls/openssl_ptr.h"

#include <openssl/x509v3.h>

namespace holdfast {

namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>>;

/// Converts to UTF-8 without further checks: is_device_word rejects NUL bytes.
std::string text_of(const ASN1_STRING* string) {
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, string);
    if (size < 0) return {};
    std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text;
}

/// Collects names until it is clear whether there is exactly one.
struct Found {
    std::string text;
    int count = 0;

    void add(const ASN1_STRING* string) {
        if (++count == 1) text = text_of(string);
    }
};

Found find_common_name(const X509& certificate) {
    Found found;
    const X509_NAME* subject = X509_get_subject_name(&certificate);
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        found.add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
    return found;
}

Found find_alternative_name(const X509& certificate, int kind) {
    Found found;
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == kind)
            found.add(name->d.ia5);  // the string type of DNS, URI and e-mail names (RFC 5280, 4.2.1.6)
    }
    return found;
}

Found find(const X509& certificate, TlsId source) {
    switch (source) {
        case TlsId::cn:
            return find_common_name(certificate);
        case TlsId::san_dns:
            return find_alternative_name(certificate, GEN_DNS);
        case TlsId::san_uri:
            return find_alternative_name(certificate, GEN_URI);
        case TlsId::san_email:
            return find_alternative_name(certificate, GEN_EMAIL);
    }
    return {};
}

}  // namespace

CertifiedId certified_id(const X509& certificate, TlsId source) {
    Found found = find(certificate, source);
    if (found.count == 0) return {{}, "the certificate has no name of the kind that tls_id says"};
    if (found.count > 1) return {{}, "the certificate has several names of the kind that tls_id says"};
    if (!is_device_word(found.text, max_device_id)) {
        return {{}, "the name in the certificate is no id: 1 to 128 bytes of UTF-8 without control characters"};
    }
    return {std::move(found.text), {}};
}

Result<IdList> parse_id_list(std::string_view text, const std::string& path) {
    IdList ids;
    for (std::size_t line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view id = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (id.ends_with('\r')) id.remove_suffix(1);
        if (id.empty() || id.starts_with('#')) continue;
        if (!is_device_word(id, max_device_id)) {
            return Error{path_in_quotes(path) + ", line " + std::to_string(line) + ": " + in_quotes(id) +
                         " is no id: write 1 to 128 bytes of UTF-8 without control characters"};
        }
        ids.emplace(id);
    }
    if (ids.empty()) return Error{path_in_quotes(path) + " holds no id: write one a line"};
    return ids;
}

}  // namespace holdfast
