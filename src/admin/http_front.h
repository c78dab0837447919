#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin/admin_meter.h"
#include "admin/api.h"
#include "admin/request_gate.h"
#include "admin/request_stream.h"

namespace holdfast {

/// HTTP/1.1 between a RequestStream and the Api. Every head is read and judged here first; what passes is spoken by
/// httplib, which here has no socket of its own. serve() may be called by several threads at once. Owns nothing but its
/// settings.
class HttpFront final : private httplib::Server {
public:
    /// Told of whoever had no right to come in.
    using OnUnauthorized = std::function<void(const Endpoint& peer)>;

    HttpFront(Api& api, RequestGate gate, AdminMeter& meter, OnUnauthorized on_unauthorized = {});

    /// Answers one client's requests until either has had enough, or one opens a live feed: then that is returned, the
    /// request has no answer yet, and the caller owes it (feed_stream.h).
    [[nodiscard]] std::unique_ptr<EventHub::Subscription> serve(RequestStream& stream, const Crowd& crowd,
                                                                const std::function<DoorSecrets()>& secrets);

    /// Returns the answer to a probe that the gate lets through; nullopt: another request, for serve().
    [[nodiscard]] std::optional<std::string> answer_probe(std::string_view bytes, const DoorSecrets& secrets);

private:
    enum class Next { request, end };

    [[nodiscard]] bool admit(RequestStream& stream, const DoorSecrets& secrets, RequestHead& head);
    [[nodiscard]] Next exchange(RequestStream& stream, const RequestHead& head, bool last);
    void turn_down(RequestStream& stream, const ApiAnswer& refusal, bool with_body);
    void answer(const httplib::Request& request, httplib::Response& response);
    void explain(httplib::Response& response) const;

    Api& api_;
    RequestGate gate_;
    AdminMeter& meter_;
    OnUnauthorized on_unauthorized_;
};

}  // namespace holdfast
