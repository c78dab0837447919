"""The rows that test_facts.py asserts: each makes one pair of sockets, does one thing to the peer and measures."""

import dataclasses
import errno
import math
import select
import socket
import time

from lab import device
from lab.netlab import GATEWAY4, device_address
from lab.tcp_info import TCP_USER_TIMEOUT, tcp_info

TCP = socket.IPPROTO_TCP
BITS = {"IN": select.EPOLLIN, "ERR": select.EPOLLERR, "HUP": select.EPOLLHUP, "RDHUP": select.EPOLLRDHUP}

# name: idle, interval, count, user timeout in seconds (0: none)
IDLE_PLANS = {
    "idle 1/1/5": (1, 1, 5, 0),
    "idle 2/2/9 (as Go sets for 2 s)": (2, 2, 9, 0),
    "idle 2/1/5, UT 6.5": (2, 1, 5, 6.5),
    "idle 1/1/9, UT 2.5": (1, 1, 9, 2.5),
    "idle 1/1/2, UT 5.5": (1, 1, 2, 5.5),
    "idle 3/4/9, UT 3.5": (3, 4, 9, 3.5),
    "idle 2/1/9, UT 0.5": (2, 1, 9, 0.5),
}
WRITES_AFTER_DEATH = (1.5, 3.5, 6.2)


def idle_death(idle, interval, count, user_timeout):
    """Returns the seconds from the last sign of life to the death of an idle connection."""
    if user_timeout == 0:
        return idle + interval * count
    return idle + interval * max(1, math.ceil((user_timeout - idle) / interval))


@dataclasses.dataclass
class Row:
    what: str
    seconds: float = 0.0          # from the fault to epoll's report
    epoll: set = dataclasses.field(default_factory=set)
    reads: list = dataclasses.field(default_factory=list)
    info: object = None
    note: object = None


class Pair:
    """A gateway's accepted socket and a device's, over the wire of the lab. `with` closes both."""

    def __init__(self, lab, keepalive=None, user_timeout=0.0, source=None, receive_buffer=None):
        self.lab = lab
        with lab.gateway_side():
            listener = socket.create_server((GATEWAY4, 0))
        with listener:
            if keepalive:
                set_keepalive(listener, *keepalive)
            if user_timeout:
                listener.setsockopt(TCP, TCP_USER_TIMEOUT, int(user_timeout * 1000))
            listener.setsockopt(TCP, socket.TCP_NODELAY, 1)
            self.device = device.connect(listener.getsockname(), lab=lab, source=source, receive_buffer=receive_buffer)
            self.gateway, _ = listener.accept()
        self.gateway.setblocking(False)
        self.peer = self.device.getsockname()
        time.sleep(0.05)  # the handshake's last ACK: both clocks of the last sign of life start now

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.close()
        self.device.close()

    def died(self, what, since, within):
        """Waits for ERR, HUP or RDHUP, then looks at everything once; epoll is empty if none came."""
        with select.epoll() as poller:
            poller.register(self.gateway, select.EPOLLRDHUP)
            found = poller.poll(max(0.0, since + within - time.monotonic()))
            row = Row(what, time.monotonic() - since)
            if found:
                row.epoll = bits_of(self.gateway)
        row.info = tcp_info(self.gateway)
        return row

    def death(self, what, since, within):
        row = self.died(what, since, within)
        if row.epoll:
            row.reads = reads_of(self.gateway)
        return row

    def heard_ms(self):
        return tcp_info(self.gateway).last_ack_recv

    def alive_at(self):
        """Returns the time of the last sign of life, by the kernel's count: this thread may be late."""
        now = time.monotonic()
        return now - self.heard_ms() / 1000


def set_keepalive(sock, idle, interval, count):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(TCP, socket.TCP_KEEPCNT, count)


def bits_of(sock):
    with select.epoll() as poller:
        poller.register(sock, select.EPOLLIN | select.EPOLLRDHUP)
        found = poller.poll(0)
    return {name for name, bit in BITS.items() if found and found[0][1] & bit}


def reads_of(sock):
    """Returns the results of consecutive reads: sizes and errno names, up to the first 0 or to EAGAIN."""
    said = []
    while len(said) < 8 and (not said or said[-1] not in (0, "EAGAIN")):
        try:
            said.append(len(sock.recv(1000)))
        except OSError as error:
            said.append(errno.errorcode[error.errno])
    return said


def fill(sock):
    """Writes until the kernel accepts no more."""
    while True:
        try:
            sock.send(b"x" * 65536)
        except BlockingIOError:
            return


# Deaths

