"""The samples that test_reasons.py asserts: each ends one connection in one way. A sample takes the stage and returns
(record, measured value)."""

import contextlib
import dataclasses
import socket
import time

import certificates
import tokens
from gateway import NO_SUSPICION, Gateway, listener
from lab import device
from lab.netlab import GATEWAY4, GATEWAY6

# One listener per policy, since each connection must end by one of them.
CONFIG = "".join((
    'reactors = 2\n' + NO_SUSPICION,
    listener("fast", f"{GATEWAY4}:0", detect_within="5s", read_idle="off"),
    listener("six", f"[{GATEWAY6}]:0", detect_within="5s", read_idle="off"),
    listener("patient", f"{GATEWAY4}:0", detect_within="10s", read_idle="off"),
    listener("stall_early", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", write_stall="3s"),
    listener("stall_late", f"{GATEWAY4}:0", detect_within="5s", read_idle="off", write_stall="12s"),
    listener("quiet", f"{GATEWAY4}:0", detect_within="30s", read_idle="2s"),
    listener("deadline", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", item_deadline="2s"),
    listener("strict", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", max_bad_items=3),
    listener("proxied", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", proxy_protocol="v1",
             trusted_proxies=["0.0.0.0/0"]),
    listener("tokens", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", tokens_file=str(tokens.FILE)),
    listener("tls", f"{GATEWAY4}:0", detect_within="30s", read_idle="off", **certificates.own_listener()),
))
REMOVED = listener("removed", f"{GATEWAY4}:0", detect_within="30s", read_idle="off")


class Stage:
    """A gateway with CONFIG and REMOVED in a lab, and devices for it. Owns the devices' sockets, so that none ends
    early."""

    def __init__(self, lab):
        self.lab = lab
        self.gateway = Gateway(config=CONFIG + REMOVED, namespace=lab.gateway)
        self.sockets = []

    def device(self, name, key="10.20.30.40", **options):
        """Connects to the listener of this name, with one item sent and seen (none if `key` is None)."""
        since = time.monotonic()
        sock = device.connect(self.gateway.ports[name], lab=self.lab, **options)
        self.sockets.append(sock)
        record = self.gateway.connected(device.name_of(sock), since, listener=name)
        if key is not None:
            sock.sendall(device.item(key))
            assert self.gateway.events.wait(lambda: record.items, 10), f"no item{self.gateway.tail()}"
        return sock, record

    def unopened(self, name):
        """Connects, without being open to the gateway before its header, handshake or token: `connected` arrives with
        its end."""
        since = time.monotonic()
        sock = device.connect(self.gateway.ports[name], lab=self.lab)
        self.sockets.append(sock)
        peer = device.name_of(sock)
        return sock, time.monotonic(), lambda timeout=10: self.gateway.connected(peer, since, timeout, listener=name)

    def downlink(self, record, **message):
        assert self.gateway.send(record.conn, message or {"do": "report"}) == 202

    def close(self):
        for sock in self.sockets:
            sock.close()


@dataclasses.dataclass
class Outcome:
    record: object
    since: float = 0.0  # when the fault began, on the monotonic clock as record.closed_at
    sent: bytes = b""

    @property
    def seconds(self):
        return self.record.closed_at - self.since


def ended(stage, record, since, within, sent=b""):
    return Outcome(stage.gateway.closed(record, within), since, sent)


# peer

def fin(stage):
    sock, record = stage.device("fast")
    since = time.monotonic()
    sock.close()
    return ended(stage, record, since, 5)


def fin_with_last_words(stage):
    sock, record = stage.device("fast", key=None)
    since = time.monotonic()
    sock.sendall(device.item("10.0.0.1") + device.item("10.0.0.2"))
    sock.close()
    return ended(stage, record, since, 5)


def fin_of_one_direction(stage):
    sock, record = stage.device("fast")
    since = time.monotonic()
    sock.shutdown(socket.SHUT_WR)
    return ended(stage, record, since, 5)


def rst(stage):
    sock, record = stage.device("fast")
    since = time.monotonic()
    device.reset(sock)
    return ended(stage, record, since, 5)


def rst_with_bytes_unread(stage):
    sock, record = stage.device("fast")
    stage.downlink(record)
    time.sleep(0.3)
    since = time.monotonic()
    sock.close()
    return ended(stage, record, since, 5)


def rst_with_last_words(stage):
    sock, record = stage.device("fast", key=None)
    since = time.monotonic()
    sock.sendall(device.item("10.0.0.1") + device.item("10.0.0.2"))
    device.reset(sock)
    return ended(stage, record, since, 5)


# network

def silenced_idle(stage):
    sock, record = stage.device("fast")
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    return ended(stage, record, since, 30)


def silenced_idle_over_ipv6(stage):
    sock, record = stage.device("six")
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    return ended(stage, record, since, 30)


def silenced_then_downlink(stage):
    sock, record = stage.device("fast")
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    stage.downlink(record)
    return ended(stage, record, since, 30)


def silenced_then_downlink_amid_probing(stage):
    sock, record = stage.device("patient")
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    time.sleep(5)  # seconds after the first probe, and before the last
    stage.downlink(record)
    return ended(stage, record, since, 30)


def downlink_then_silenced(stage):
    """Closes an idle connection after an acknowledged downlink, which must not look like data in flight."""
    sock, record = stage.device("fast")
    stage.downlink(record)
    time.sleep(0.5)
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    return ended(stage, record, since, 30)


def flood(stage, record):
    """Sends messages until the queue is full: the kernel's buffers and the device's window are full before."""
    answers = []
    while not answers or answers[-1] == 202:
        assert len(answers) < 2000, "limits.downlink_queue does not bound what waits for a device that reads nothing"
        answers.append(stage.gateway.send(record.conn, {"fill": "x" * 32_000}))
    assert answers[-1] == 429, f"{answers[-1]}{stage.gateway.tail()}"


def stalled(stage, name, within):
    sock, record = stage.device(name, receive_buffer=4096)
    since = time.monotonic()
    flood(stage, record)
    return ended(stage, record, since, within)


def stalled_by_default(stage):
    return stalled(stage, "fast", 30)


def stalled_early(stage):
    return stalled(stage, "stall_early", 30)


def stalled_late(stage):
    return stalled(stage, "stall_late", 40)


def stalled_and_reading_again(stage):
    """Reads again in time, so that the device is not closed: it gets its messages, then is kicked."""
    sock, record = stage.device("stall_late", receive_buffer=4096)
    flood(stage, record)
    time.sleep(6)
    sock.settimeout(0.5)
    received = 0
    with contextlib.suppress(TimeoutError):
        while chunk := sock.recv(65536):
            received += len(chunk)
    assert received > 32_000, "the messages did not come"
    time.sleep(8)
    assert not record.closed, f"closed although it read again: {record.closed}"
    since = time.monotonic()
    assert stage.gateway.close_connection(record.conn) == 200
    return ended(stage, record, since, 5)


def stalled_then_silenced(stage):
    """Goes silent behind a closed window: the window probes stay unanswered, which is unacknowledged data."""
    sock, record = stage.device("patient", receive_buffer=4096)
    flood(stage, record)
    time.sleep(1.5)
    since = time.monotonic()
    stage.lab.silence(sock.getsockname())
    return ended(stage, record, since, 40)


def icmp(stage, what):
    sock, record = stage.device("patient")
    sock.sendall(device.item("10.20.30.40"))  # activity just now, so that the kernel's clock runs first
    since = time.monotonic()
    stage.lab.icmp_unreachable(sock.getsockname(), what=what)
    stage.downlink(record)
    return ended(stage, record, since, 30)


def icmp_no_host(stage):
    return icmp(stage, "no_host")


def icmp_no_route(stage):
    return icmp(stage, "no_route")


# policy

def nothing_sent(stage):
    since = time.monotonic()
    _, record = stage.device("quiet", key=None)
    return ended(stage, record, since, 10)


def one_item_then_nothing(stage):
    _, record = stage.device("quiet")
    return ended(stage, record, record.items[0].at, 10)


def blank_lines_are_no_items(stage):
    since = time.monotonic()
    sock, record = stage.device("quiet", key=None)
    return trickle(stage, sock, record, since, b"\n" * 40)


def trickle(stage, sock, record, since, octets):
    sent = 0
    for octet in octets:
        if stage.gateway.events.wait(lambda: record.closed, 0.25):
            break
        sock.sendall(bytes([octet]))
        sent += 1
    return ended(stage, record, since, 5, octets[:sent])


def half_an_item(stage):
    sock, record = stage.device("deadline")
    since = time.monotonic()
    sock.sendall(b'{"ip":"10.0.0.')
    return ended(stage, record, since, 10)


def an_item_byte_by_byte(stage):
    sock, record = stage.device("deadline")
    return trickle(stage, sock, record, time.monotonic() + 0.25, b'{"ip":"10.20.30.40","status":"slow"')


def an_object_without_newline(stage):
    sock, record = stage.device("deadline")
    since = time.monotonic()
    sock.sendall(b'{"ip":"10.20.30.40","status":"online"}')
    return ended(stage, record, since, 10)


def kicked(stage):
    _, record = stage.device("fast")
    since = time.monotonic()
    assert stage.gateway.close_connection(record.conn) == 200
    return ended(stage, record, since, 5)


def superseded(stage):
    """Sends the same id on a newer connection; the older one's items are delivered."""
    older, record = stage.device("fast", key=None)
    older.sendall(b'{"hello":{"id":"device-17"}}\n' + device.item("10.0.0.4"))
    newer, _ = stage.device("fast", key=None)
    assert stage.gateway.events.wait(lambda: record.items, 10)
    since = time.monotonic()
    newer.sendall(b'{"hello":{"id":"device-17"}}\n')
    outcome = ended(stage, record, since, 5)
    newer.close()
    return outcome


# local

def listener_removed(stage):
    """Removes the listener while all other samples run: their listeners are not touched."""
    sock, record = stage.device("removed")
    sock.sendall(device.item("10.0.0.3"))
    since = time.monotonic()
    stage.gateway.reload(CONFIG)
    return ended(stage, record, since, 5)


# protocol

def too_large(stage):
    sock, record = stage.device("strict")
    since = time.monotonic()
    with contextlib.suppress(ConnectionError):
        sock.sendall(b'{"ip":"' + b"x" * 70_000)
    return ended(stage, record, since, 5)


def bad_items_in_a_row(stage):
    sock, record = stage.device("strict")
    since = time.monotonic()
    with contextlib.suppress(ConnectionError):
        sock.sendall(b'no\n[]\n' + device.item("10.0.0.9") + b'{}\n{"ip":7}\nno\n')
    return ended(stage, record, since, 5)


def a_wrong_token(stage):
    sock, since, record_of = stage.unopened("tokens")
    sock.sendall(tokens.hello("device-17", "0" * 64) + device.item("10.0.0.6"))
    return ended(stage, record_of(), since, 5)


def a_silent_stranger(stage):
    """Sends its id without proof."""
    sock, since, record_of = stage.unopened("tokens")
    sock.sendall(tokens.hello("device-17", "0" * 64)[:-10])
    return ended(stage, record_of(15), since, 5)


def no_proxy_header(stage):
    sock, since, record_of = stage.unopened("proxied")
    sock.sendall(device.item("10.0.0.5"))
    return ended(stage, record_of(), since, 5)


def a_proxy_header_byte_by_byte(stage):
    sock, since, record_of = stage.unopened("proxied")
    for octet in b"PROXY TCP4 192.0.2.1 192.":
        if stage.gateway.events.wait(lambda: ("proxied", device.name_of(sock)) in stage.gateway.events.by_listener, 0.25):
            break
        sock.sendall(bytes([octet]))
    return ended(stage, record_of(), since, 5)


def plain_on_a_tls_port(stage):
    sock, since, record_of = stage.unopened("tls")
    sock.sendall(device.item("10.0.0.5"))
    return ended(stage, record_of(), since, 5)


def a_handshake_that_stops(stage):
    sock, since, record_of = stage.unopened("tls")
    sock.sendall(bytes.fromhex("160301"))
    return ended(stage, record_of(), since, 7)


# name: (function, reason)
SAMPLES = {run.__name__: (run, reason) for run, reason in (
    (fin, "peer_closed"), (fin_with_last_words, "peer_closed"), (fin_of_one_direction, "peer_closed"),
    (rst, "peer_reset"), (rst_with_bytes_unread, "peer_reset"), (rst_with_last_words, "peer_reset"),
    (silenced_idle, "keepalive_expired"), (silenced_idle_over_ipv6, "keepalive_expired"),
    (downlink_then_silenced, "keepalive_expired"),
    (silenced_then_downlink, "retransmit_expired"), (silenced_then_downlink_amid_probing, "retransmit_expired"),
    (stalled_then_silenced, "retransmit_expired"),
    (stalled_by_default, "window_stalled"), (stalled_early, "window_stalled"), (stalled_late, "window_stalled"),
    (stalled_and_reading_again, "kicked"),
    (icmp_no_host, "unreachable"), (icmp_no_route, "unreachable"),
    (nothing_sent, "read_idle"), (one_item_then_nothing, "read_idle"), (blank_lines_are_no_items, "read_idle"),
    (half_an_item, "item_deadline"), (an_item_byte_by_byte, "item_deadline"),
    (an_object_without_newline, "item_deadline"),
    (kicked, "kicked"), (superseded, "superseded"), (listener_removed, "drained"),
    (too_large, "item_too_large"), (bad_items_in_a_row, "too_many_bad_items"),
    (a_wrong_token, "unauthenticated"), (a_silent_stranger, "unauthenticated"),
    (plain_on_a_tls_port, "tls_failed"), (a_handshake_that_stops, "tls_failed"),
    (no_proxy_header, "proxy_header_invalid"), (a_proxy_header_byte_by_byte, "proxy_header_invalid"))}
