// The input is damage to the files that a listener with TLS and tokens reads: certificates, a key, authorities,
// revocation lists, ids and tokens. Each run starts from identical files, and changes their text or the DER below it.
// The files then go through the code of `check` and of a reload.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "config/checks.h"
#include "device/token_set.h"
#include "testing/temporary_directory.h"
#include "tls/openssl_ptr.h"
#include "tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace {

using namespace holdfast;

// Constant keys of this fuzzer only, so that the same input gives the same files.
constexpr const char* ec_key =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgH9QcwWaL2Rpiw1d/\n"
    "RT0a14M2OCIcwRUrbWIz1h7F/PGhRANCAATvJY2GDmIAxamy0IJsmRbPT2nMY7cZ\n"
    "fe0l/SzZSL00m6TsHRwWrzIUe0bTo4IHWOw5r4Ap25V6ZSnGYn+1GrIi\n"
    "-----END PRIVATE KEY-----\n";
// too weak for a chain
constexpr const char* rsa_1024_key =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAMJB2ovSzSUvRX80\n"
    "SpEchLkcluejU22N/+Xknvv+SVFBvQRoKGJxI0NHKx0SJ5bPcn0JGgOAgogOhr3u\n"
    "vBwutlkmv2YNRY38sZ5VcUaeCx8xrkvLk8F36P2ws1DpF8bfGauWF5qT7h6zd2vf\n"
    "vM/NtcWNbFNoXWTEDAaNNHP6NjQhAgMBAAECgYBZgCPkNiykjEIV2I7eiugvrZdt\n"
    "hBelKz6SuiHx8nfvQz2GMUMiEARyM/EORNYOqueR6kadBHGfpCm6iqsKxQ7n+GiZ\n"
    "h9DYWPeZsFdUokS7KyQOgrFGExa5umWFXZVjw2E0bAkyZeBr/EPlN3WreCge0oit\n"
    "FusBXCz/CYsDyHgCTQJBAO+Nmx4BiF8p1QToEnwtsEFrwpB3c1wuj3Yry9HZSWxJ\n"
    "teB2ekfSOIxeLt8iB4sBwAhVRP2YwK/WMbsHUszl5YcCQQDPmCAadYZgMN7btt4Z\n"
    "QajC1xPX8U43KDD0mU8o8LMKkqWfRF7mXy7zDUElLBL/YZABklU433sK9R+rsXR4\n"
    "sgMXAkAmXJftmzM6ghlx2rQzHKHwKBCVT/uyVGZ29xaBuXkvlTJCCtcUL08M83ww\n"
    "EWQB17rn2rfcoJyiy/tUxxx0YZB7AkANPmJF7dt9xYBiOf9fUx4GGByO+TkJMco1\n"
    "wJYZQYnakdJ5H66COe5P2TefvHkVy86ZGxHOyAscftjfZjnM/WZPAkBbvcatQ47O\n"
    "PD8rKqZr2La2FazYKmadETpHFGkagBYx5pSXvL8mMNOqUS2SHCeyjcfj9DRvFnLX\n"
    "Z58xrHXWNP1r\n"
    "-----END PRIVATE KEY-----\n";

enum File : std::size_t { chain, key, authorities, lists, ids, tokens, files };
constexpr std::array<const char*, files> names{"gateway.crt", "gateway.key", "ca.crt", "ca.crl", "ids", "tokens"};
using Texts = std::array<std::string, files>;

KeyPtr key_of(const char* pem) {
    const BioPtr bio(BIO_new_mem_buf(pem, -1));
    KeyPtr read(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    HOLDFAST_CHECK(read != nullptr);
    return read;
}

/// Returns a key whose signatures need no randomness.
KeyPtr authority_key() {
    constexpr std::array<unsigned char, 32> seed{1, 2, 3};
    return KeyPtr(EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, seed.data(), seed.size()));
}

std::string pem_of(const char* kind, const unsigned char* der, long size) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio(bio.get(), kind, "", der, size);
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(length)};
}

