"""TCP_INFO (tcp(7), linux/tcp.h) as a named tuple, and the option numbers that Python's socket module lacks."""

import socket
import struct
from typing import NamedTuple

TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)

# struct tcp_info of Linux 4.19 and later, up to tcpi_snd_wnd (5.4); what follows is not needed here.
_FIELDS = (
    ("state", "B"), ("ca_state", "B"), ("retransmits", "B"), ("probes", "B"), ("backoff", "B"), ("options", "B"),
    ("wscale", "B"), ("flags", "B"),
    ("rto", "I"), ("ato", "I"), ("snd_mss", "I"), ("rcv_mss", "I"), ("unacked", "I"), ("sacked", "I"), ("lost", "I"),
    ("retrans", "I"), ("fackets", "I"), ("last_data_sent", "I"), ("last_ack_sent", "I"), ("last_data_recv", "I"),
    ("last_ack_recv", "I"), ("pmtu", "I"), ("rcv_ssthresh", "I"), ("rtt", "I"), ("rttvar", "I"), ("snd_ssthresh", "I"),
    ("snd_cwnd", "I"), ("advmss", "I"), ("reordering", "I"), ("rcv_rtt", "I"), ("rcv_space", "I"),
    ("total_retrans", "I"), ("pacing_rate", "Q"), ("max_pacing_rate", "Q"), ("bytes_acked", "Q"),
    ("bytes_received", "Q"), ("segs_out", "I"), ("segs_in", "I"), ("notsent_bytes", "I"), ("min_rtt", "I"),
    ("data_segs_in", "I"), ("data_segs_out", "I"), ("delivery_rate", "Q"), ("busy_time", "Q"), ("rwnd_limited", "Q"),
    ("sndbuf_limited", "Q"), ("delivered", "I"), ("delivered_ce", "I"), ("bytes_sent", "Q"), ("bytes_retrans", "Q"),
    ("dsack_dups", "I"), ("reord_seen", "I"), ("rcv_ooopack", "I"), ("snd_wnd", "I"),
)
_LAYOUT = struct.Struct("=" + "".join(kind for _, kind in _FIELDS))
TcpInfo = NamedTuple("TcpInfo", [(name, int) for name, _ in _FIELDS])


def tcp_info(sock):
    """Returns the kernel's state of the connection. Times in ms (rtt, rto in us), sizes in bytes or segments."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAYOUT.size)
    if len(raw) < _LAYOUT.size:
        raise OSError(f"TCP_INFO has only {len(raw)} bytes here: Linux 5.4 or later is needed")
    return TcpInfo(*_LAYOUT.unpack(raw))
