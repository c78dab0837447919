#include "admin/admin_tokens.h"

#include <strings.h>

#include <algorithm>

#include "base/check.h"
#include "base/secret_file.h"

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
    for (const std::string& token : write) held_.push_back({digest_of(token), Access::write});
    for (const std::string& token : read) held_.push_back({digest_of(token), Access::read});
}

Result<AdminTokens> AdminTokens::load(const std::string& write_file, const std::string& read_file) {
    const auto write = tokens_of(write_file);
    if (!write) return write.error();
    const auto read = tokens_of(read_file);
    if (!read) return read.error();
    return AdminTokens(write.value(), read.value());
}

Access AdminTokens::of(std::string_view authorization) const {
    const bool bearer =
        authorization.size() > scheme.size() && ::strncasecmp(authorization.data(), scheme.data(), scheme.size()) == 0;
    if (!bearer) return Access::none;
    std::string_view token = authorization.substr(scheme.size());
    token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
    const Digest given = digest_of(token);
    Access access = Access::none;
    for (const Held& held : held_) {  // all of them, wherever it is found
        const bool same = ::CRYPTO_memcmp(held.digest.data(), given.data(), given.size()) == 0;
        access = std::max(access, same ? held.access : Access::none);
    }
    return access;
}

AdminTokens::Digest AdminTokens::digest_of(std::string_view token) {
    Digest digest{};
    HOLDFAST_CHECK(::EVP_Digest(token.data(), token.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr) == 1);
    return digest;
}

}  // namespace holdfast