std::string certificate(const char* name, const char* issuer, EVP_PKEY* subject_key, EVP_PKEY* signer,
                        bool is_authority) {
    const CertificatePtr made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), static_cast<long>(std::strlen(name)));
    ASN1_TIME_set_string(X509_getm_notBefore(made.get()), "20250101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(made.get()), "20490101000000Z");
    const auto add_name = [](X509_NAME* to, const char* text) {
        X509_NAME_add_entry_by_NID(to, NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text), -1,
                                   -1, 0);
    };
    add_name(X509_get_subject_name(made.get()), name);
    const std::unique_ptr<X509_NAME, FreeBy<X509_NAME_free>> by(X509_NAME_new());
    add_name(by.get(), issuer);
    X509_set_issuer_name(made.get(), by.get());
    X509_set_pubkey(made.get(), subject_key);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(made.get(), signer, nullptr);
    unsigned char* der = nullptr;
    const int size = i2d_X509(made.get(), &der);
    std::string text = pem_of("CERTIFICATE", der, size);
    OPENSSL_free(der);
    return text;
}

std::string revocation_list(const char* issuer, EVP_PKEY* signer, const EVP_MD* digest) {
    const CrlPtr made(X509_CRL_new());
    X509_CRL_set_version(made.get(), X509_CRL_VERSION_2);
    const std::unique_ptr<X509_NAME, FreeBy<X509_NAME_free>> by(X509_NAME_new());
    X509_NAME_add_entry_by_NID(by.get(), NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(issuer),
                               -1, -1, 0);
    X509_CRL_set_issuer_name(made.get(), by.get());
    const std::unique_ptr<ASN1_TIME, FreeBy<ASN1_TIME_free>> time(ASN1_TIME_new());
    ASN1_TIME_set_string(time.get(), "20250101000000Z");
    X509_CRL_set1_lastUpdate(made.get(), time.get());
    ASN1_TIME_set_string(time.get(), "20490101000000Z");
    X509_CRL_set1_nextUpdate(made.get(), time.get());
    X509_CRL_sign(made.get(), signer, digest);
    unsigned char* der = nullptr;
    const int size = i2d_X509_CRL(made.get(), &der);
    std::string text = pem_of("X509 CRL", der, size);
    OPENSSL_free(der);
    return text;
}

Texts make_texts() {
    const KeyPtr authority = authority_key();
    const KeyPtr own = key_of(ec_key);
    const KeyPtr weak = key_of(rsa_1024_key);
    const std::string root = certificate("root", "root", authority.get(), authority.get(), true);
    Texts made;
    made[chain] = certificate("gateway", "root", own.get(), authority.get(), false) + root;
    made[key] = ec_key;
    made[authorities] = root + certificate("weak", "root", weak.get(), authority.get(), true);
    made[lists] = revocation_list("root", authority.get(), nullptr) + revocation_list("weak", weak.get(), EVP_sha256());
    made[ids] = "device-1\n# a comment\ndevice-2\n";
    made[tokens] = std::string(32, '0') + " " + std::string(64, '1') + " device-1\n";
    return made;
}

/// Reads the input in order, and zeros after its end.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::size_t number() {
        const std::string_view two = take(2);
        std::size_t value = 0;
        for (const char byte : two) value = value << 8 | static_cast<std::uint8_t>(byte);
        return value;
    }
    std::string_view take(std::size_t count) {
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }

private:
    std::string_view rest_;
};

