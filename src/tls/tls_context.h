#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/events.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "tls/device_certificate.h"
#include "tls/openssl_ptr.h"
#include "tls/ticket_keys.h"

namespace holdfast {

/// A fault, and the listener's option that names the file.
struct TlsFault {
    std::string_view option;
    std::string message;  ///< begins with the option
};

/// Files of a client's side: `holdfast load` and tests.
struct TlsClientFiles {
    std::string ca;           ///< empty: the server's certificate is not verified
    std::string certificate;  ///< the client's own; empty: none
    std::string key;
};

/// Owns one listener's certificates, the rules of its handshakes, and the keys of its session tickets, which rotate.
/// The rest is immutable: a reload creates another context, and a session keeps the one that it began with. Shared by
/// all reactors; any thread.
class TlsContext {
    struct Private {};

public:
    using Loaded = std::variant<std::shared_ptr<const TlsContext>, TlsFault>;

    /// Reads and checks every file that `config` names; loads all or nothing. Ticket keys rotate by the clock, which
    /// must outlive the context.
    [[nodiscard]] static Loaded load(const TlsConfig& config);
    [[nodiscard]] static Loaded load(const TlsConfig& config, const Clock& clock);
    [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> for_client(const TlsClientFiles& files);

    explicit TlsContext(Private, SslCtxPtr ctx) : ctx_(std::move(ctx)) {}
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    [[nodiscard]] SSL_CTX* get() const noexcept { return ctx_.get(); }
    [[nodiscard]] bool serves() const noexcept { return serves_; }
    /// Returns true if devices must or may send certificates.
    [[nodiscard]] bool asks() const noexcept { return client_ != TlsClient::off; }

    /// Returns the id of a device's certificate whose chain is valid, if it may connect.
    [[nodiscard]] CertifiedId classify(const X509& certificate) const;

    /// Returns why these rules would reject a device that was accepted under earlier ones with `certificate` (null:
    /// none), `chain` and `id`. Static text, empty if they would accept it. An expired revocation list rejects new
    /// devices, but no connected device that is not on it.
    [[nodiscard]] std::string_view objection_to(X509* certificate, STACK_OF(X509) * chain, std::string_view id) const;

    /// Returns true while a ticket may replace a full handshake: until the first of the authorities and revocation
    /// lists expires.
    [[nodiscard]] bool resumes() const { return clock_->wall() < vouched_until_; }

    /// Returns the keys of its tickets, or nullptr for a client's context.
    [[nodiscard]] TicketKeys* tickets() const noexcept { return tickets_.get(); }

    /// Returns a digest of all files and rules; equal digests mean equal contexts.
    [[nodiscard]] const std::string& digest() const noexcept { return digest_; }
    /// Returns when the listener's own certificate expires.
    [[nodiscard]] EventTime good_until() const noexcept { return good_until_; }
    /// Returns one sentence for each certificate or list that has expired or will expire soon.
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

private:
    friend class TlsLoader;

    SslCtxPtr ctx_;
    bool serves_ = false;
    const Clock* clock_ = nullptr;
    std::unique_ptr<TicketKeys> tickets_;
    EventTime vouched_until_ = EventTime::max();  // the earliest expiry of the authorities and revocation lists
    TlsClient client_ = TlsClient::off;
    TlsId id_ = TlsId::cn;
    bool has_ids_ = false;
    IdList ids_;
    std::string digest_;
    EventTime good_until_;
    std::vector<std::string> warnings_;
};

}  // namespace holdfast
