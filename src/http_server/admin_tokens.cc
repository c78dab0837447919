#include "http_server/admin_tokens.h"

#include <strings.h>

#include <algorithm>

#include "text/input_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace holdfast {
namespace {

constexpr std::string_view scheme = "Bearer ";

Result<std::vector<std::string>> tokens_of(const std::string& file) {
    if (file.empty()) return std::vector<std::string>();
    return read_bearer_tokens(file);
}

}  // namespace

AdminTokens::AdminTokens(const std::vector<std::string>& write, const std::vector<std::string>& read) {
    for (const std::string& token : write) hold(token, Access::write);
    for (const std::string& token : read) hold(token, Access::read);
}

/// Stores a token. A token without a digest is stored with no access, so that the API still requires a token and none
/// matches it.
void AdminTokens::hold(std::string_view token, Access access) {
    const auto digest = digest_of(token);
    held_.push_back(digest ? Held{*digest, access} : Held{Digest{}, Access::none});
}

Result<AdminTokens> AdminTokens::load(const std::string& write_file, const std::string& read_file) {
    const auto write = tokens_of(write_file);
    if (!write) return write.error();
    const auto read = tokens_of(read_file);
    if (!read) return read.error();
    if (!digest_of({})) {
        return Error{
            "the admin tokens cannot be used: OpenSSL has no SHA-256; correct its configuration (openssl.cnf, "
            "OPENSSL_CONF)"};
    }
    return AdminTokens(write.value(), read.value());
}

Access AdminTokens::of(std::string_view authorization) const {
    const bool bearer =
        authorization.size() > scheme.size() && ::strncasecmp(authorization.data(), scheme.data(), scheme.size()) == 0;
    if (!bearer) return Access::none;
    std::string_view token = authorization.substr(scheme.size());
    token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
    const auto given = digest_of(token);
    if (!given) return Access::none;
    Access access = Access::none;
    for (const Held& held : held_) {  // always all of them, in constant time
        const bool same = ::CRYPTO_memcmp(held.digest.data(), given->data(), given->size()) == 0;
        access = std::max(access, same ? held.access : Access::none);
    }
    return access;
}

std::optional<AdminTokens::Digest> AdminTokens::digest_of(std::string_view token) {
    Digest digest{};
    const char* const bytes = token.data() != nullptr ? token.data() : "";
    if (::EVP_Digest(bytes, token.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr) != 1) return std::nullopt;
    return digest;
}

}  // namespace holdfast
