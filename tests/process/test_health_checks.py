"""Health checks of proxies, byte for byte as HAProxy 2.6 sends them, are no devices; and devices behind the same proxy
are."""

import socket
import ssl
import struct

import pytest

from certificates import Authority
from gateway import Gateway, listener

V2 = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = V2 + b"\x20\x00\x00\x00"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("pki"))
    certificate, key = made.sign("gateway", alternative="IP:127.0.0.1")
    tls = {"tls_certificate": str(certificate), "tls_key": str(key)}
    trust = {"trusted_proxies": ["127.0.0.0/8"]}
    config = listener("v1", proxy_protocol="v1", **trust) + listener("v2", proxy_protocol="v2", **trust) + \
        listener("tls", proxy_protocol="v2", **trust, **tls) + \
        listener("length", framing="length", proxy_protocol="v2", **trust) + \
        listener("tls-v1", proxy_protocol="v1", **trust, **tls) + \
        "[limits]\nmax_connections_per_peer = 2\n[alarm]\ndrop_least = 2\n"
    with Gateway(config=config) as one:
        yield one


def connect(gateway, name):
    return socket.create_connection(gateway.ports[name], timeout=20)


def line_of(sock, port=None, protocol="TCP4", to="127.0.0.1"):
    """Returns the v1 header in which a proxy names its own address, as `send-proxy check` does."""
    host, own = sock.getsockname()
    return f"PROXY {protocol} {host} {to} {port or own} 7000\r\n".encode()


def own_v2(sock):
    (host, port), (to_host, to_port) = sock.getsockname(), sock.getpeername()
    return V2 + b"\x21\x11" + struct.pack("!H4s4sHH", 12, socket.inet_aton(host), socket.inet_aton(to_host), port, to_port)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def of(gateway, name):
    return next(one for one in gateway.status()["listeners"] if one["name"] == name)


class Checks:
    """Counts the health checks of one listener, and asserts that nothing else shows them."""

    def __init__(self, gateway, name):
        self.gateway, self.name = gateway, name
        self.before = of(gateway, name)
        self.records = len(gateway.events.records())

    def have_ended(self, count):
        self.gateway.wait_status(lambda _: of(self.gateway, self.name)["health_checks"]
                                 == self.before["health_checks"] + count)
        now = of(self.gateway, self.name)
        same = ("accepted", "connections", "opening", "health_checks_open", "closed", "refused", "accept_delays")
        assert {key: now[key] for key in same} == {key: self.before[key] for key in same}
        assert len(self.gateway.events.records()) == self.records
        assert not self.gateway.ask("GET", "/v1/alarms")["active"]


def test_v1_checks_that_end_by_reset(gateway):
    checks = Checks(gateway, "v1")
    for _ in range(18):
        sock = connect(gateway, "v1")
        sock.sendall(line_of(sock))
        reset(sock)
    checks.have_ended(18)


@pytest.mark.parametrize("then", [b"", b"\r\n", b" \n \n"], ids=["nothing", "a line end", "blank lines"])
@pytest.mark.parametrize("header", [lambda _: LOCAL, own_v2], ids=["LOCAL", "own address"])
def test_v2_checks(gateway, header, then):
    checks = Checks(gateway, "v2")
    held = [connect(gateway, "v2") for _ in range(6)]  # three times max_connections_per_peer
    for sock in held:
        sock.sendall(header(sock))
        sock.sendall(then)
    gateway.wait_status(lambda _: of(gateway, "v2")["health_checks_open"] == 6)
    assert of(gateway, "v2")["connections"] == checks.before["connections"]
    assert gateway.ask("GET", "/v1/connections")["total"] == 0
    for number, sock in enumerate(held):
        reset(sock) if number % 2 else sock.close()
    checks.have_ended(6)


