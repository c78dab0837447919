#include "tls/tls_file.h"

#include "text/printable.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace holdfast {

namespace {

Error about(const std::string& path, const std::string& what) { return Error{path_in_quotes(path) + " " + what}; }

BioPtr bio_of(const std::string& text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

/// Provides no passphrase. PEM allows any kind of object to be encrypted (RFC 1421), and OpenSSL's own callback would
/// read the passphrase from the terminal.
int no_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

/// Returns true if the PEM reader reached the end of the file, rather than an object that it could not read.
bool is_end_of_pem() {
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/// Returns true for DER, which begins with an ASN.1 SEQUENCE with a long length.
bool looks_like_der(const std::string& text) { return text.starts_with("\x30\x82") || text.starts_with("\x30\x81"); }

std::string not_pem(const std::string& text, const char* what) {
    const std::string holds = "contains no " + std::string(what);
    if (looks_like_der(text)) return holds + " in PEM but DER; convert it with openssl x509, crl or pkey -inform DER";
    return holds + "; write PEM, -----BEGIN ...-----";
}

/// More objects of one kind in a file are a mistake, and the checks of each against each would take long.
constexpr std::size_t max_objects = 1'000;

/// Reads objects of one kind with `read_next` until there are none left.
template <typename Ptr, typename ReadNext>
Result<std::vector<Ptr>> read_all(const std::string& text, const std::string& path, const char* what,
                                  ReadNext read_next) {
    ERR_clear_error();
    const BioPtr bio = bio_of(text);
    if (!bio) return about(path, "cannot be read: OpenSSL gives no memory; try again");
    bool asked = false;
    std::vector<Ptr> all;
    while (auto* each = read_next(bio.get(), &asked)) {
        all.emplace_back(each);
        if (all.size() > max_objects) {
            return about(path, "contains more than " + std::to_string(max_objects) + " of the kind " + what +
                                   "; name a file with the needed ones");
        }
    }
    const std::string number = std::to_string(all.size() + 1);
    if (asked) {
        ERR_clear_error();
        return about(path, "contains an encrypted " + std::string(what) + " (number " + number +
                               "), and passphrases are not supported; write it without encryption");
    }
    if (!is_end_of_pem()) {
        return about(path, "contains a malformed " + std::string(what) + " (number " + number + ": " +
                               take_openssl_reason() + "); replace it by valid PEM");
    }
    ERR_clear_error();
    if (all.empty()) return about(path, not_pem(text, what));
    return all;
}

}  // namespace

Result<std::vector<CertificatePtr>> read_certificates(const std::string& text, const std::string& path) {
    return read_all<CertificatePtr>(text, path, "certificate", [](BIO* bio, bool* asked) {
        return PEM_read_bio_X509(bio, nullptr, no_passphrase, asked);
    });
}

Result<std::vector<CrlPtr>> read_crls(const std::string& text, const std::string& path) {
    return read_all<CrlPtr>(text, path, "revocation list", [](BIO* bio, bool* asked) {
        return PEM_read_bio_X509_CRL(bio, nullptr, no_passphrase, asked);
    });
}

Result<KeyPtr> read_private_key(const std::string& text, const std::string& path) {
    ERR_clear_error();
    bool asked = false;
    const BioPtr bio = bio_of(text);
    if (!bio) return about(path, "cannot be read: OpenSSL gives no memory; try again");
    KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &asked));
    ERR_clear_error();
    if (key) return key;
    if (asked) {
        return about(
            path, "is encrypted, and passphrases are not supported; write the key without one, and protect the file");
    }
    if (looks_like_der(text)) return about(path, not_pem(text, "private key"));
    return about(path, "contains no private key; write PEM, -----BEGIN PRIVATE KEY-----");
}

std::string take_openssl_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == nullptr ? "unknown" : reason;
}

}  // namespace holdfast
