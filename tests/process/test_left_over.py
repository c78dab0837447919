"""The end of a connection leaves no byte over in silence: each framing, each end and each kind of listener counts and
names them."""

import contextlib
import ssl

import pytest

import tokens
from certificates import Authority
from gateway import PATIENCE, Gateway, listener
from lab import device
from test_claims import hello
from test_paused_reading import fill

pytestmark = pytest.mark.asan

OBJECT = b'{"ip":"10.0.0.1","status":"online"}'
PART = OBJECT[:21]
WHOLE = {"ndjson": OBJECT + b"\n", "json": OBJECT, "length": device.length_framed(OBJECT)}
PARTS = {"ndjson": PART, "json": PART, "length": device.length_framed(OBJECT)[:25]}
HEADER = b"PROXY TCP4 10.1.2.3 10.1.2.4 5000 7000\r\n"


def close(gateway, sock, record):
    sock.close()


def half_close(gateway, sock, record):
    sock.shutdown(1)
    with contextlib.suppress(OSError):
        while sock.recv(100):
            pass
    sock.close()


def reset(gateway, sock, record):
    device.reset(sock)


def kick(gateway, sock, record):
    gateway.close_connection(record.conn)


def deadline(gateway, sock, record):
    pass


ENDS = {"peer_closed": close, "peer_closed (FIN)": half_close, "peer_reset": reset, "kicked": kick,
        "item_deadline": deadline}


def figures(gateway):
    status = gateway.status()["listeners"][0]
    return status["unfinished_items"], status["left_over_bytes"]


def received(gateway, count):
    gateway.wait_status(lambda status: status["listeners"][0]["received_bytes"] >= count)


@pytest.mark.parametrize("framing", WHOLE)
@pytest.mark.parametrize("end", ENDS)
def test_the_part_of_an_item_is_counted_and_named(framing, end):
    config = listener(framing=framing, item_deadline="1s" if end == "item_deadline" else "30s", read_idle="60s")
    with Gateway(config=config) as gateway:
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        sock.sendall(WHOLE[framing] + PARTS[framing])
        received(gateway, len(WHOLE[framing] + PARTS[framing]))
        ENDS[end](gateway, sock, record)
        closed = gateway.closed(record).closed
        sock.close()
        size = len(PARTS[framing])
        assert closed["reason"] == end.split()[0] and len(record.items) == 1, closed
        assert f"an unfinished item of {size} bytes was left over" in closed["detail"], closed
        assert figures(gateway) == (1, size)
        assert f'holdfast_left_over_bytes_total{{listener="devices"}} {size}' in gateway.ask("GET", "/metrics")


@pytest.mark.parametrize("framing", WHOLE)
def test_the_part_of_an_item_at_a_stop_is_named(framing):
    with Gateway(config=listener(framing=framing)) as gateway:
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        sock.sendall(WHOLE[framing] + PARTS[framing])
        received(gateway, len(WHOLE[framing] + PARTS[framing]))
        gateway.stop()
        closed = gateway.closed(record).closed
        assert closed["reason"] == "shutdown" and f"{len(PARTS[framing])} bytes was left over" in closed["detail"], closed
        sock.close()


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_bytes_behind_the_last_bad_item_are_counted_and_named(framing):
    bad = {"ndjson": b"{}\n", "json": b"{}", "length": device.length_framed(b"{}")}[framing]
    with Gateway(config=listener(framing=framing, max_bad_items=1)) as gateway:
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        with sock:
            sock.sendall(bad + WHOLE[framing] * 3)
            closed = gateway.closed(record).closed
        left = 3 * len(WHOLE[framing])
        assert closed["reason"] == "too_many_bad_items" and not record.items
        assert f"{left} bytes were left unread" in closed["detail"], closed
        assert figures(gateway) == (0, left)


@pytest.mark.parametrize("end", [close, kick])
@pytest.mark.parametrize("kind", ["tls", "acks", "tokens", "proxied"])
def test_every_kind_of_listener_counts_and_names(tmp_path, kind, end):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    token = tokens.add(tokens.FILE, "left-over") if kind == "tokens" else ""  # at most four for an id
    options = {"tls": {"tls_certificate": str(certificate), "tls_key": str(key)}, "acks": {"acks": True},
               "tokens": {"tokens_file": str(tokens.FILE)},
               "proxied": {"proxy_protocol": "v1", "trusted_proxies": ["127.0.0.0/8"]}}[kind]
    first = {"tls": b"", "acks": hello("left-over"), "tokens": tokens.hello("left-over", token), "proxied": HEADER}[kind]
    config = listener(item_deadline="60s", **options) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as gateway:
        sock = device.connect(gateway.address)
        name = device.name_of(sock)
        if kind == "tls":
            sock = ssl.create_default_context(cafile=str(authority.certificate)).wrap_socket(sock, server_hostname="127.0.0.1")
        sock.sendall(first + OBJECT + b"\n" + PART)
        gateway.wait_status(lambda status: status["items"] == 1)
        rows = gateway.ask("GET", "/v1/connections")["connections"]
        assert len(rows) == 1 and (rows[0]["peer"] == name or kind == "proxied"), rows
        if end is kick:
            gateway.close_connection(rows[0]["conn"])
        else:
            sock.close()
        gateway.wait_status(lambda status: status["connections"] == 0)
        closed = gateway.ask("GET", "/v1/closed")["closed"][0]
        # The client's session tickets may be unread as its socket is closed, which resets the connection.
        by_peer = {"peer_closed", "peer_reset"} if kind == "tls" else {"peer_closed"}
        assert closed["reason"] in ({"kicked"} if end is kick else by_peer), closed
        assert f"an unfinished item of {len(PART)} bytes was left over" in closed["detail"], closed
        assert figures(gateway) == (1, len(PART))
        sock.close()


