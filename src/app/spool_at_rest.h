#pragma once

#include <memory>
#include <string>

#include <holdfast/result.h>

#include "admin/api.h"
#include "app/admin_client.h"
#include "app/admin_spool.h"
#include "app/stopped_gateway.h"
#include "spool/spool.h"

namespace holdfast {

/// A spool without a gateway, which answers the admin API's questions about it. Owns the spool and its lock; retention
/// removes nothing. One thread.
class SpoolAtRest {
public:
    /// Errors: a gateway has it, it is not there, it cannot be read.
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
