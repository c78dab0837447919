#include "tcp/tcp_info.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/kernel.h"

namespace holdfast {

std::optional<TcpFacts> read_tcp_facts(int fd) noexcept {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;

    const std::uint64_t first_sent = info.tcpi_bytes_sent - std::min(info.tcpi_bytes_sent, info.tcpi_bytes_retrans);
    const std::uint64_t in_flight = first_sent - std::min(first_sent, std::uint64_t{info.tcpi_bytes_acked});
    TcpFacts facts;
    facts.unacked_segments = info.tcpi_unacked;
    facts.acked_bytes = info.tcpi_bytes_acked;
    facts.last_sent = std::chrono::milliseconds(info.tcpi_last_data_sent);
    facts.evidence = Evidence{
        .probes = info.tcpi_probes,
        .retransmits = info.tcpi_retransmits,
        .last_ack = std::chrono::milliseconds(info.tcpi_last_ack_recv),
        // A data segment without a new acknowledgement does not update last_ack, but it proves that the peer lives.
        .last_heard = std::chrono::milliseconds(std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv)),
        .unacked_bytes = in_flight + info.tcpi_notsent_bytes,
        .unsent_bytes = info.tcpi_notsent_bytes,
        .peer_window = info.tcpi_snd_wnd,
        .rtt = std::chrono::microseconds(info.tcpi_rtt),
    };
    return facts;
}

}  // namespace holdfast
