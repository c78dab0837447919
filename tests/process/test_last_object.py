"""The last bytes of a connection. An object without a line end before FIN is an item; any other remainder is counted
and named."""

import contextlib
import json
import socket
import ssl

import pytest

import tokens
from certificates import Authority
from gateway import PATIENCE, Gateway, listener, until
from lab import device
from test_claims import hello, paused
from test_paused_reading import fill

OBJECT = b'{"ip":"10.0.0.1","status":"online"}'
LARGEST = b'{"ip":"10.0.0.1","pad":"' + b"x" * (1_024 - 26) + b'"}'  # item.max_bytes


def close(sock):
    """Closes as Go does: conn.Write(json); conn.Close()."""
    sock.close()


def half_close(sock):
    """Closes as nc -N and Node do: socket.end(json)."""
    sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        assert sock.recv(100) == b"", "the gateway ends its side too"
    sock.close()


def send(gateway, *writes, end=close, name="devices"):
    """Writes over one connection and ends it; returns its record."""
    sock = device.connect(gateway.ports[name])
    record = gateway.connected(device.name_of(sock), listener=name)
    sent = 0
    for write in writes:
        sock.sendall(write)
        sent += len(write)
        if write is not writes[-1]:
            gateway.wait_status(lambda status, sent=sent: received(status, name) >= sent)
    end(sock)
    return gateway.closed(record)


def last_words(gateway, sock, text, end):
    """Writes the last bytes and ends the connection. A close comes before the gateway's answer: unread, that would make a
    reset of it."""
    if end is half_close:
        sock.sendall(text)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while sock.recv(100):
                pass
        return
    with paused(gateway):
        sock.sendall(text)
        sock.close()


def received(status, name):
    return next(one["received_bytes"] for one in status["listeners"] if one["name"] == name)


def counted(gateway, name="devices"):
    """Returns bad items by kind, and unfinished ones."""
    status = next(one for one in gateway.status()["listeners"] if one["name"] == name)
    return {kind: count for kind, count in status["bad_items"].items() if count}, status["unfinished_items"]


@pytest.mark.parametrize("end", [close, half_close])
def test_an_object_without_a_line_end_is_an_item(end):
    with Gateway(config=listener()) as gateway:
        for writes, items in (((OBJECT,), 1), ((OBJECT + b"\n" + OBJECT,), 2), ((b" \t" + OBJECT + b" \r",), 1),
                              ((OBJECT + b"\r",), 1), ((b"\r\n" + OBJECT,), 1)):
            record = send(gateway, *writes, end=end)
            assert [item.raw for item in record.items] == [OBJECT] * items, writes
            assert record.reason == "peer_closed" and "detail" not in record.closed, record.closed
        before = received(gateway.status(), "devices")
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        for at in range(0, len(OBJECT), 7):  # as over a slow link
            sock.sendall(OBJECT[at:at + 7])
            arrived = before + min(at + 7, len(OBJECT))
            gateway.wait_status(lambda status, arrived=arrived: received(status, "devices") == arrived)
        end(sock)
        assert [item.raw for item in gateway.closed(record).items] == [OBJECT]
        assert counted(gateway) == ({}, 0)


@pytest.mark.parametrize("items", [1, 500])
def test_a_device_that_only_ended_its_own_side_gets_its_answers(tmp_path, items):
    """Everything at once, then FIN, as `nc -N` sends it: the answers come before the gateway's FIN."""
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    numbered = [device.item("10.0.0.1", seq=seq) for seq in range(1, items + 1)]
    with Gateway(config=config) as gateway, device.connect(gateway.address) as sock:
        sock.sendall(hello("d", session="s") + b"".join(numbered) + b'{"seq":%d}' % (items + 1))
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as stream:
            answers = [json.loads(line) for line in stream]
        assert answers[0] == {"resume": 0} and answers[-1] == {"ack": items + 1}, answers
        assert {"nack": items + 1, "reason": "no_key"} in answers
        row, = until(lambda: gateway.ask("GET", "/v1/closed")["closed"])
        assert row["reason"] == "peer_closed" and row["items"] == items and not row.get("detail"), row


