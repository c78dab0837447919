#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast {

/// Limits what a peer can make OpenSSL read. SSL_read and SSL_do_handshake of OpenSSL 3.0 return only with application
/// data, an error or an empty socket. Any number of KeyUpdates and tiny records is one call. Owned by a TlsSession,
/// whose BIO and message callback report to it; one thread.
class RecordBudget {
public:
    // As much as a plain connection reads in a turn. A record costs two calls of recv(2), about 3 us.
    static constexpr std::size_t bytes_per_turn = 256 * 1024;
    static constexpr unsigned records_per_turn = 256;
    // A KeyUpdate derives new keys: about 40 us.
    static constexpr unsigned records_per_key_update = 16;

    // RFC 8446, 4.6.3 sets no limit. A client within the limits of 5.5 updates once in 2^24 records.
    static constexpr unsigned key_updates_without_data = 32;
    static constexpr unsigned records_without_data = 256;

    // A ClientHello contains a ticket with the device's certificate; a chain has at most 32 KiB.
    static constexpr std::size_t client_hello_bytes = 48 * 1024;
    static constexpr std::size_t handshake_bytes = 96 * 1024;
    // 32 KiB in fragments of 512 bytes, the smallest (RFC 6066, 4), are 64 records.
    static constexpr unsigned handshake_records = 512;
    static constexpr std::size_t handshake_bytes_per_turn = 32 * 1024;
    static constexpr unsigned handshake_records_per_turn = 32;

    /// Lifts every limit, for a client's side, which has chosen its peer.
    void lift() noexcept { limited_ = false; }

    /// Starts the connection's share of a turn of the event loop.
    void begin_turn() noexcept {
        bytes_left_ = in_handshake_ ? handshake_bytes_per_turn : bytes_per_turn;
        records_left_ = in_handshake_ ? handshake_records_per_turn : records_per_turn;
        ran_out_ = false;
    }

    /// Returns how many of `wanted` bytes may be read from the socket now; 0 if refused, or until the next turn.
    [[nodiscard]] std::size_t allow(std::size_t wanted) noexcept {
        if (!limited_) return wanted;
        if (is_refused()) return 0;
        ran_out_ = bytes_left_ == 0 || records_left_ == 0;
        return ran_out_ ? 0 : wanted < bytes_left_ ? wanted : bytes_left_;
    }
    void count_bytes(std::size_t bytes) noexcept {
        bytes_left_ -= bytes < bytes_left_ ? bytes : bytes_left_;
        if (!in_handshake_) return;
        bytes_in_handshake_ += bytes;
        if (!has_hello_ && bytes_in_handshake_ > client_hello_bytes) refuse("the ClientHello is longer than 48 KiB");
        if (bytes_in_handshake_ > handshake_bytes) refuse("the TLS handshake is longer than 96 KiB");
    }
    /// Counts a record whose header was read.
    void count_record() noexcept {
        spend_records(1);
        ++records_in_row_;
        if (in_handshake_) {
            if (records_in_row_ > handshake_records) refuse("the TLS handshake took more than 512 records");
        } else if (records_in_row_ > records_without_data) {
            refuse("more than 256 TLS records in a row had no application data");
        }
    }
    void count_client_hello() noexcept { has_hello_ = true; }
    void count_key_update() noexcept {
        spend_records(records_per_key_update - 1);
        if (++key_updates_in_row_ > key_updates_without_data) {
            refuse("more than 32 KeyUpdates arrived without application data between them");
        }
    }
    /// Notes application data in either direction.
    void count_data() noexcept { records_in_row_ = key_updates_in_row_ = 0; }
    /// Returns the bytes that the handshake has read.
    [[nodiscard]] std::size_t bytes_in_handshake() const noexcept { return bytes_in_handshake_; }
    void end_handshake() noexcept {
        in_handshake_ = false;
        count_data();
    }

    /// Returns true if reading stopped because the turn's share is used up: the socket may contain more.
    [[nodiscard]] bool ran_out() const noexcept { return ran_out_; }
    /// Returns true if the connection must end.
    [[nodiscard]] bool is_refused() const noexcept { return limited_ && !refusal_.empty(); }
    /// Returns why the connection must end, or an empty text; static.
    [[nodiscard]] std::string_view refusal() const noexcept { return limited_ ? refusal_ : std::string_view(); }

private:
    void spend_records(unsigned records) noexcept {
        records_left_ -= records < records_left_ ? records : records_left_;
    }
    void refuse(std::string_view why) noexcept {
        if (refusal_.empty()) refusal_ = why;
    }

    std::string_view refusal_;
    std::size_t bytes_left_ = handshake_bytes_per_turn;
    std::size_t bytes_in_handshake_ = 0;
    unsigned records_left_ = handshake_records_per_turn;
    unsigned records_in_row_ = 0;  // without application data; in the handshake: all
    unsigned key_updates_in_row_ = 0;
    bool limited_ = true;
    bool in_handshake_ = true;
    bool has_hello_ = false;
    bool ran_out_ = false;
};

}  // namespace holdfast
