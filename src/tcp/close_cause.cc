#include "tcp/close_cause.h"

#include <cerrno>

#include "base/plant.h"

namespace holdfast {

AcceptOutcome classify_accept(int error) noexcept {
    switch (error) {
        case EAGAIN:
            return AcceptOutcome::drained;
        case EINTR:
        case ECONNABORTED:
        case EPERM:  // a firewall rule rejected it
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case ETIMEDOUT:
        case ECONNRESET:
            return AcceptOutcome::try_again;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return AcceptOutcome::pause;
        default:
            return AcceptOutcome::defect;
    }
}

CloseReason classify_timeout(const TcpFacts& facts, std::chrono::milliseconds user_timeout) noexcept {
    if (planted("one_reason")) return CloseReason::keepalive_expired;
    const Evidence& evidence = facts.evidence;
    const bool waiting_for_window = evidence.peer_window == 0 && evidence.unacked_bytes > 0;
    // Window probes back off exponentially, so the latest answer of a living peer is up to half the timeout old. A peer
    // that failed with a closed window has been silent for longer, with unacknowledged data. Ages grow after the
    // kernel's verdict, too, while the gateway's process is stopped. An answer to the latest probe shows a living peer
    // at any age.
    const bool is_fresh = evidence.last_ack <= user_timeout * 2 / 3;
    if (waiting_for_window && (is_fresh || facts.answered_behind_window())) return CloseReason::window_stalled;
    if (evidence.unacked_bytes > 0 || evidence.retransmits > 0) return CloseReason::retransmit_expired;
    return CloseReason::keepalive_expired;
}

CloseReason classify_close(int error, IoPhase phase, const TcpFacts& facts,
                           std::chrono::milliseconds user_timeout) noexcept {
    switch (error) {
        case 0:
            return phase == IoPhase::read ? CloseReason::peer_closed : CloseReason::internal_error;
        case ECONNRESET:
        case EPIPE:  // a reset after the peer's FIN (net/ipv4/tcp_input.c, tcp_reset)
            return CloseReason::peer_reset;
        case ETIMEDOUT:
            return classify_timeout(facts, user_timeout);
        // net/ipv4/icmp.c and net/ipv6/icmp.c map ICMP errors to these errnos.
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EHOSTDOWN:
        case ENETDOWN:
        case ENONET:
        case ENOPROTOOPT:
        case ECONNREFUSED:
        case EACCES:
        case EPROTO:
            return CloseReason::unreachable;
        case ENOMEM:
        case ENOBUFS:
        case ENOSPC:  // epoll_ctl: fs.epoll.max_user_watches is reached
            return CloseReason::out_of_memory;
        default:
            return CloseReason::internal_error;
    }
}

}  // namespace holdfast