def fin(lab):
    with Pair(lab) as pair:
        pair.device.send(b"hello")
        pair.device.close()
        return pair.death("FIN", time.monotonic(), 5)


def rst(lab):
    with Pair(lab) as pair:
        pair.device.send(b"hello")
        since = time.monotonic()
        device.reset(pair.device)
        return pair.death("RST", since, 5)


def rst_with_bytes_unread_by_the_peer(lab):
    with Pair(lab) as pair:
        pair.gateway.send(b"unread")
        time.sleep(0.1)
        pair.device.send(b"hello")
        since = time.monotonic()
        pair.device.close()
        return pair.death("RST, since the peer closed with bytes unread", since, 5)


def silent_idle(lab):
    with Pair(lab, keepalive=(1, 1, 3), user_timeout=3.5) as pair:
        lab.silence(pair.peer)
        return pair.death("silent while idle, keep-alive on", time.monotonic(), 15)


def silent_idle_with_bytes_unread(lab):
    with Pair(lab, keepalive=(1, 1, 3), user_timeout=3.5) as pair:
        pair.device.send(b"hello")
        time.sleep(0.1)
        lab.silence(pair.peer)
        return pair.death("silent while idle, bytes not read yet", time.monotonic(), 15)


def in_flight(lab, what, fault, source=None):
    with Pair(lab, keepalive=(10, 1, 5), user_timeout=2, source=source) as pair:
        fault(pair.peer)
        since = time.monotonic()
        pair.gateway.send(b"into the dark")
        return pair.death(what, since, 15)


def silent_in_flight(lab):
    return in_flight(lab, "silent with data in flight, UT 2 s", lab.silence)


def icmp_no_host_in_flight(lab):
    return in_flight(lab, "the same, and ICMP host unreachable came", lab.icmp_unreachable)


def icmp_no_route_in_flight(lab):
    return in_flight(lab, "the same, and ICMP net unreachable came",
                     lambda peer: lab.icmp_unreachable(peer, what="no_route"))


def own_route_gone_in_flight(lab):
    source = device_address(100)
    return in_flight(lab, "the gateway's own route is gone, UT 2 s", lambda _: lab.remove_route(f"{source}/32"), source)


def icmp_no_host_idle(lab):
    with Pair(lab, keepalive=(1, 1, 3), user_timeout=3.5) as pair:
        lab.icmp_unreachable(pair.peer)
        return pair.death("ICMP host unreachable answers the keep-alive probes", time.monotonic(), 15)


def stalled(lab, user_timeout):
    pair = Pair(lab, keepalive=(1, 1, 3), user_timeout=user_timeout, receive_buffer=4096)
    since = time.monotonic()
    fill(pair.gateway)
    return pair, since


def zero_window(lab):
    pair, since = stalled(lab, 5)
    with pair:
        return pair.death("zero window, UT 5 s", since, 20)


def so_error_after_rst(lab):
    with Pair(lab) as pair:
        since = time.monotonic()
        device.reset(pair.device)
        row = pair.died("RST, SO_ERROR asked first", since, 5)
        return take_error_first(pair, row)


def so_error_after_keepalive(lab):
    with Pair(lab, keepalive=(1, 1, 3)) as pair:
        lab.silence(pair.peer)
        row = pair.died("silent while idle, SO_ERROR asked first", time.monotonic(), 15)
        return take_error_first(pair, row)


def take_error_first(pair, row):
    row.note = errno.errorcode[pair.gateway.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]
    row.reads = reads_of(pair.gateway)
    return row


# Clocks

def inherited(lab):
    with Pair(lab, keepalive=(7, 3, 6), user_timeout=12.345) as pair:
        def read(option, level=TCP):
            return pair.gateway.getsockopt(level, option)
        return Row("options set on the listener", note={
            "keepalive": read(socket.SO_KEEPALIVE, socket.SOL_SOCKET), "idle": read(socket.TCP_KEEPIDLE),
            "interval": read(socket.TCP_KEEPINTVL), "count": read(socket.TCP_KEEPCNT),
            "user_timeout": read(TCP_USER_TIMEOUT), "nodelay": read(socket.TCP_NODELAY)})


def idle_plan(name):
    def row(lab):
        idle, interval, count, user_timeout = IDLE_PLANS[name]
        with Pair(lab, (idle, interval, count), user_timeout) as pair:
            since = pair.alive_at()
            lab.silence(pair.peer)
            return pair.death(name, since, 40)
    return row


def written_after_death(delay):
    def row(lab):
        with Pair(lab, (2, 1, 5), 6.5) as pair:
            since = time.monotonic()
            lab.silence(pair.peer)
            time.sleep(since + delay - time.monotonic())
            pair.gateway.send(b"into the dark")
            return pair.death(f"idle 2/1/5, UT 6.5, a write {delay} s after the death", since, 30)
    return row


