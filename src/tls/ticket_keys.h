#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "tls/openssl_ptr.h"

namespace holdfast {

/// Owns the keys of one listener's session tickets (RFC 5077, 4): AES-256-CBC and HMAC-SHA256. A new key is created
/// every twelve hours; the previous one decrypts tickets for twelve more and is then wiped. Any thread.
class TicketKeys {
public:
    static constexpr std::chrono::hours in_use{12};
    static constexpr std::chrono::hours readable{24};  ///< since its creation

    /// Draws the first keys. The clock must outlive the object.
    explicit TicketKeys(const Clock& clock);

    using Name = std::array<unsigned char, 16>;

    enum class Verdict : std::uint8_t {
        unknown,  ///< no valid key has that name: full handshake
        good,
        renew,  ///< valid, but of the previous key: issue a new ticket
        failed,
    };
    /// Prepares both contexts for a new ticket; `name` and `iv` (16 bytes) are written to its start.
    [[nodiscard]] Verdict make(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
    /// Prepares both contexts for decrypting a ticket.
    [[nodiscard]] Verdict read(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                               EVP_MAC_CTX* mac);

private:
    struct Key {
        Key() = default;
        Key(const Key&) = delete;
        Key& operator=(const Key&) = delete;
        ~Key();

        SteadyTime made;
        Name name{};
        std::array<unsigned char, 32> cipher{};
        std::array<unsigned char, 32> mac{};
    };
    using KeyPtr = std::shared_ptr<const Key>;

    [[nodiscard]] static KeyPtr make_key(SteadyTime now);
    void rotate(SteadyTime now);

    const Clock& clock_;
    std::mutex mutex_;  // guards the members below
    KeyPtr current_;    // null: no random bytes were available
    KeyPtr former_;
};

}  // namespace holdfast