class HalfCloser:
    """A TLS client that can send its close_notify and go on reading, as ssl.SSLSocket cannot."""

    def __init__(self, sock, context):
        self._sock, self._in, self._out = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        while not self._has_shaken_hands():
            self._fill()

    def _has_shaken_hands(self):
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._sock.sendall(self._out.read())
        return True

    def _fill(self):
        received = self._sock.recv(65536)
        self._in.write(received) if received else self._in.write_eof()

    def send_last(self, bytes):
        self._tls.write(bytes)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._sock.sendall(self._out.read())

    def read_all(self):
        found = b""
        while True:
            try:
                found += self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:  # the gateway's close_notify
                return found


def test_a_tls_device_that_sent_close_notify_gets_its_answers(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    config = (listener(tls_certificate=str(certificate), tls_key=str(key), acks=True) +
              f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n')
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with Gateway(config=config) as gateway, device.connect(gateway.address) as sock:
        client = HalfCloser(sock, context)
        items = [device.item("10.0.0.1", seq=seq) for seq in range(1, 51)]
        client.send_last(hello("d", session="s") + b"".join(items))
        answers = [json.loads(line) for line in client.read_all().splitlines()]
        assert answers[0] == {"resume": 0} and answers[-1] == {"ack": 50}, answers
        row, = until(lambda: gateway.ask("GET", "/v1/closed")["closed"])
        assert row["reason"] == "peer_closed" and row["items"] == 50, row


def test_nothing_is_left_over_of_white_space():
    with Gateway(config=listener() + listener("json", framing="json")) as gateway:
        for name in ("devices", "json"):
            for text in (b"\r", b" \t ", OBJECT + b"\n\r", OBJECT + b"\n  "):
                record = send(gateway, text, name=name)
                assert len(record.items) == text.count(OBJECT) and "detail" not in record.closed, record.closed
            assert counted(gateway, name) == ({}, 0)


@pytest.mark.parametrize("kind, text", [("no_key", b"{}"), ("no_key", b'{"status":"online"}'), ("not_json", b'{"ip":"1",}'),
                                        ("bad_utf8", b'{"ip":"\xff"}')])
def test_a_bad_object_at_the_end_is_a_bad_item(kind, text):
    with Gateway(config=listener()) as gateway:
        record = send(gateway, OBJECT + b"\n", text)
        assert len(record.items) == 1 and record.reason == "peer_closed" and "detail" not in record.closed
        assert counted(gateway) == ({kind: 1}, 0)


LEFT_OVER = {
    "ndjson": [OBJECT[:-1], b'{"ip":"1', b"17", b"[1]", b'"10.0.0.1"', b"hello", OBJECT + OBJECT, OBJECT + b" x"],
    "json": [OBJECT[:-1], b'{"ip":"1'],
    "length": [b"\0", b"\0\0\0\x20", device.length_framed(OBJECT)[:-1]],
}


@pytest.mark.parametrize("framing", LEFT_OVER)
def test_a_remainder_is_counted_and_named(framing):
    whole = device.length_framed(OBJECT) if framing == "length" else OBJECT + b"\n"
    with Gateway(config=listener(framing=framing)) as gateway:
        for number, text in enumerate(LEFT_OVER[framing], 1):
            record = send(gateway, whole, text)
            assert len(record.items) == 1 and record.reason == "peer_closed"
            size = "1 byte" if len(text) == 1 else f"{len(text)} bytes"
            assert f"an unfinished item of {size} was left over" in record.closed["detail"], record.closed
            assert counted(gateway) == ({}, number)
            assert ('framing = "json"' in record.closed["detail"]) == (text == OBJECT * 2)
        row = gateway.ask("GET", "/v1/closed")["closed"][0]
        assert "unfinished item" in row["detail"]
        count = len(LEFT_OVER[framing])
        assert f'holdfast_unfinished_items_total{{listener="devices"}} {count}' in gateway.ask("GET", "/metrics")


def test_after_a_reset_the_last_object_is_no_item():
    with Gateway(config=listener()) as gateway:
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        sock.sendall(OBJECT)
        gateway.wait_status(lambda status: received(status, "devices") == len(OBJECT))
        device.reset(sock)
        gateway.closed(record)
        assert record.reason == "peer_reset" and not record.items
        assert f"an unfinished item of {len(OBJECT)} bytes" in record.closed["detail"]
        assert counted(gateway) == ({}, 1)


def test_the_gateways_own_close_makes_no_item():
    """The device may have been about to send more."""
    config = listener(item_deadline="1s", read_idle="30s") + listener("patient", item_deadline="30s", read_idle="30s")
    with Gateway(config=config) as gateway, \
            device.connect(gateway.ports["devices"]) as late, device.connect(gateway.ports["patient"]) as kicked:
        records = [gateway.connected(device.name_of(sock)) for sock in (late, kicked)]
        late.sendall(OBJECT)
        assert gateway.closed(records[0]).reason == "item_deadline" and not records[0].items
        assert "unfinished item" in records[0].closed["detail"] and "framing" in records[0].closed["detail"]
        kicked.sendall(OBJECT)
        gateway.wait_status(lambda status: received(status, "patient") == len(OBJECT))
        gateway.close_connection(records[1].conn)
        assert gateway.closed(records[1]).reason == "kicked" and not records[1].items
        assert counted(gateway) == ({}, 1) == counted(gateway, "patient")


def test_the_largest_item_needs_no_line_end():
    with Gateway(config=listener() + "[item]\nmax_bytes = 1024\n") as gateway:
        assert len(LARGEST) == 1_024
        assert [item.raw for item in send(gateway, LARGEST).items] == [LARGEST]
        assert [item.raw for item in send(gateway, LARGEST + b"\r").items] == [LARGEST]
        assert counted(gateway) == ({}, 0)
        record = send(gateway, LARGEST.replace(b"x", b"xx", 1))
        assert record.reason == "item_too_large" and not record.items
        assert counted(gateway) == ({"too_large": 1}, 0), "it is no unfinished item besides"


def test_too_many_bad_items_count_with_the_last():
    with Gateway(config=listener(max_bad_items=2)) as gateway:
        assert send(gateway, b"{}\n{}").reason == "too_many_bad_items"
        assert counted(gateway) == ({"no_key": 2}, 0)


def test_close_notify_ends_an_item_and_a_truncated_stream_does_not(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    config = listener(tls_certificate=str(certificate), tls_key=str(key))
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with Gateway(config=config) as gateway:
        for truncated in (False, True):
            raw = device.connect(gateway.address)
            record_of = device.name_of(raw)
            tls = context.wrap_socket(raw, server_hostname="127.0.0.1")
            record = gateway.connected(record_of)
            tls.sendall(OBJECT)
            if truncated:
                socket.socket.shutdown(tls, socket.SHUT_WR)
            else:
                with contextlib.suppress(OSError):  # the gateway answers with its own, or has closed
                    tls.unwrap()
            gateway.closed(record)
            assert record.reason == "peer_closed" and len(record.items) == (0 if truncated else 1), record
            detail = record.closed.get("detail", "")
            assert ("close_notify" in detail) == ("unfinished item" in detail) == truncated, detail
            tls.close()
        assert counted(gateway) == ({}, 1)


@pytest.mark.parametrize("end", [close, half_close])
def test_a_numbered_item_without_a_line_end_is_safe(tmp_path, end):
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as gateway:
        with device.connect(gateway.address) as sock:
            with sock.makefile("rb") as stream:
                sock.sendall(hello("d", session="s"))
                assert json.loads(stream.readline()) == {"resume": 0}
                sock.sendall(device.item("10.0.0.1", seq=1))
                assert json.loads(stream.readline()) == {"ack": 1}
            last_words(gateway, sock, device.item("10.0.0.1", seq=2) + device.item("10.0.0.1", seq=3).rstrip(), end)
        gateway.wait_status(lambda status: status["items"] == 3)
        # All of it at once, with a hello that must wait for the session's number.
        whole = hello("d", session="t") + device.item("10.0.0.1", seq=1) + device.item("10.0.0.1", seq=2).rstrip()
        with device.connect(gateway.address) as sock:
            last_words(gateway, sock, whole, end)
        gateway.wait_status(lambda status: status["items"] == 5)
        for session, last in (("s", 3), ("t", 2)):
            with device.connect(gateway.address) as sock, sock.makefile("rb") as stream:
                sock.sendall(hello("d", session=session))
                assert json.loads(stream.readline()) == {"resume": last}
        assert counted(gateway) == ({}, 0)


def test_a_hello_without_a_line_end_lets_in():
    token = tokens.add(tokens.FILE, "last-words")
    with Gateway(config=listener(tokens_file=str(tokens.FILE)) + listener("open")) as gateway:
        for text, reason in ((tokens.hello("last-words", token), "peer_closed"),
                             (tokens.hello("last-words", token[:-1]), "unauthenticated")):
            with device.connect(gateway.ports["devices"]) as sock:
                name = device.name_of(sock)
                sock.sendall(text.rstrip())
            record = gateway.closed(gateway.connected(name, listener="devices"))
            assert (record.reason, record.id) == (reason, "last-words" if reason == "peer_closed" else None)
        assert send(gateway, hello("d").rstrip(), name="open").id == "d"
        assert counted(gateway) == ({}, 0) == counted(gateway, "open")


def test_the_last_object_after_a_pause_is_an_item():
    """A rate limit, and a full sink, with bytes after FIN."""
    rate = listener() + "[limits]\nitems_per_second = 10\n"
    with Gateway("--reactors", "1", config=rate) as gateway:
        record = send(gateway, (OBJECT + b"\n") * 30 + OBJECT)
        assert len(record.items) == 31 and record.reason == "peer_closed"
    full = listener() + '[sink]\nqueue_bytes = "64KiB"\n'
    with Gateway("--reactors", "1", config=full) as gateway:
        socks = flood, late, early, cut = [device.connect(gateway.address) for _ in range(4)]
        records = {sock: gateway.connected(device.name_of(sock)) for sock in socks}
        early.sendall(OBJECT)
        cut.sendall(OBJECT)
        gateway.wait_status(lambda status: status["received_bytes"] == 2 * len(OBJECT))
        gateway.pause_reading()
        fill(flood, gateway)
        late.sendall(OBJECT)
        late.close()
        # The gateway's message reaches a closed socket: RST after FIN.
        early.close()
        assert gateway.send(records[early].conn, {"do": "it"}) in (202, 404)
        device.reset(cut)
        gateway.resume_reading()
        assert gateway.events.wait(lambda: all(records[sock].closed for sock in (late, early, cut)), PATIENCE)
        assert [len(records[sock].items) for sock in (late, early, cut)] == [1, 1, 0]
        flood.close()
        assert gateway.events.wait(lambda: records[flood].closed, PATIENCE)


@pytest.mark.parametrize("end", [device.reset, close])
def test_plain_items_of_a_waiting_claim_are_admitted(end):
    with Gateway(config=listener()) as gateway, contextlib.ExitStack() as stack:
        for _ in range(37):  # the next claim waits for 3.2 s
            holder = stack.enter_context(device.connect(gateway.address))
            holder.sendall(hello("d"))
            assert until(lambda s=holder: [row for row in gateway.ask("GET", "/v1/connections?id=d")["connections"]
                                           if row["peer"] == device.name_of(s)])
        delayed = gateway.status()["delayed_claims"]
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        sock.sendall(hello("d") + OBJECT + b"\n")
        gateway.wait_status(lambda status: status["delayed_claims"] == delayed + 1)
        sock.sendall(OBJECT + b"\n")
        end(sock)
        gateway.closed(record)
        assert [item.raw for item in record.items] == [OBJECT] * 2, record
        assert record.id == "d" and record.reason == ("peer_reset" if end is device.reset else "peer_closed")
        assert counted(gateway) == ({}, 0)


def test_the_last_object_of_a_connection_that_ended_before_its_accept_is_an_item(tmp_path):
    """Also after a PROXY header, and while the connection waits for accept_rate."""
    config = listener(acks=True) + listener("proxied", proxy_protocol="v1", trusted_proxies=["127.0.0.0/8"]) + \
        listener("json", framing="json")
    header = b"PROXY TCP4 10.1.2.3 10.1.2.4 5000 7000\r\n"
    with Gateway("--reactors", "1", "--sink", f"spool:{tmp_path}/spool",
                 config=config + "[limits]\naccept_rate = 20\n") as gateway:
        for round_ in (1, 2):
            with paused(gateway):
                for _ in range(15):
                    for name, text in (("devices", OBJECT), ("proxied", header + OBJECT), ("json", OBJECT[:-1])):
                        with device.connect(gateway.ports[name]) as sock:
                            sock.sendall(text)
            gateway.wait_status(lambda status, ended=45 * round_: status["closed"]["peer_closed"] == ended)
        gateway.wait_status(lambda status: status["items"] >= 60)
        status = {one["name"]: one for one in gateway.status()["listeners"]}
        assert (status["devices"]["items"], status["proxied"]["items"], status["json"]["items"]) == (30, 30, 0)
        assert counted(gateway) == ({}, 0) == counted(gateway, "proxied")
        assert counted(gateway, "json") == ({}, 30)