def in_flight_without_user_timeout(lab):
    with Pair(lab, keepalive=(1, 1, 3)) as pair:
        lab.silence(pair.peer)
        pair.gateway.send(b"into the dark")
        return pair.death("silent with data in flight, keep-alive 1/1/3, no UT", time.monotonic(), 20)


def zero_window_without_user_timeout(lab):
    pair, _ = stalled(lab, 0)
    with pair:
        return pair.death("zero window, keep-alive 1/1/3, no UT", time.monotonic(), 20)


# Probing now

def ask(pair):
    pair.gateway.setsockopt(TCP, socket.TCP_KEEPIDLE, 1)


def forced_probe(lab):
    with Pair(lab, keepalive=(20, 2, 5), user_timeout=29) as pair:
        time.sleep(1.5)
        before = pair.heard_ms()
        since = time.monotonic()
        ask(pair)
        while pair.heard_ms() >= before and time.monotonic() < since + 5:
            time.sleep(0.0005)
        row = Row("KEEPIDLE lowered to 1: the answer", time.monotonic() - since, note={"heard_before_ms": before})
        row.info = tcp_info(pair.gateway)
        return row


def forced_probe_silent(lab):
    with Pair(lab, keepalive=(20, 2, 5), user_timeout=29) as pair:
        lab.silence(pair.peer)
        time.sleep(1.5)
        ask(pair)
        row = pair.died("KEEPIDLE lowered to 1, peer silent", time.monotonic(), 1)
        row.note = {"last_ack_ms": pair.heard_ms()}
        return row


def forced_probe_rate_limit(lab):
    with Pair(lab, keepalive=(20, 60, 5), user_timeout=50) as pair:
        lab.silence(pair.peer, devices_still_hear=True)
        time.sleep(1.2)
        asked, answered = (tcp_info(side).segs_out for side in (pair.gateway, pair.device))
        since = time.monotonic()
        for number in range(20):
            ask(pair)
            time.sleep(max(0.0, since + 0.1 * (number + 1) - time.monotonic()))
        return Row("20 forced probes 100 ms apart", time.monotonic() - since, note={
            "asked": tcp_info(pair.gateway).segs_out - asked, "answered": tcp_info(pair.device).segs_out - answered})


def forced_probes_kill(lab):
    with Pair(lab, keepalive=(20, 60, 9), user_timeout=2.6) as pair:
        since = pair.alive_at()
        lab.silence(pair.peer)
        time.sleep(1.0)
        while time.monotonic() < since + 10:
            ask(pair)
            row = pair.died("silent, a forced probe every 500 ms, UT 2.6 s", since,
                            min(10, time.monotonic() + 0.5 - since))
            if row.epoll:
                row.reads = reads_of(pair.gateway)
                return row
        return row


ROWS = {row.__name__: row for row in (
    fin, rst, rst_with_bytes_unread_by_the_peer, silent_idle, silent_idle_with_bytes_unread, silent_in_flight,
    icmp_no_host_in_flight, icmp_no_route_in_flight, own_route_gone_in_flight, icmp_no_host_idle, zero_window,
    so_error_after_rst, so_error_after_keepalive, inherited, in_flight_without_user_timeout,
    zero_window_without_user_timeout, forced_probe, forced_probe_silent, forced_probe_rate_limit, forced_probes_kill)}
ROWS |= {name: idle_plan(name) for name in IDLE_PLANS}
ROWS |= {f"written {delay} s after death": written_after_death(delay) for delay in WRITES_AFTER_DEATH}


def as_markdown(rows):
    lines = ["| what happens to the peer | epoll | what read says, in turn | TCP_INFO after death | seconds |",
             "|---|---|---|---|---|"]
    for row in rows.values():
        epoll = " ".join(bit for bit in BITS if bit in row.epoll) or "nothing"
        reads = ", ".join(f"{said} bytes" if isinstance(said, int) and said else str(said) for said in row.reads)
        info = row.info and (f"probes {row.info.probes}, retransmits {row.info.retransmits}, "
                             f"sent - acked {row.info.bytes_sent - row.info.bytes_acked}, "
                             f"snd_wnd {row.info.snd_wnd}, notsent {row.info.notsent_bytes}, "
                             f"last_ack_recv {row.info.last_ack_recv} ms")
        note = f" ({row.note})" if row.note else ""
        lines.append(f"| {row.what}{note} | {epoll} | {reads} | {info or ''} | {row.seconds:.2f} |")
    return "\n".join(lines) + "\n"