def test_checks_with_an_empty_frame(gateway):
    checks = Checks(gateway, "length")
    for bytes_of_frames in (b"\0\0\0\0", b"\0" * 12):
        sock = connect(gateway, "length")
        sock.sendall(LOCAL + bytes_of_frames)
        sock.close()
    checks.have_ended(2)
    with connect(gateway, "length") as sock:
        peer = "{}:{}".format(*sock.getsockname())
        sock.sendall(LOCAL + b"\0\0\0\0" + b'\0\0\0\x0a{"ip":"1"}')
        record = gateway.connected(peer, listener="length")
        assert gateway.events.wait(lambda: record.items, 30)
    assert gateway.closed(record).reason == "peer_closed"


def test_checks_with_a_tls_handshake(gateway):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    checks = Checks(gateway, "tls")
    for farewell in (False, True):
        sock = connect(gateway, "tls")
        sock.sendall(LOCAL)
        encrypted = context.wrap_socket(sock)
        if farewell:
            encrypted.sendall(b"\r\n")
            encrypted.unwrap().close()
        else:
            reset(encrypted)
    for farewell in (False, True):
        sock = connect(gateway, "tls")
        sock.sendall(LOCAL + b"\n\n")
        sock.close() if farewell else reset(sock)
    checks.have_ended(4)


@pytest.mark.parametrize("then, detail", [(b'{"ip":"1"}\n{"ip":"2"}\n', "not TLS"),
                                          (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP request, not TLS"),
                                          (b"\n\nhello, hello\n", "not TLS")])
@pytest.mark.parametrize("name, header", [("tls-v1", lambda _: b"PROXY UNKNOWN\r\n"), ("tls-v1", line_of),
                                          ("tls", lambda _: LOCAL), ("tls", own_v2)])
def test_plain_bytes_where_a_handshake_is_due_are_no_health_check(gateway, name, header, then, detail):
    before = of(gateway, name)
    with connect(gateway, name) as sock:
        peer = "{}:{}".format(*sock.getsockname())
        sock.sendall(header(sock) + then)
        record = gateway.connected(peer, listener=name)
        closed = gateway.closed(record).closed
    assert closed["reason"] == "tls_failed" and detail in closed["detail"], closed
    now = of(gateway, name)
    assert now["accepted"] == before["accepted"] + 1 and now["health_checks"] == before["health_checks"]


def test_the_first_byte_of_an_item_makes_a_connection(gateway):
    for name, header in (("v1", line_of), ("v2", own_v2), ("v2", lambda _: LOCAL)):
        with connect(gateway, name) as sock:
            peer = "{}:{}".format(*sock.getsockname())
            sock.sendall(header(sock) + b"\n")
            gateway.wait_status(lambda _: of(gateway, name)["health_checks_open"] == 1)
            sock.sendall(b'{"ip":"proxied"}\n')
            record = gateway.connected(peer, listener=name)
            assert gateway.events.wait(lambda: record.items, 30)
            assert of(gateway, name)["health_checks_open"] == 0
        assert gateway.closed(record).reason == "peer_closed"


def test_a_device_on_the_proxys_host_is_a_connection_at_once(gateway):
    with connect(gateway, "v1") as sock:
        sock.sendall(line_of(sock, port=4))
        record = gateway.connected("127.0.0.1:4", listener="v1")
    assert gateway.closed(record).reason == "peer_closed"


def test_the_addresses_of_a_v1_header_may_be_of_two_families(gateway):
    for header, peer in ((b"PROXY TCP4 192.0.2.1 unix:/run/nginx.sock 5003 0\r\n", "192.0.2.1:5003"),
                         (b"PROXY TCP4 192.0.2.1 2001:db8::9 5001 7000\r\n", "192.0.2.1:5001"),
                         (b"PROXY TCP6 2001:db8::1 192.0.2.9 5002 7000\r\n", "[2001:db8::1]:5002")):
        with connect(gateway, "v1") as sock:
            sock.sendall(header)
            record = gateway.connected(peer)
        assert gateway.closed(record).reason == "peer_closed"
