"""Limits that hold: who comes in, how fast, how much of it, and what the buffers may take."""

import contextlib
import time

import pytest

from gateway import Gateway, listener, until
from lab import device

ITEM = device.item("10.0.0.1")


def limits(**values):
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in values.items()]
    return listener(detect_within="30s") + "[limits]\n" + "\n".join(lines) + "\n"


def turned_away(sock):
    """Whether the gateway closes it without a word."""
    sock.settimeout(10)
    with contextlib.suppress(ConnectionError):
        return sock.recv(1) == b""
    return True


def connect(stack, gateway, source=None):
    return stack.enter_context(device.connect(gateway.address, source=source))


def test_a_peer_and_a_prefix_get_their_share_and_no_more():
    with Gateway(config=limits(max_connections_per_peer=3, max_connections_per_prefix=5)) as gateway, \
            contextlib.ExitStack() as stack:
        first = [connect(stack, gateway, "127.0.1.1") for _ in range(3)]
        for sock in first:
            sock.sendall(ITEM)
        gateway.wait_status(lambda status: status["items"] == 3)  # several reactors accept: in no order of their own
        assert turned_away(connect(stack, gateway, "127.0.1.1"))
        others = [connect(stack, gateway, "127.0.1.2") for _ in range(2)]
        for sock in others:
            sock.sendall(ITEM)
        gateway.wait_status(lambda status: status["items"] == 5)
        assert turned_away(connect(stack, gateway, "127.0.1.3"))
        elsewhere = connect(stack, gateway, "127.0.2.1")
        elsewhere.sendall(ITEM)
        status = gateway.wait_status(lambda status: status["items"] == 6)
        assert status["refused"]["max_connections_per_peer"] == 1 and status["refused"]["max_connections_per_prefix"] == 1
        assert 'limit="max_connections_per_peer"} 1' in gateway.ask("GET", "/metrics")
        first[0].close()
        gateway.wait_status(lambda status: status["connections"] == 5)
        again = connect(stack, gateway, "127.0.1.1")
        again.sendall(ITEM)
        gateway.wait_status(lambda status: status["items"] == 7)
        assert gateway.events.wait(lambda: len(gateway.events.records()) == 7, 10)
        last = gateway.connected(device.name_of(again))
        assert gateway.events.wait(lambda: last.items, 10)
    assert len(gateway.events.records()) == 7, "a refused connection has no event"


def test_the_accept_rate_is_kept_and_nobody_is_lost():
    """At 200 a second with a burst of 20: 100 more than the burst need half a second, and all come in."""
    with Gateway("--reactors", "2", config=limits(accept_rate=200)) as gateway, contextlib.ExitStack() as stack:
        since = time.monotonic()
        for _ in range(120):
            connect(stack, gateway)
        status = gateway.wait_status(lambda status: status["connections"] == 120)
        assert time.monotonic() - since >= 0.35
        assert sum(status["refused"].values()) == 0


def test_a_fast_sender_waits_and_others_do_not():
    with Gateway(config=limits(items_per_second=50)) as gateway:
        with device.connect(gateway.address) as fast, device.connect(gateway.address) as slow:
            fast.sendall(ITEM * 150)
            slow.sendall(ITEM)
            record = gateway.connected(device.name_of(slow))
            assert gateway.events.wait(lambda: record.items, 10)
            # All 150 were in one read: that much is a debt, and what comes behind it waits for three seconds.
            busy = gateway.connected(device.name_of(fast))
            assert gateway.events.wait(lambda: len(busy.items) == 150, 10)
            since = time.monotonic()
            fast.sendall(ITEM)
            assert gateway.events.wait(lambda: len(busy.items) == 151, 20)
            assert time.monotonic() - since > 1.0


