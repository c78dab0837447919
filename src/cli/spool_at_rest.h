#pragma once

#include <memory>
#include <string>

#include <holdfast/result.h>

#include "api/api.h"
#include "client/admin_client.h"
#include "daemon/admin_spool.h"
#include "daemon/stopped_gateway.h"
#include "spool/spool.h"

namespace holdfast {

/// A spool without a running gateway, for the interface of the admin API. Owns the spool and its lock. Retention
/// removes nothing. Used by one thread.
class SpoolAtRest {
public:
    /// Returns an error if a gateway holds the spool, or if it is absent or unreadable.
    [[nodiscard]] static Result<std::unique_ptr<SpoolAtRest>> open(const std::string& directory);

    [[nodiscard]] AdminAnswer ask(const AdminQuestion& question);

private:
    explicit SpoolAtRest(std::unique_ptr<Spool> spool);

    std::unique_ptr<Spool> spool_;
    AdminSpool view_;
    StoppedGateway gateway_;
    Api api_;
};

}  // namespace holdfast
