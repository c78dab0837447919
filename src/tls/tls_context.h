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

/// What is wrong, and the option of a listener that names the file.
struct TlsFault {
    std::string_view option;
    std::string message;
};

/// For the client's side: `holdfast load` and tests.
struct TlsClientFiles {
    std::string ca;           ///< empty: the server's certificate is not checked
    std::string certificate;  ///< of its own; empty: none
    std::string key;
};

/// One listener's certificates, the rules of its handshakes, and the keys of its session tickets, which change with
/// time. All else never does: a reload takes another, and a session keeps the one that it began with. Shared by all
/// reactors; any thread.
class TlsContext {
    struct Private {};

public:
    using Loaded = std::variant<std::shared_ptr<const TlsContext>, TlsFault>;

    /// Reads and checks every file that `config` names; what is not loaded as a whole is not loaded. Keys of tickets go
    /// by the clock, which must outlive it.
    [[nodiscard]] static Loaded load(const TlsConfig& config);
    [[nodiscard]] static Loaded load(const TlsConfig& config, const Clock& clock);
    [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> for_client(const TlsClientFiles& files);

    explicit TlsContext(Private, SslCtxPtr ctx) : ctx_(std::move(ctx)) {}
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    [[nodiscard]] SSL_CTX* get() const noexcept { return ctx_.get(); }
    [[nodiscard]] bool serves() const noexcept { return serves_; }
    /// Devices for certificates.
    [[nodiscard]] bool asks() const noexcept { return client_ != TlsClient::off; }

    /// The id of a device's certificate whose chain is good, if it may come in.
    [[nodiscard]] CertifiedId judge(const X509& certificate) const;

    /// Why these rules would not let in a device that has shown `certificate` (null: none) and `chain` under earlier
    /// ones, and has `id` by that; static text, empty: they would. A revocation list that has not been renewed in time
    /// turns away who comes, but nobody who is there and not on it.
    [[nodiscard]] std::string_view objection_to(X509* certificate, STACK_OF(X509) * chain, std::string_view id) const;

    /// Whether a ticket still stands for a whole handshake: until the first of the authorities or revocation lists
    /// ends.
    [[nodiscard]] bool resumes() const { return clock_->wall() < vouched_until_; }

    /// Of the tickets it gives; nullptr: it is a client's.
    [[nodiscard]] TicketKeys* tickets() const noexcept { return tickets_.get(); }

    /// What it was made of: equal where every file and every rule is.
    [[nodiscard]] const std::string& digest() const noexcept { return digest_; }
    /// Until when the listener's own certificate is good.
    [[nodiscard]] EventTime good_until() const noexcept { return good_until_; }
    /// Allowed, but not what is wanted: what has expired, or will soon. One sentence each.
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

private:
    friend class TlsLoader;

    SslCtxPtr ctx_;
    bool serves_ = false;
    const Clock* clock_ = nullptr;
    std::unique_ptr<TicketKeys> tickets_;
    EventTime vouched_until_ = EventTime::max();  // by what its devices' certificates are judged
    TlsClient client_ = TlsClient::off;
    TlsId id_ = TlsId::cn;
    bool has_ids_ = false;
    IdList ids_;
    std::string digest_;
    EventTime good_until_;
    std::vector<std::string> warnings_;
};

}  // namespace holdfast
