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

/// A device's entry in the tokens file: a salted SHA-256 of its token. A token has 256 random bits, so that guessing is
/// impossible and no slow hash is needed.
struct StoredToken {
    static constexpr std::size_t salt_size = 16;
    static constexpr std::size_t hash_size = 32;

    std::string id;
    std::array<std::uint8_t, salt_size> salt{};
    std::array<std::uint8_t, hash_size> hash{};

    friend bool operator==(const StoredToken&, const StoredToken&) = default;
    friend auto operator<=>(const StoredToken&, const StoredToken&) = default;
};

/// Identifies one of an id's tokens by the first bytes of its hash; never 0.
using TokenMark = std::uint64_t;

/// The tokens of one listener, read from its file. Immutable: a reload creates another. Any thread.
class TokenSet {
public:
    static constexpr std::size_t max_per_id = 4;     ///< allows an old and a new token while devices rotate
    static constexpr std::size_t token_bytes = 256;  ///< a longer token is wrong

    /// Reads a file of lines "SALT HASH ID" in hexadecimal; empty lines and lines that begin with # are skipped.
    /// Rejects a file that is readable beyond its owner and group, or writable beyond its owner.
    [[nodiscard]] static Result<TokenSet> load(const std::string& path);
    /// Parses the text of such a file. `path` is for messages.
    [[nodiscard]] static Result<TokenSet> parse(std::string_view text, const std::string& path);

    /// Returns the mark of the matching token, or nullopt if the id does not exist or the token is wrong. The work, and
    /// so the time, is the same for all ids and tokens of the same length (CRYPTO_memcmp).
    [[nodiscard]] std::optional<TokenMark> check(std::string_view id, std::string_view token) const;
    /// Returns true if the token with this mark still exists.
    [[nodiscard]] bool has(std::string_view id, TokenMark mark) const;

    [[nodiscard]] const std::vector<StoredToken>& all() const { return tokens_; }  ///< in the order of the file

    friend bool operator==(const TokenSet& a, const TokenSet& b) { return a.tokens_ == b.tokens_; }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view id) const noexcept { return std::hash<std::string_view>{}(id); }
    };

    std::vector<StoredToken> tokens_;
    std::unordered_map<std::string, std::vector<std::size_t>, Hash, std::equal_to<>> by_id_;  // indices into tokens_
};

[[nodiscard]] TokenMark mark_of(const StoredToken& token) noexcept;
/// Returns the salted hash, or nullopt if OpenSSL has no SHA-256. `token` has at most TokenSet::token_bytes.
[[nodiscard]] std::optional<std::array<std::uint8_t, StoredToken::hash_size>> hash_token(
    const std::array<std::uint8_t, StoredToken::salt_size>& salt, std::string_view token) noexcept;

/// Reads a whole file of secrets or hashes with the checks of TokenSet::load.
[[nodiscard]] Result<std::string> read_tokens_file(const std::string& path);

/// Creates a token for the device and adds its hash to the file, which is created with mode 0600 if missing. Returns
/// the token; it is stored nowhere. The file is replaced atomically, also across a crash, and concurrent editors wait
/// for each other.
[[nodiscard]] Result<std::string> add_token(const std::string& path, const std::string& id);

/// Removes all tokens of the device from the file, or only the one whose name begins with the given text (see name_of).
/// Returns their number; removing none is an error.
[[nodiscard]] Result<std::size_t> revoke_tokens(const std::string& path, const std::string& id, std::string_view name);

/// Returns the first 16 digits of the hash, which distinguish the tokens of an id in lists and for revoke_tokens.
[[nodiscard]] std::string name_of(const StoredToken& token);

}  // namespace holdfast
