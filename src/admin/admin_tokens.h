#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// What somebody may do at the admin door.
enum class Access : std::uint8_t { none, read, write };

/// Who may do what, by bearer token (RFC 6750). Keeps the tokens' SHA-256 only. Immutable; any thread.
class AdminTokens {
public:
    AdminTokens() = default;
    AdminTokens(const std::vector<std::string>& write, const std::vector<std::string>& read);

    /// An empty path: no such file. Errors name the file.
    [[nodiscard]] static Result<AdminTokens> load(const std::string& write_file, const std::string& read_file);

    [[nodiscard]] bool empty() const { return held_.empty(); }
    /// The same tokens, in the same order; not in constant time.
    friend bool operator==(const AdminTokens&, const AdminTokens&) = default;
    /// What an Authorization header allows. Takes the same time for every wrong token of a length.
    [[nodiscard]] Access of(std::string_view authorization) const;

private:
    using Digest = std::array<unsigned char, 32>;
    struct Held {
        Digest digest;
        Access access;
        friend bool operator==(const Held&, const Held&) = default;
    };
    void hold(std::string_view token, Access access);
    /// Returns nullopt if OpenSSL has no SHA-256.
    [[nodiscard]] static std::optional<Digest> digest_of(std::string_view token);

    std::vector<Held> held_;
};

}  // namespace holdfast