@pytest.mark.parametrize("text", [b"{}\n", b"x" * 2_000, b"hello\n"])
def test_bytes_that_a_token_listener_refuses_are_counted_and_named(text):
    tokens.add(tokens.FILE, "left-over-refused")
    behind = WHOLE["ndjson"] * 2
    with Gateway(config=listener(tokens_file=str(tokens.FILE))) as gateway:
        with device.connect(gateway.address) as sock:
            name = device.name_of(sock)
            sock.sendall(text + behind)
            closed = gateway.closed(gateway.connected(name)).closed
        left = len(behind) + (len(text) if len(text) > 1_024 else 0)
        assert closed["reason"] == "unauthenticated" and f"{left} bytes were left unread" in closed["detail"], closed
        assert figures(gateway) == (0, left)


def test_a_hello_without_its_end_is_counted_and_named():
    tokens.add(tokens.FILE, "left-over-hello")
    with Gateway(config=listener(tokens_file=str(tokens.FILE))) as gateway:
        with device.connect(gateway.address) as sock:
            name = device.name_of(sock)
            sock.sendall(b'{"hello":{"id":"d"')
        closed = gateway.closed(gateway.connected(name)).closed
        assert closed["reason"] == "peer_closed" and "18 bytes was left over" in closed["detail"], closed
        assert figures(gateway) == (1, 18)


def test_bytes_that_wait_in_the_kernel_are_counted_and_named():
    """While the sink is full, nothing is read."""
    config = listener(read_idle="60s") + '[sink]\nqueue_bytes = "64KiB"\n'
    with Gateway("--reactors", "1", config=config) as gateway:
        flood, sock = device.connect(gateway.address), device.connect(gateway.address)
        records = {one: gateway.connected(device.name_of(one)) for one in (flood, sock)}
        gateway.pause_reading()
        fill(flood, gateway)
        sock.sendall(OBJECT + b"\n")
        gateway.close_connection(records[sock].conn)
        with contextlib.suppress(OSError):
            assert sock.recv(100) == b""
        gateway.resume_reading()
        assert gateway.events.wait(lambda: records[sock].closed, PATIENCE)
        closed = records[sock].closed
        assert closed["reason"] == "kicked" and f"{len(OBJECT) + 1} bytes were left unread" in closed["detail"], closed
        flood.close()
        sock.close()
        assert gateway.events.wait(lambda: records[flood].closed, PATIENCE)


@pytest.mark.parametrize("sent, reason, detail", [
    (b"\x16\x03\x01", "peer_closed", "during the TLS handshake"),
    (b"\x16\x03\x01\x00\x40\x01\x00", "peer_closed", "during the TLS handshake"),
    (b'{"ip":"1"}\n', "tls_failed", "not TLS"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "tls_failed", "HTTP request, not TLS")])
def test_the_bytes_of_an_incomplete_handshake_are_counted_and_named(tmp_path, sent, reason, detail):
    certificate, key = Authority(tmp_path).sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    with Gateway(config=listener(tls_certificate=str(certificate), tls_key=str(key))) as gateway:
        with device.connect(gateway.address) as sock:
            name = device.name_of(sock)
            sock.sendall(sent)
            if reason == "peer_closed":
                gateway.wait_status(lambda status: status["listeners"][0]["tls"]["handshakes"] == 1)
                sock.shutdown(1)
            closed = gateway.closed(gateway.connected(name)).closed
        assert closed["reason"] == reason and detail in closed["detail"], closed
        assert f"{len(sent)} bytes without a complete TLS handshake were left over" in closed["detail"], closed
        assert figures(gateway) == (0, len(sent))


def test_an_incomplete_proxy_header_is_counted_and_named():
    with Gateway(config=listener(proxy_protocol="v1", trusted_proxies=["127.0.0.0/8"])) as gateway:
        with device.connect(gateway.address) as sock:
            name = device.name_of(sock)
            sock.sendall(HEADER[:17])
        closed = gateway.closed(gateway.connected(name)).closed
        assert "17 bytes were left unread" in closed["detail"], closed
        assert figures(gateway) == (0, 17)
