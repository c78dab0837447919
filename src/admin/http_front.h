#pragma once

#include <httplib.h>

#include <cstddef>
#include <memory>
#include <optional>

#include "admin/api.h"
#include "admin/request_stream.h"

namespace holdfast {

/// What HTTP itself allows of a request, before its body is read. Pure but for its settings.
class RequestGate {
public:
    RequestGate(std::size_t max_body_bytes, bool local_names_only)
        : max_body_bytes_(max_body_bytes), local_names_only_(local_names_only) {}

    /// The answer to a request that must not go further, or nothing.
    [[nodiscard]] std::optional<ApiAnswer> refuse(const httplib::Request& request) const;

    /// The bytes of a body that was not refused.
    [[nodiscard]] static std::size_t body_bytes(const httplib::Request& request);

private:
    std::size_t max_body_bytes_;
    bool local_names_only_;
};

/// HTTP/1.1 between a RequestStream and the Api, spoken by httplib, which here has no socket of its own. serve() may
/// be called by several threads at once. Owns nothing but its settings.
class HttpFront final : private httplib::Server {
public:
    HttpFront(Api& api, RequestGate gate);

    /// Answers one client's requests until either has had enough, or one opens a live feed: then that is returned, the
    /// request has no answer yet, and the caller owes it (feed_stream.h).
    [[nodiscard]] std::unique_ptr<EventHub::Subscription> serve(RequestStream& stream, const Crowd& crowd);

private:
    void answer(const httplib::Request& request, httplib::Response& response);
    void explain(httplib::Response& response) const;
    void prepare(httplib::Request& request, RequestStream& stream, bool& last) const;

    Api& api_;
    RequestGate gate_;
};

}  // namespace holdfast
