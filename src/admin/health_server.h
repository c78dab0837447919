#pragma once

#include <memory>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "admin/admin_meter.h"
#include "admin/api.h"
#include "admin/request_head.h"
#include "admin/request_lobby.h"

namespace holdfast {

/// Answers GET and HEAD of /healthz and /readyz at a place of their own, in plain HTTP, to everybody, and nothing else.
/// Owns a RequestLobby; the gateway must outlive it.
class HealthServer {
public:
    /// `place` as in AdminServer::start. Of `options` only what the two answers say is used.
    [[nodiscard]] static Result<std::unique_ptr<HealthServer>> start(std::string_view place, ControlPlane& gateway,
                                                                     ApiOptions options, AdminMeter& meter);

    /// All zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept { return lobby_->listener().address(); }
    void stop() { lobby_->stop(); }

private:
    HealthServer(ControlPlane& gateway, ApiOptions options, AdminMeter& meter)
        : api_(gateway, std::move(options)), meter_(meter) {}

    [[nodiscard]] std::optional<std::string> answer(const Arrival& arrival);

    Api api_;
    AdminMeter& meter_;
    std::unique_ptr<RequestLobby> lobby_;  // last: its thread calls answer()
};

/// Returns whether the request is a probe's: GET or HEAD of /healthz or /readyz, without a body.
[[nodiscard]] bool is_probe(const RequestHead& head) noexcept;

}  // namespace holdfast
