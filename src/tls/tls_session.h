#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tls/record_budget.h"
#include "tls/tls_context.h"

#include <openssl/bio.h>

namespace holdfast {

/// Returns a BIO like OpenSSL's socket BIO with two differences. A write to a closed connection fails with EPIPE
/// without a signal. A read requests a retry once `budget`, which must outlive the BIO, is used up. Does not close
/// `fd`. Returns nullptr if memory is exhausted.
[[nodiscard]] BIO* new_socket_bio(int fd, RecordBudget& budget) noexcept;

/// Returns whether new_socket_bio() works in this process; if memory is exhausted at its first use it never does.
[[nodiscard]] bool has_socket_bio() noexcept;

/// Result of a call.
enum class TlsStep : std::uint8_t {
    done,        ///< the handshake is complete, or `bytes` were read or written
    want_read,   ///< call again when the socket is readable
    want_write,  ///< call again when it is writable; for a write, with the same bytes
    closed,      ///< the peer sent close_notify
    truncated,   ///< FIN without close_notify
    broken,      ///< the kernel reported `error`, an errno
    failed,      ///< the peer or its certificate is at fault: `detail`
};

struct TlsOutcome {
    TlsStep step{};
    std::size_t bytes = 0;
    int error = 0;
    std::string_view detail = {};  ///< static text
    bool ran_out = false;          ///< want_read, but only until the next turn: the turn's share is used up
};

/// Negotiated parameters; static texts.
struct TlsFacts {
    std::string_view version;
    std::string_view cipher;
    bool resumed = false;
};

/// TLS on one non-blocking socket, which the caller owns and which outlives it. Holds no buffers while idle. One
/// thread. Raises no SIGPIPE, with any disposition of the program. A server's session reads within a RecordBudget. Call
/// farewell() before the destructor for an orderly end.
class TlsSession {
public:
    /// Creates a session; `context` decides its side. Returns nullptr if memory is exhausted.
    [[nodiscard]] static std::unique_ptr<TlsSession> begin(std::shared_ptr<const TlsContext> context, int fd) noexcept;

    TlsSession(SslPtr ssl, std::shared_ptr<const TlsContext> context) noexcept
        : ssl_(std::move(ssl)), context_(std::move(context)) {}

    /// Starts the session's share of a turn. Without this call, reads use the rest of an earlier turn's share.
    void begin_turn() noexcept { budget_.begin_turn(); }
    [[nodiscard]] TlsOutcome handshake() noexcept;
    /// Reads at most one record. More may be in the socket or decrypted, so read until `want_read`. The end is reported
    /// again by later calls.
    [[nodiscard]] TlsOutcome read(std::span<char> into) noexcept;
    /// Reads like read(), and leaves the bytes for the next read.
    [[nodiscard]] TlsOutcome peek(std::span<char> into) noexcept;
    [[nodiscard]] TlsOutcome write(std::string_view bytes) noexcept;
    /// Sends close_notify, as far as the socket accepts it at once.
    void farewell() noexcept;

    [[nodiscard]] TlsFacts facts() const noexcept;
    /// Returns the id of the device's certificate after the handshake, or an empty text if it sent none.
    [[nodiscard]] std::string device_id() const;
    /// Returns why `rules`, which are newer than the session's, would reject its device now; static text, empty if they
    /// would accept it. A session resumed by a ticket has its device's certificate, but no intermediate ones.
    [[nodiscard]] std::string_view objection_of(const TlsContext& rules) const;
    [[nodiscard]] bool follows(const TlsContext& rules) const noexcept { return context_.get() == &rules; }

    /// Returns its approximate memory on the heap (docs/explanation/performance.md has the measurement).
    [[nodiscard]] std::size_t memory() const noexcept { return memory_; }
    /// Returns the bytes of a record that are decrypted and not read. Makes no system call.
    [[nodiscard]] std::size_t decrypted_unread() const noexcept;

    /// Returns the bytes that the handshake has read so far.
    [[nodiscard]] std::size_t handshake_bytes() const noexcept { return budget_.bytes_in_handshake(); }
    [[nodiscard]] bool is_in_handshake() const noexcept { return memory_ == memory_in_handshake; }
    /// Returns true if the peer sent a valid certificate.
    [[nodiscard]] bool is_certified() const noexcept { return memory_ == memory_certified; }

    static constexpr std::size_t memory_in_handshake = 48 * 1024;
    static constexpr std::size_t memory_open = 14 * 1024;
    static constexpr std::size_t memory_certified = 24 * 1024;  ///< with the device's certificate

private:
    using Reader = int(SSL*, void*, std::size_t, std::size_t*);
    [[nodiscard]] TlsOutcome read_by(Reader* reader, std::span<char> into) noexcept;
    [[nodiscard]] TlsOutcome classify(int result) noexcept;
    [[nodiscard]] std::string_view why_failed() const noexcept;
    [[nodiscard]] TlsOutcome check_resumed() noexcept;

    RecordBudget budget_;  // the SSL's BIO and message callback point to it
    SslPtr ssl_;
    std::shared_ptr<const TlsContext> context_;  // the SSL's own points to it
    TlsOutcome read_end_;                        // done: the end is not reached yet
    std::size_t memory_ = memory_in_handshake;
};

}  // namespace holdfast
