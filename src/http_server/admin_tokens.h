#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// The rights of a client at the admin API.
enum class Access : std::uint8_t { none, read, write };

/// The rights of each bearer token (RFC 6750). Keeps only the SHA-256 of the tokens. Immutable; any thread.
class AdminTokens {
public:
    AdminTokens() = default;
    AdminTokens(const std::vector<std::string>& write, const std::vector<std::string>& read);

    /// Reads the tokens of two files. An empty path means no such file. Errors name the file.
    [[nodiscard]] static Result<AdminTokens> load(const std::string& write_file, const std::string& read_file);

    [[nodiscard]] bool empty() const { return held_.empty(); }
    /// Compares tokens and their order; not in constant time.
    friend bool operator==(const AdminTokens&, const AdminTokens&) = default;
    /// Returns the rights of an Authorization header. Takes the same time for every wrong token of one length.
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