def test_a_short_budget_sheds_the_holders_and_serves_the_rest():
    """Half-sent items of 60 KB: the budget of 2 MiB has room for about 30 of them."""
    half = b'{"ip":"10.0.0.2","more":"' + b"x" * 60_000
    with Gateway("--reactors", "1", config=limits(buffer_budget="2MiB")) as gateway, contextlib.ExitStack() as stack:
        good = connect(stack, gateway)
        record = gateway.connected(device.name_of(good))
        hoarders = []
        for _ in range(80):
            sock = connect(stack, gateway)
            with contextlib.suppress(ConnectionError):
                sock.sendall(half)
            hoarders.append(sock)
            status = gateway.status()
            assert status["buffers"]["bytes"] <= 2 << 20, status["buffers"]
        assert gateway.events.wait(lambda: any(r.reason == "shed" for r in gateway.events.records() if r.closed), 20)
        assert not sum(gateway.status()["refused"].values()), "newcomers are not turned away"
        good.sendall(ITEM)
        assert gateway.events.wait(lambda: record.items, 10), "a connection that holds no buffer is served"
        newcomer = connect(stack, gateway)
        newcomer.sendall(ITEM)
        assert gateway.events.wait(lambda: gateway.connected(device.name_of(newcomer)).items, 10)
        for sock in hoarders:
            with contextlib.suppress(ConnectionError):
                sock.sendall(b'"}\n')
        # Those that were let in either finish their item or were shed; nothing else ends them.
        assert gateway.events.wait(
            lambda: all(r.items or r.closed for r in gateway.events.by_id.values()), 20)
        assert {r.reason for r in gateway.events.records() if r.closed} <= {"shed"}
        gateway.wait_status(lambda status: status["buffers"]["bytes"] == 0 and status["buffers"]["stage"] == 0)


def test_paused_items_are_read_to_their_ends():
    """Each holds 40 KB and is paused. Nothing but the end of one of them frees memory."""
    with Gateway("--reactors", "1", config=limits(buffer_budget="2MiB")) as gateway, contextlib.ExitStack() as stack:
        def stage():
            return gateway.status()["buffers"]["stage"]

        def wait_for_bytes(count):
            assert until(lambda: gateway.status()["buffers"]["bytes"] >= count), (count, gateway.status()["buffers"])

        holders = []
        while stage() == 0 and len(holders) < 100:
            sock = connect(stack, gateway)
            sock.sendall(b'{"ip":"10.0.0.2","more":"' + b"x" * 20_000)
            holders.append(sock)
            wait_for_bytes(40_000 * len(holders) - 20_000)  # read before more of it is sent
            sock.sendall(b"x")  # its memory doubles
            wait_for_bytes(40_000 * len(holders))
        assert stage() == 1
        for sock in holders:
            sock.sendall(b"y")
        time.sleep(0.5)
        for sock in holders:
            sock.sendall(b'"}\n')
        records = [gateway.connected(device.name_of(sock)) for sock in holders]
        assert gateway.events.wait(lambda: all(record.items for record in records), 10), \
            f"{sum(bool(record.items) for record in records)} of {len(records)}{gateway.tail()}"
        assert not any(record.closed for record in records)


def test_shed_is_told_and_frees_memory():
    """Many small halves reach the last stage, where no single one is large enough to be paused."""
    half = b'{"ip":"10.0.0.2","more":"' + b"x" * 9_000
    with Gateway("--reactors", "1", config=limits(buffer_budget="2MiB") + '[item]\nmax_bytes = "128KiB"\n') as gateway, \
            contextlib.ExitStack() as stack:
        early = [connect(stack, gateway) for _ in range(250)]
        gateway.wait_status(lambda status: status["connections"] == 250)
        for sock in early:
            with contextlib.suppress(ConnectionError):
                sock.sendall(half)
        assert gateway.events.wait(lambda: any(r.reason == "shed" for r in gateway.events.by_id.values()), 20)
        gateway.wait_status(lambda status: status["buffers"]["stage"] < 3)
        shed = [r for r in gateway.events.records() if r.reason == "shed"]
        assert 0 < len(shed) < 250
        assert all("buffer_budget" in r.closed["detail"] for r in shed)


@pytest.mark.parametrize("line, words", [
    ('buffer_budget = "1KiB"', "16 of the largest items"), ("accept_rate = -1", "accept_rate"),
    ("max_connections_per_peer = true", "max_connections_per_peer")])
def test_limits_that_cannot_be_are_refused(tmp_path, line, words):
    from gateway import run
    path = tmp_path / "holdfast.toml"
    path.write_text("[limits]\n" + line + "\n")
    done = run("check", "--config", str(path))
    assert done.returncode == 1 and words in done.stderr and ":2:" in done.stderr, done.stderr
