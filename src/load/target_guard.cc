#include "load/target_guard.h"

#include "base/address_kind.h"

namespace holdfast {

Result<Endpoint> check_target(const Endpoint& target, bool any_target) {
    if (target.port == 0)
        return Error{"the target " + to_string(target) + " has no port: give the one the gateway listens on"};
    if (any_target || is_private(target.address)) return target;
    return Error{to_string(target.address) +
                 " is neither a loopback nor a private address: if it is yours to load, add --allow-any-target"};
}

}  // namespace holdfast
