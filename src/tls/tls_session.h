#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tls/record_budget.h"
#include "tls/tls_context.h"

namespace holdfast {

/// How far a call got.
enum class TlsStep : std::uint8_t {
    done,        ///< the handshake is over, or `bytes` have been read or written
    want_read,   ///< call again when the socket is readable
    want_write,  ///< ... writable; a write with the same bytes in front
    closed,      ///< the peer said that it ends (close_notify)
    truncated,   ///< FIN without that
    broken,      ///< the kernel said `error`, an errno
    failed,      ///< the peer or its certificate is at fault: `detail`
};

struct TlsOutcome {
    TlsStep step{};
    std::size_t bytes = 0;
    int error = 0;
    std::string_view detail = {};  ///< static text
    bool ran_out = false;          ///< want_read, but for the turn's share only: call again in the next turn
};

/// What was agreed on; static texts.
struct TlsFacts {
    std::string_view version;
    std::string_view cipher;
    bool resumed = false;
};

/// TLS on one non-blocking socket, which is the caller's and outlives it. Idle, it holds no buffers. One thread. It
/// raises no SIGPIPE, whatever the program does about that. Serving, it reads within a RecordBudget. Ends by its
/// destructor; farewell() before it is good manners.
class TlsSession {
public:
    /// Nullptr: no memory. `context` decides which side it is on.
    [[nodiscard]] static std::unique_ptr<TlsSession> begin(std::shared_ptr<const TlsContext> context, int fd) noexcept;

    TlsSession(SslPtr ssl, std::shared_ptr<const TlsContext> context) noexcept
        : ssl_(std::move(ssl)), context_(std::move(context)) {}

    /// Gives it its share of a turn; without this call, what is read later comes out of the share of an earlier turn.
    void begin_turn() noexcept { budget_.begin_turn(); }
    [[nodiscard]] TlsOutcome handshake() noexcept;
    /// One record's worth at most: more may be there, in the socket or decrypted; read until `want_read`. An end is
    /// told again whenever asked.
    [[nodiscard]] TlsOutcome read(std::span<char> into) noexcept;
    [[nodiscard]] TlsOutcome write(std::string_view bytes) noexcept;
    /// Says close_notify, as far as the socket takes it at once.
    void farewell() noexcept;

    [[nodiscard]] TlsFacts facts() const noexcept;
    /// Of the device's certificate, once the handshake is over; empty: it showed none.
    [[nodiscard]] std::string device_id() const;
    /// Why `rules`, which are newer than its own, would not let it in now; static text, empty: they would. Resumed by a
    /// ticket, it has its device's certificate, but no intermediate ones.
    [[nodiscard]] std::string_view objection_of(const TlsContext& rules) const;
    [[nodiscard]] bool follows(const TlsContext& rules) const noexcept { return context_.get() == &rules; }

    /// About what it holds on the heap (docs/PERFORMANCE.md has the measurement).
    [[nodiscard]] std::size_t memory() const noexcept { return memory_; }
    /// Returns the bytes of a record that are decrypted and not read. Any time; no system call.
    [[nodiscard]] std::size_t decrypted_unread() const noexcept;
    [[nodiscard]] bool is_in_handshake() const noexcept { return memory_ == memory_in_handshake; }
    /// The peer has shown a certificate, and it is good.
    [[nodiscard]] bool is_certified() const noexcept { return memory_ == memory_certified; }

    static constexpr std::size_t memory_in_handshake = 48 * 1024;
    static constexpr std::size_t memory_open = 14 * 1024;
    static constexpr std::size_t memory_certified = 24 * 1024;  ///< with the device's certificate

private:
    [[nodiscard]] TlsOutcome judge(int result) noexcept;
    [[nodiscard]] std::string_view why_failed() const noexcept;
    [[nodiscard]] TlsOutcome check_resumed() noexcept;

    RecordBudget budget_;  // the SSL's BIO and message callback point to it
    SslPtr ssl_;
    std::shared_ptr<const TlsContext> context_;  // the SSL's own points to it
    TlsOutcome read_end_;                        // done: reading has not come to its end yet
    std::size_t memory_ = memory_in_handshake;
};

}  // namespace holdfast
