"""Attacks on listeners behind a proxy, and with tokens. Devices that are connected are still served."""

import socket
import threading
import time

import pytest

import tokens
from gateway import Gateway, listener, run, until
from lab import device

STRANGERS = 2000


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "devices.tokens"


def connected_device(gateway, name, opening):
    sock = device.connect(gateway.ports[name])
    sock.sendall(opening)
    return sock


class Steady:
    """A device that sends an item every 10 ms, on a thread of its own."""

    def __init__(self, sock):
        self.sent = 0
        self._sock = sock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._over.wait(0.01):
            self._sock.sendall(device.item("10.0.0.1", number=self.sent))
            self.sent += 1

    def stop(self):
        self._over.set()
        self._thread.join()
        return self.sent


def metric(gateway, name, **labels):
    wanted = name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
    return next(float(line.split()[-1]) for line in gateway.ask("GET", "/metrics").splitlines() if line.startswith(wanted))


def test_wrong_tokens_by_the_thousand(token_file):
    """None is admitted, none displaces the device whose id it uses, and every item of that device arrives."""
    token = tokens.add(token_file, "device-17")
    with Gateway(config=listener("tokens", tokens_file=str(token_file))) as gateway:
        known = connected_device(gateway, "tokens", tokens.hello("device-17", token))
        record = gateway.connected(device.name_of(known))
        assert record.id == "device-17"
        steady = Steady(known)
        for number in range(STRANGERS):
            with device.connect(gateway.ports["tokens"]) as stranger:
                wrong = tokens.hello("device-17" if number % 2 else "nobody", f"{number:064d}")
                stranger.sendall(wrong + device.item("10.0.0.66"))
                try:
                    assert stranger.recv(100) == b"", "it is told nothing"
                except ConnectionResetError:
                    pass
        sent = steady.stop()
        assert gateway.events.wait(lambda: len(record.items) == sent, 10), f"{len(record.items)} of {sent}"
        assert not record.closed
        status = gateway.status()
        assert status["closed"]["unauthenticated"] == STRANGERS and status["closed"]["superseded"] == 0
        assert gateway.events.wait(lambda: gateway.events.item_count == sent, 10), "no item of a stranger"
        assert token not in gateway.tail() and token not in gateway.ask("GET", "/metrics")
        known.close()


def test_revoked_while_connected(token_file):
    token = tokens.add(token_file, "device-17")
    other = tokens.add(token_file, "device-18")
    config = listener("tokens", tokens_file=str(token_file))
    with Gateway(config=config) as gateway:
        one = connected_device(gateway, "tokens", tokens.hello("device-17", token))
        two = connected_device(gateway, "tokens", tokens.hello("device-18", other) + device.item("10.0.0.1"))
        records = [gateway.connected(device.name_of(sock)) for sock in (one, two)]
        done = run("token", "revoke", "--file", str(token_file), "device-17")
        assert done.returncode == 0, done
        gateway.reload(config)
        assert gateway.closed(records[0]).reason == "kicked"
        token_file.chmod(0o644)
        answer = run("reload", "--admin", f"127.0.0.1:{gateway.admin[1]}")
        assert answer.returncode == 1 and "chmod 0600" in answer.stdout + answer.stderr, answer
        two.sendall(device.item("10.0.0.2"))
        assert gateway.events.wait(lambda: len(records[1].items) == 2, 10), "who was in stays in"
        for sock in (one, two):
            sock.close()


def test_missing_and_slow_headers(tmp_path):
    """Silent connections, one byte a second, and headers of the largest size, beside a device whose items arrive."""
    config = listener("proxied", proxy_protocol="v2", trusted_proxies=["127.0.0.0/8"])
    with Gateway(config=config) as gateway:
        start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11"
        addresses = socket.inet_aton("192.0.2.1") + socket.inet_aton("10.0.0.1") + b"\xc9\x3a\x1b\x58"
        good = connected_device(gateway, "proxied", start + b"\x00\x0c" + addresses)
        record = gateway.connected("192.0.2.1:51514")
        steady = Steady(good)
        begun = time.monotonic()
        silent = [device.connect(gateway.ports["proxied"]) for _ in range(400)]
        slow = [connected_device(gateway, "proxied", start[:1 + number % 13]) for number in range(100)]
        large = [connected_device(gateway, "proxied", start + b"\x0f\xf0" + addresses + b"\x04\x0f\xe0" + bytes(4000))
                 for _ in range(100)]
        assert until(lambda: metric(gateway, "holdfast_connections_opening", listener="proxied") == 600)
        for sock in slow:
            sock.sendall(b"\r")
        assert gateway.events.wait(lambda: gateway.events.closed_count() == 600, 30)
        lasted = time.monotonic() - begun
        sent = steady.stop()
        assert gateway.events.wait(lambda: len(record.items) == sent, 10), f"{len(record.items)} of {sent}"
        assert {r.reason for r in gateway.events.records() if r.closed} == {"proxy_header_invalid"}
        assert 4.9 < lasted < 30, "none before its time but those that were wrong, none long after"
        assert until(lambda: metric(gateway, "holdfast_connections_opening", listener="proxied") == 0)
        for sock in (*silent, *slow, *large, good):
            sock.close()


def test_only_the_proxies_are_accepted():
    config = listener("proxied", proxy_protocol="v1", trusted_proxies=["127.0.0.2"])
    with Gateway(config=config) as gateway:
        liar = device.connect(gateway.ports["proxied"])
        try:
            liar.sendall(b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n" + device.item("10.0.0.66"))
            assert liar.recv(100) == b""
        except ConnectionError:
            pass
        proxy = device.connect(gateway.ports["proxied"], source="127.0.0.2")
        proxy.sendall(b"PROXY TCP4 192.0.2.1 10.0.0.1 51514 7000\r\n" + device.item("10.0.0.1"))
        record = gateway.connected("192.0.2.1:51514")
        assert gateway.events.wait(lambda: record.items, 10)
        assert metric(gateway, "holdfast_connections_refused_total", listener="proxied", limit="untrusted_proxy") == 1
        row = gateway.ask("GET", "/v1/connections?peer=192.0.2.0/24")["connections"][0]
        assert row["liveness"] == "path"
        for sock in (liar, proxy):
            sock.close()
