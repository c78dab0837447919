#include "tcp/close_cause.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(AcceptOutcome, Table) {
    EXPECT_EQ(classify_accept(EAGAIN), AcceptOutcome::drained);
    for (const int error : {EINTR, ECONNABORTED, EPERM, EPROTO, EHOSTUNREACH, ECONNRESET}) {
        EXPECT_EQ(classify_accept(error), AcceptOutcome::try_again) << error;
    }
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM})
        EXPECT_EQ(classify_accept(error), AcceptOutcome::pause) << error;
    for (const int error : {EBADF, EINVAL, ENOTSOCK, EFAULT})
        EXPECT_EQ(classify_accept(error), AcceptOutcome::defect) << error;
}

using namespace std::chrono_literals;

constexpr auto user_timeout = 19'600ms;

struct Case {
    const char* what;
    int error;
    IoPhase phase;
    Evidence evidence;
    CloseReason expected;
    std::chrono::milliseconds last_sent = {};
};

const Evidence quiet{.last_ack = 3ms, .last_heard = 3ms, .peer_window = 64'512};
const Evidence probed{.probes = 5, .last_ack = 20'012ms, .last_heard = 20'012ms, .peer_window = 64'512};
const Evidence in_flight{
    .retransmits = 6, .last_ack = 21'000ms, .last_heard = 21'000ms, .unacked_bytes = 18, .peer_window = 64'512};
const Evidence stalled{
    .probes = 1, .last_ack = 7'000ms, .last_heard = 7'000ms, .unacked_bytes = 4'096, .unsent_bytes = 4'096};
const Evidence stalled_then_dead{
    .probes = 6, .last_ack = 19'500ms, .last_heard = 19'500ms, .unacked_bytes = 4'096, .unsent_bytes = 4'096};
// Measured on Linux 6.18: TCP_USER_TIMEOUT 5 s ended these while the process was stopped, which read TCP_INFO after 25
// s.
const Evidence stalled_in_a_pause{
    .last_ack = 21'592ms, .last_heard = 21'592ms, .unacked_bytes = 3'780'608, .unsent_bytes = 3'780'608};
const Evidence gone_in_a_pause{
    .probes = 3, .last_ack = 24'576ms, .last_heard = 24'576ms, .unacked_bytes = 3'780'608, .unsent_bytes = 3'780'608};
const Evidence stalled_in_flight{
    .last_ack = 21'000ms, .last_heard = 21'000ms, .unacked_bytes = 8'192, .unsent_bytes = 4'096};
const Evidence reads_nothing_owes_nothing{.probes = 5, .last_ack = 20'012ms, .last_heard = 20'012ms};

const Case cases[] = {
    {"FIN", 0, IoPhase::read, quiet, CloseReason::peer_closed},
    {"FIN, after probes had gone out", 0, IoPhase::read, probed, CloseReason::peer_closed},
    {"a send of nothing is our defect", 0, IoPhase::write, quiet, CloseReason::internal_error},
    {"RST", ECONNRESET, IoPhase::read, quiet, CloseReason::peer_reset},
    {"RST, noticed by a send", ECONNRESET, IoPhase::write, quiet, CloseReason::peer_reset},
    {"RST after FIN", EPIPE, IoPhase::read, quiet, CloseReason::peer_reset},
    {"RST after FIN, noticed by a send", EPIPE, IoPhase::write, quiet, CloseReason::peer_reset},
    {"silent while idle", ETIMEDOUT, IoPhase::read, probed, CloseReason::keepalive_expired},
    {"silent while idle, window zero but nothing to send", ETIMEDOUT, IoPhase::read, reads_nothing_owes_nothing,
     CloseReason::keepalive_expired},
    {"silent with data in flight", ETIMEDOUT, IoPhase::read, in_flight, CloseReason::retransmit_expired},
    {"silent with data in flight, noticed by a send", ETIMEDOUT, IoPhase::write, in_flight,
     CloseReason::retransmit_expired},
    {"zero window", ETIMEDOUT, IoPhase::read, stalled, CloseReason::window_stalled},
    {"zero window, then dead", ETIMEDOUT, IoPhase::read, stalled_then_dead, CloseReason::retransmit_expired},
    {"zero window, ended in a pause of the gateway", ETIMEDOUT, IoPhase::read, stalled_in_a_pause,
     CloseReason::window_stalled},
    {"zero window, then dead, ended in a pause of the gateway", ETIMEDOUT, IoPhase::read, gone_in_a_pause,
     CloseReason::retransmit_expired},
    {"zero window with bytes in flight, the last of which was answered", ETIMEDOUT, IoPhase::read, stalled_in_flight,
     CloseReason::window_stalled, 21'000ms},
    {"zero window with bytes in flight, the last of which was not answered", ETIMEDOUT, IoPhase::read,
     stalled_in_flight, CloseReason::retransmit_expired, 9'000ms},
    {"ICMP host unreachable", EHOSTUNREACH, IoPhase::read, in_flight, CloseReason::unreachable},
    {"ICMP net unreachable", ENETUNREACH, IoPhase::read, in_flight, CloseReason::unreachable},
    {"ICMP host unknown", EHOSTDOWN, IoPhase::read, in_flight, CloseReason::unreachable},
    {"the route went away under a send", ENETUNREACH, IoPhase::write, in_flight, CloseReason::unreachable},
    {"ICMP administratively prohibited (IPv6)", EACCES, IoPhase::read, in_flight, CloseReason::unreachable},
    {"ICMP port unreachable", ECONNREFUSED, IoPhase::read, in_flight, CloseReason::unreachable},
    {"no kernel memory", ENOMEM, IoPhase::read, quiet, CloseReason::out_of_memory},
    {"no buffers", ENOBUFS, IoPhase::write, quiet, CloseReason::out_of_memory},
    {"no more epoll watches", ENOSPC, IoPhase::register_, quiet, CloseReason::out_of_memory},
    {"a descriptor that is not ours", EBADF, IoPhase::read, quiet, CloseReason::internal_error},
    {"an errno nobody expects", EBADMSG, IoPhase::read, quiet, CloseReason::internal_error},
};

TEST(CloseCause, Table) {
    for (const Case& row : cases) {
        const TcpFacts facts{.evidence = row.evidence, .last_sent = row.last_sent};
        EXPECT_EQ(to_string(classify_close(row.error, row.phase, facts, user_timeout)), to_string(row.expected))
            << row.what;
    }
}

}  // namespace

}  // namespace holdfast
