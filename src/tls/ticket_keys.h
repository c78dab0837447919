#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "tls/openssl_ptr.h"

namespace holdfast {

/// The keys that one listener's session tickets are made and read with (RFC 5077, 4): AES-256-CBC and HMAC-SHA256. A
/// new one every twelve hours; the one before reads tickets for twelve more, and is then wiped. Owns them; any thread.
class TicketKeys {
public:
    static constexpr std::chrono::hours in_use{12};
    static constexpr std::chrono::hours readable{24};  ///< since it was made

    /// The clock must outlive it.
    explicit TicketKeys(const Clock& clock);

    using Name = std::array<unsigned char, 16>;

    enum class Verdict : std::uint8_t {
        unknown,  ///< no key that is readable has that name: a whole handshake
        good,
        renew,  ///< good, but of the key before: the device should have a new one
        failed,
    };
    /// Readies both for a new ticket; `name` and `iv` (16 bytes) are what it begins with.
    [[nodiscard]] Verdict make(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
    /// The same for reading one.
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
    std::mutex mutex_;  // guards what follows
    KeyPtr current_;    // null: there was no randomness for it
    KeyPtr former_;
};

}  // namespace holdfast
