#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// A TCP socket in the kernel's table.
struct KernelSocket {
    std::uint64_t inode = 0;  ///< 0: no process has a descriptor of it (not accepted yet, or already closed)
    std::uint8_t state = 0;   ///< TCP_ESTABLISHED, TCP_CLOSE_WAIT, ... of netinet/tcp.h
    Endpoint local;
    Endpoint peer;
};

/// Passes the connected sockets of this network namespace with one of `local_ports` to `take`, without the listening
/// ones (sock_diag(7); linux/inet_diag.h). Keeps none. The kernel filters and answers in parts of some hundred sockets;
/// a pause after each leaves the table's locks free. Any thread; needs no privilege. An error names the step that
/// failed.
[[nodiscard]] std::optional<Error> each_kernel_socket(std::span<const std::uint16_t> local_ports,
                                                      const std::function<void(const KernelSocket&)>& take);

}  // namespace holdfast
