#include "device/token_set.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "codec/item.h"
#include "text/hex.h"
#include "text/input_file.h"
#include "text/printable.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace holdfast {

namespace {

constexpr std::size_t largest_file = std::size_t{256} << 20;  // some 2 million devices

/// Compared if an id has fewer tokens than the maximum, so that the time is constant. No known token hashes to it.
const StoredToken decoy{};

template <std::size_t Size>
bool read_hex(std::string_view text, std::array<std::uint8_t, Size>& out) {
    if (text.size() != 2 * Size) return false;
    for (std::size_t i = 0; i < Size; ++i) {
        const auto high = hex_value(text[2 * i]);
        const auto low = hex_value(text[2 * i + 1]);
        if (!high || !low) return false;
        out[i] = static_cast<std::uint8_t>(*high << 4 | *low);
    }
    return true;
}

/// Parses "SALT HASH ID".
std::optional<StoredToken> read_line(std::string_view line) {
    constexpr std::size_t salt_end = 2 * StoredToken::salt_size;
    constexpr std::size_t hash_end = salt_end + 1 + 2 * StoredToken::hash_size;
    if (line.size() < hash_end + 2 || line[salt_end] != ' ' || line[hash_end] != ' ') return std::nullopt;
    StoredToken token;
    token.id = line.substr(hash_end + 1);
    const bool good = read_hex(line.substr(0, salt_end), token.salt) &&
                      read_hex(line.substr(salt_end + 1, hash_end - salt_end - 1), token.hash) &&
                      is_device_word(token.id, max_device_id);
    return good ? std::optional(std::move(token)) : std::nullopt;
}

}  // namespace

Result<std::string> read_tokens_file(const std::string& path) {
    return read_input_file(
        "tokens_file", path,
        {.largest = largest_file,
         .readers = Readers::group,
         .remedy = "create it with holdfast token add --file FILE ID, and make it readable for the gateway's user"});
}

Result<TokenSet> TokenSet::load(const std::string& path) {
    const auto text = read_tokens_file(path);
    if (!text) return text.error();
    if (!hash_token({}, {})) {
        return Error{"tokens_file " + path_in_quotes(path) +
                     " cannot be used: OpenSSL has no SHA-256; correct its configuration (openssl.cnf, OPENSSL_CONF)"};
    }
    return parse(text.value(), path);
}

Result<TokenSet> TokenSet::parse(std::string_view text, const std::string& path) {
    TokenSet set;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.starts_with('#')) continue;
        const std::string place = printable(path) + ":" + std::to_string(number) + ": ";
        auto token = read_line(line);
        if (!token) return Error{place + "malformed line; write the file with holdfast token"};
        auto& places = set.by_id_[token->id];
        if (places.size() == max_per_id) {
            return Error{place + in_quotes(token->id) + " has more than " + std::to_string(max_per_id) +
                         " tokens; revoke the unused ones with holdfast token revoke"};
        }
        places.push_back(set.tokens_.size());
        set.tokens_.push_back(std::move(*token));
    }
    return set;
}

std::optional<TokenMark> TokenSet::check(std::string_view id, std::string_view token) const {
    const auto found = by_id_.find(id);
    const bool too_long = token.size() > token_bytes;
    const std::string_view tried = token.substr(0, token_bytes);
    std::optional<TokenMark> mark;
    for (std::size_t i = 0; i < max_per_id; ++i) {
        const bool there = found != by_id_.end() && i < found->second.size();
        const StoredToken& stored = there ? tokens_[found->second[i]] : decoy;
        const auto hash = hash_token(stored.salt, tried);
        const bool same = hash && CRYPTO_memcmp(hash->data(), stored.hash.data(), hash->size()) == 0;
        if (same && there && !too_long) mark = mark_of(stored);
    }
    return mark;
}

bool TokenSet::has(std::string_view id, TokenMark mark) const {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](std::size_t place) { return mark_of(tokens_[place]) == mark; });
}

TokenMark mark_of(const StoredToken& token) noexcept {
    TokenMark mark = 0;
    std::memcpy(&mark, token.hash.data(), sizeof mark);
    return mark == 0 ? 1 : mark;
}

std::optional<std::array<std::uint8_t, StoredToken::hash_size>> hash_token(
    const std::array<std::uint8_t, StoredToken::salt_size>& salt, std::string_view token) noexcept {
    HOLDFAST_CHECK(token.size() <= TokenSet::token_bytes);
    std::array<std::uint8_t, StoredToken::salt_size + TokenSet::token_bytes> both;
    std::memcpy(both.data(), salt.data(), salt.size());
    if (!token.empty()) std::memcpy(both.data() + salt.size(), token.data(), token.size());
    std::array<std::uint8_t, StoredToken::hash_size> hash;
    const bool good = SHA256(both.data(), salt.size() + token.size(), hash.data()) != nullptr;
    OPENSSL_cleanse(both.data(), both.size());
    return good ? std::optional(hash) : std::nullopt;
}

}  // namespace holdfast
