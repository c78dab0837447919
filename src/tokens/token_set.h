#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// A device's token as the file has it: not the token, only a salted SHA-256 of it. A token is 256 random bits, so that
/// there is nothing to guess and no slow hash is needed.
struct StoredToken {
    static constexpr std::size_t salt_size = 16;
    static constexpr std::size_t hash_size = 32;

    std::string id;
    std::array<std::uint8_t, salt_size> salt{};
    std::array<std::uint8_t, hash_size> hash{};

    friend bool operator==(const StoredToken&, const StoredToken&) = default;
    friend auto operator<=>(const StoredToken&, const StoredToken&) = default;
};

/// Which of an id's tokens it was: the first bytes of its hash, never 0.
using TokenMark = std::uint64_t;

/// The tokens of one listener, read from its file. Never changed: a reload makes another. Any thread.
class TokenSet {
public:
    static constexpr std::size_t most_per_id = 4;    ///< old and new ones, while devices change from one to the other
    static constexpr std::size_t token_bytes = 256;  ///< a longer one is wrong

    /// Reads a file of lines "SALT HASH ID", in hexadecimal; empty ones and those that begin with # are skipped. One
    /// that others than its owner and group may read, or anybody but its owner may write, is refused.
    [[nodiscard]] static Result<TokenSet> load(const std::string& path);
    /// `path` is for messages.
    [[nodiscard]] static Result<TokenSet> parse(std::string_view text, const std::string& path);

    /// Nothing: it is none of the id's tokens, or there is no such id. The work is the same for every id and token of
    /// the same length, and so is the time (CRYPTO_memcmp).
    [[nodiscard]] std::optional<TokenMark> check(std::string_view id, std::string_view token) const;
    /// Whether a token that was right is still there.
    [[nodiscard]] bool has(std::string_view id, TokenMark mark) const;

    [[nodiscard]] const std::vector<StoredToken>& all() const { return tokens_; }  ///< in the order of the file

    friend bool operator==(const TokenSet& a, const TokenSet& b) { return a.tokens_ == b.tokens_; }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view id) const noexcept { return std::hash<std::string_view>{}(id); }
    };

    std::vector<StoredToken> tokens_;
    std::unordered_map<std::string, std::vector<std::size_t>, Hash, std::equal_to<>> by_id_;  // places in tokens_
};

[[nodiscard]] TokenMark mark_of(const StoredToken& token) noexcept;
/// Returns the salted hash, or nullopt if OpenSSL has no SHA-256. `token` has at most TokenSet::token_bytes.
[[nodiscard]] std::optional<std::array<std::uint8_t, StoredToken::hash_size>> hash_token(
    const std::array<std::uint8_t, StoredToken::salt_size>& salt, std::string_view token) noexcept;

[[nodiscard]] std::string to_hex(const std::uint8_t* bytes, std::size_t count);

/// A whole file that holds secrets or hashes of them; refused as TokenSet::load says.
[[nodiscard]] Result<std::string> read_tokens_file(const std::string& path);

}  // namespace holdfast
