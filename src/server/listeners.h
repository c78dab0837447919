#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/liveness.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"
#include "device/token_set.h"
#include "server/kept_state.h"
#include "tcp/socket_options.h"

namespace holdfast {

/// A configured listener with a bound listening socket for each reactor.
struct BoundListener {
    LivenessPlan plan;  ///< read back from an accepted socket
    Endpoint address;   ///< with the port that the kernel chose
    std::vector<UniqueFd> sockets;
    bool inherited = false;  ///< waiting connections have not the plan's options
    bool kept = false;       ///< the sockets are those of an earlier process
    std::shared_ptr<const TokenSet> tokens;
};

/// Reads the listener's tokens_file; null if it has none.
[[nodiscard]] Result<std::shared_ptr<const TokenSet>> load_tokens(const ListenerConfig& config);

/// Returns the error with the listener's name in front.
[[nodiscard]] Error of_listener(const ListenerConfig& config, Error error);
/// Returns the error of a listener with its place: the field "address" becomes "listeners[1].address".
[[nodiscard]] Error at_listener(Error error, std::size_t index);

/// Whether another socket may be bound to the address.
enum class AddressUse : std::uint8_t {
    must_be_free,
    may_be_ours,  ///< a listener of this process has it, and is about to release it
};

/// Binds one listener `reactors` times and proves its plan. On an error no socket stays bound.
[[nodiscard]] Result<BoundListener> bind_listener(const ListenerConfig& config, unsigned reactors, AddressUse use);

/// Binds every listener `reactors` times and proves its plan. Takes over the sockets of an earlier process from `kept`,
/// if it is not null, with the connections that wait. On an error no other socket stays bound.
[[nodiscard]] Result<std::vector<BoundListener>> bind_listeners(const std::vector<ListenerConfig>& listeners,
                                                                unsigned reactors, KeptState* kept);

/// Leaves the sockets of an earlier process open after a start that failed: the next process takes them over.
void leave_kept(std::vector<BoundListener>& listeners);

}  // namespace holdfast
