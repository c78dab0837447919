#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// A TCP socket as the kernel's own table has it.
struct KernelSocket {
    std::uint64_t inode = 0;  ///< 0: no process has a descriptor of it (not accepted yet, or closed already)
    std::uint8_t state = 0;   ///< TCP_ESTABLISHED, TCP_CLOSE_WAIT, ... of netinet/tcp.h
    Endpoint local;
    Endpoint peer;
};

/// Hands on the connected sockets of this network namespace with one of `local_ports`, listening ones left out
/// (sock_diag(7); linux/inet_diag.h), and keeps none. The kernel filters; it answers in pieces of some hundred sockets,
/// and a pause after each keeps the table's locks free. Any thread; needs no privilege. An error names the step that
/// failed.
[[nodiscard]] std::optional<Error> each_kernel_socket(std::span<const std::uint16_t> local_ports,
                                                      const std::function<void(const KernelSocket&)>& take);

}  // namespace holdfast