/// Applies `change` to the DER of one object of a PEM text, and writes the whole text again.
template <typename Change>
std::string with_der(const std::string& text, std::size_t which, Change change) {
    const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    std::string out;
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    for (std::size_t i = 0; PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1; ++i) {
        std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
        if (i == which % 2) change(der);
        out += pem_of(name, reinterpret_cast<const unsigned char*>(der.data()), static_cast<long>(der.size()));
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    ERR_clear_error();
    return out.empty() ? text : out;
}

void damage(Texts& texts, Input& input) {
    const std::size_t what = input.number();
    std::string& text = texts[what % files];
    const std::size_t place = input.number();
    const std::string_view bytes = input.take(1 + place % 5);
    const auto put = [&](std::string& to) {
        if (!to.empty()) to.replace(std::min(place, to.size() - 1), bytes.size(), bytes);
    };
    const auto insert = [&](std::string& to) { to.insert(std::min(place, to.size()), bytes); };
    switch (what / files % 8) {
        case 0:
            return put(text);
        case 1:
            return insert(text);
        case 2:
            return text.resize(std::min(text.size(), place));
        case 3:
            text = with_der(text, place / 512, [&](std::string& der) {
                if (!der.empty()) der.replace(std::min(place % 512, der.size() - 1), bytes.size(), bytes);
            });
            return;
        case 4:
            text = with_der(text, place / 512,
                            [&](std::string& der) { der.insert(std::min(place % 512, der.size()), bytes); });
            return;
        case 5:
            text += texts[place % files];
            return;
        case 6:
            text = texts[place % files];
            return;
        default:
            text = input.take(place);
            return;
    }
}

void expect_plain(std::string_view message) {
    HOLDFAST_CHECK(!message.empty());
    for (const char c : message) HOLDFAST_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

DaemonConfig config_of(const TemporaryDirectory& folder, std::size_t rules) {
    DaemonConfig config;
    config.server.listeners.resize(2);
    ListenerConfig& secured = config.server.listeners[0];
    secured.name = "secured";
    secured.address = "127.0.0.1:7001";
    secured.tls.certificate = folder.in(names[chain]);
    secured.tls.key = folder.in(names[key]);
    secured.tls.client = rules % 3 == 0 ? TlsClient::off : rules % 3 == 1 ? TlsClient::optional : TlsClient::required;
    if (secured.tls.client != TlsClient::off) {
        secured.tls.client_ca = folder.in(names[authorities]);
        if ((rules & 8) != 0) secured.tls.client_crl = folder.in(names[lists]);
        if ((rules & 16) != 0) secured.tls.ids_file = folder.in(names[ids]);
    }
    ListenerConfig& tokened = config.server.listeners[1];
    tokened.name = "tokened";
    tokened.address = "127.0.0.1:7002";
    tokened.tokens_file = folder.in(names[tokens]);
    return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryDirectory folder;
    static const Texts good = make_texts();
    Input input(data, size);
    const DaemonConfig config = config_of(folder, input.number());
    Texts texts = good;
    while (!input.empty()) damage(texts, input);
    for (std::size_t i = 0; i < files; ++i) static_cast<void>(folder.write(names[i], texts[i], 0600));

    // Runs `check`, and the first phase of a reload.
    std::size_t refused = 0;
    for (const Violation& violation : find_violations(config)) {
        expect_plain(violation.message);
        const bool about_a_file =
            violation.option.starts_with("tls_") || violation.option == "ids_file" || violation.option == "tokens_file";
        HOLDFAST_CHECK(about_a_file);
        ++refused;
    }
    for (const Violation& warning : find_warnings(config)) expect_plain(warning.message);

    // Runs the second phase, which must reject the same files.
    const auto loaded = TlsContext::load(config.server.listeners[0].tls);
    const auto tokens_read = TokenSet::load(config.server.listeners[1].tokens_file);
    const auto* fault = std::get_if<TlsFault>(&loaded);
    HOLDFAST_CHECK(refused == (fault != nullptr ? 1U : 0U) + (tokens_read.ok() ? 0U : 1U));
    HOLDFAST_CHECK(size > 2 || refused == 0);
    if (fault != nullptr) {
        HOLDFAST_CHECK(fault->message.starts_with(fault->option));
        HOLDFAST_CHECK(fault->message.find(folder.path()) != std::string::npos);
        return 0;
    }
    const auto& context = std::get<std::shared_ptr<const TlsContext>>(loaded);
    HOLDFAST_CHECK(context->digest().size() == 32);
    const SslPtr session(SSL_new(context->get()));
    HOLDFAST_CHECK(session != nullptr);
    const std::string id = context->classify(*SSL_CTX_get0_certificate(context->get())).id;
    HOLDFAST_CHECK(id.size() <= 128);
    return 0;
}
