"""The end of connections by the gateway. Devices learn when to come back, and items sent before they saw its FIN are
delivered."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import resource
import select
import signal
import ssl
import threading
import time

import pytest

import tokens
from certificates import Authority
from gateway import PATIENCE, Gateway, listener, until
from lab import device
from test_claims import hello, paused

SENDERS = 24
QUIET_S = 0.2  # the gateway waits for 0.25 s without a byte. A stop that reads to the end is over long before this; a
               # stop that waits for its deadline takes so long.
LONG_DRAIN_S = 60
MOST_STOP_S = 30
CLOCK_ERROR_S = 0.05  # the times of events count milliseconds


class Sender(threading.Thread):
    """A plain device that sends items as fast as possible until it sees the gateway's FIN; then it closes."""

    def __init__(self, sock, name):
        super().__init__(daemon=True)
        self.sock, self.key = sock, name
        self.sent = 0
        self.sent_at = []  # end of each write
        self.sent_in_time = 0  # the machine may have stopped this thread between its check for FIN and its write
        self.received = b""

    def run(self):
        with self.sock:
            with contextlib.suppress(OSError):
                self._send()
            with contextlib.suppress(OSError):  # bytes before a reset
                while text := self.sock.recv(1_000):
                    self.received += text

    def _send(self):
        since = time.monotonic()
        while self._may_send():
            self.sock.sendall(device.item(self.key, seq=self.sent + 1))
            self.sent += 1
            self.sent_at.append(time.time())
            if time.monotonic() - since < QUIET_S:
                self.sent_in_time = self.sent
            since = time.monotonic()

    def _may_send(self):
        readable, _, _ = select.select([self.sock], [], [], 0.0005)
        if not readable:
            return True
        text = self.sock.recv(1_000)
        self.received += text
        return text != b""


@contextlib.contextmanager
def senders(gateway, connect=device.connect, name="devices", count=SENDERS):
    threads = [Sender(connect(gateway.ports[name]), f"d{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join(PATIENCE)


def all_have_sent(threads, items=10):
    """Waits until each thread has had its turns: the scheduler may serve one long after the others."""
    assert until(lambda: all(one.sent_in_time > items for one in threads)), [one.sent_in_time for one in threads]


def stop_time(gateway):
    """Returns the seconds between the gateway's first and last log line of its stop."""
    stamps = [datetime.datetime.fromisoformat(gateway.log_lines(f" info {word}")[-1].split()[0].replace("Z", "+00:00"))
              for word in ("stopping", "stopped")]
    return (stamps[1] - stamps[0]).total_seconds()


def delivered(path):
    """Returns the numbers of the items in the file, by key."""
    found = {}
    for line in path.read_bytes().splitlines():
        event = json.loads(line)
        if event["event"] == "item":
            found.setdefault(event["key"], []).append(event["item"]["seq"])
    return found


def closed_at(path):
    """Returns when the gateway closed each key's connection: Unix time."""
    conns, times = {}, {}
    for event in map(json.loads, path.read_bytes().splitlines()):
        if event["event"] == "item":
            conns[event["conn"]] = event["key"]
        elif event["event"] == "closed":
            times[conns[event["conn"]]] = datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp()
    return times


def assert_all_delivered(path, threads):
    found = delivered(path)
    for one in threads:
        arrived = found.get(one.key, [])
        count = len(arrived)
        assert arrived == list(range(1, count + 1)) and one.sent_in_time <= count <= one.sent, \
            f"{one.key} sent {one.sent_in_time} to {one.sent}, and {count} arrived"


def is_written(status):
    return status["connections"] == 0 and status["sink"]["lag_events"] == 0


def reasons(path):
    return {event["reason"] for event in map(json.loads, path.read_bytes().splitlines()) if event["event"] == "closed"}


@pytest.mark.parametrize("attempt", range(3))
def test_a_stop_under_load_loses_nothing(tmp_path, attempt):
    path = tmp_path / "events.ndjson"
    with Gateway("--reactors", "2", "--drain-time", f"{LONG_DRAIN_S}s", "--sink", f"file:{path}",
                 config=listener()) as gateway:
        with senders(gateway) as threads:
            gateway.wait_status(lambda status: status["items"] > 3_000)
            all_have_sent(threads)
            gateway.stop(LONG_DRAIN_S + PATIENCE)
        assert stop_time(gateway) < MOST_STOP_S
        assert_all_delivered(path, threads)
        assert reasons(path) == {"shutdown"}
        for one in threads:
            assert json.loads(one.received)["retry_after_ms"] >= 1_000


def test_a_stop_under_load_loses_nothing_over_tls(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    path = tmp_path / "events.ndjson"

    class Encrypted(Sender):
        def _may_send(self):
            self.sock.settimeout(0.0005)
            try:
                text = self.sock.recv(1_000)
            except (TimeoutError, ssl.SSLWantReadError):
                return True
            finally:
                self.sock.settimeout(PATIENCE)
            self.received += text
            return text != b""

    config = listener(tls_certificate=str(certificate), tls_key=str(key))
    with Gateway("--sink", f"file:{path}", config=config) as gateway:
        threads = [Encrypted(context.wrap_socket(device.connect(gateway.address), server_hostname="127.0.0.1"), f"d{number}")
                   for number in range(8)]
        for thread in threads:
            thread.start()
        gateway.wait_status(lambda status: status["items"] > 500)
        all_have_sent(threads)
        gateway.stop()
        for thread in threads:
            thread.join(PATIENCE)
        assert_all_delivered(path, threads)


def test_a_drain_and_the_removal_of_a_listener_lose_nothing(tmp_path):
    path = tmp_path / "events.ndjson"
    both = listener() + listener("other")
    with Gateway("--reactors", "2", "--sink", f"file:{path}", config=both) as gateway:
        with senders(gateway) as threads:
            gateway.wait_status(lambda status: status["items"] > 2_000)
            all_have_sent(threads)
            gateway.ask("POST", "/v1/drain", (200, 202), body={"over": "1s"})
        gateway.wait_status(is_written)
        assert_all_delivered(path, threads)
        assert all(json.loads(one.received)["retry_after_ms"] >= 0 for one in threads)
        path.write_bytes(b"")
        before = gateway.status()["items"]
        with senders(gateway, name="other") as threads:
            gateway.wait_status(lambda status: status["items"] > before + 2_000)
            all_have_sent(threads)
            gateway.reload(listener())
        gateway.wait_status(is_written)
        assert_all_delivered(path, threads)
        assert reasons(path) == {"drained"}


def test_connections_that_wait_to_be_accepted_are_read(tmp_path):
    """They were established before the stop."""
    path = tmp_path / "events.ndjson"
    with Gateway("--sink", f"file:{path}", config=listener()) as gateway, contextlib.ExitStack() as stack:
        with paused(gateway):
            for number in range(50):
                sock = stack.enter_context(device.connect(gateway.address))
                sock.sendall(device.item(f"d{number}", seq=1))
            os.kill(gateway.process.pid, signal.SIGTERM)
        stack.close()
        assert gateway.wait_exit() == 0
        assert delivered(path) == {f"d{number}": [1] for number in range(50)}


def test_devices_get_a_time_to_come_back():
    """Evenly spread, with any framing; a connection without proof of its id receives no time."""
    count = 120
    config = listener() + listener("length", framing="length") + listener("proved", tokens_file=str(tokens.FILE))
    with Gateway("--reactors", "2", "--drain-time", "4s", config=config) as gateway, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(device.connect(gateway.ports["devices"])) for _ in range(count)]
        framed = stack.enter_context(device.connect(gateway.ports["length"]))
        stranger = stack.enter_context(device.connect(gateway.ports["proved"]))
        socks[0].sendall(hello("d"))
        gateway.wait_status(lambda status: status["connections"] == count + 2 and status["identified"] == 1)
        gateway.process.send_signal(signal.SIGTERM)
        told = sorted(json.loads(read_to_end(sock))["retry_after_ms"] for sock in socks)
        text = read_to_end(framed)
        assert text == device.length_framed(text[4:]) and json.loads(text[4:])["retry_after_ms"] >= 1_000
        assert read_to_end(stranger) == b""
        stack.close()
        gateway.stop()
        assert told[0] >= 1_000 and told[-1] <= 5_000
        quarters = [sum(1 for each in told if 1_000 * low <= each < 1_000 * (low + 1)) for low in range(1, 5)]
        assert all(abs(each - count / 4) <= 6 for each in quarters), quarters
        assert {record.reason for record in gateway.events.records()} == {"shutdown"}


def read_to_end(sock):
    text = b""
    while piece := sock.recv(1_000):
        text += piece
    return text


def test_peers_that_do_not_end_their_side_do_not_delay_a_stop():
    """The three peers: a silent one, one that sends and never reads, and one that has vanished."""
    flags = ("--reactors", "1", "--drain-time", f"{LONG_DRAIN_S}s")
    with Gateway(*flags, config=listener()) as gateway, contextlib.ExitStack() as stack:
        stack.enter_context(device.connect(gateway.address))
        device.reset(device.connect(gateway.address))
        over = threading.Event()

        def write_only():
            with device.connect(gateway.address) as sock, contextlib.suppress(ConnectionError):
                while not over.is_set():
                    sock.sendall(device.item("10.0.0.1"))
                    time.sleep(0.0005)

        thread = threading.Thread(target=write_only)
        thread.start()
        gateway.wait_status(lambda status: status["items"] > 10)
        try:
            gateway.stop(LONG_DRAIN_S + PATIENCE)
        finally:
            over.set()
            thread.join(PATIENCE)
        assert stop_time(gateway) < MOST_STOP_S
        by_reason = [record.reason for record in gateway.events.records()]
        assert sorted(by_reason) == ["peer_reset", "shutdown", "shutdown"]


def test_a_second_signal_stops_at_once():
    with Gateway("--reactors", "1", "--drain-time", "30s", config=listener()) as gateway, \
            device.connect(gateway.address) as sock:
        gateway.connected(device.name_of(sock))
        gateway.process.send_signal(signal.SIGTERM)
        assert sock.recv(1_000)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_exit(10) == 0


def test_a_stop_delivers_items_of_a_waiting_claim(tmp_path):
    path = tmp_path / "events.ndjson"
    with Gateway("--sink", f"file:{path}", config=listener()) as gateway, contextlib.ExitStack() as stack:
        for _ in range(37):  # the next claim waits 3.2 s
            holder = stack.enter_context(device.connect(gateway.address))
            holder.sendall(hello("d"))
            assert until(lambda s=holder: [row for row in gateway.ask("GET", "/v1/connections?id=d")["connections"]
                                           if row["peer"] == device.name_of(s)])
        delayed = gateway.status()["delayed_claims"]
        sock = stack.enter_context(device.connect(gateway.address))
        sock.sendall(hello("d") + device.item("behind", seq=1))
        gateway.wait_status(lambda status: status["delayed_claims"] == delayed + 1)
        # A held connection is not read: these bytes stay in the receive queue.
        sock.sendall(b"".join(device.item("behind", seq=number) for number in range(2, 201)))
        with paused(gateway):  # and the hello of this one is read by the stop itself
            late = stack.enter_context(device.connect(gateway.address))
            late.sendall(hello("d") + b"".join(device.item("late", seq=number) for number in range(1, 10_001)))
            os.kill(gateway.process.pid, signal.SIGTERM)
        assert gateway.wait_exit() == 0
        found = delivered(path)
        assert found["behind"] == list(range(1, 201)) and found["late"] == list(range(1, 10_001)), \
            {key: len(numbers) for key, numbers in found.items()}
        assert json.loads(read_to_end(sock))["retry_after_ms"] >= 1_000


@pytest.mark.parametrize("pause_s", [0.002, 0.4])
def test_devices_that_never_look_lose_nothing_that_arrived_before_the_end(tmp_path, pause_s):
    """Devices detect the end by a write that fails: RST follows the last byte that was read, not a later unread byte."""
    path = tmp_path / "events.ndjson"

    class Blind(Sender):
        def _may_send(self):
            time.sleep(pause_s)
            return True

    with Gateway("--reactors", "1", "--drain-time", f"{LONG_DRAIN_S}s", "--sink", f"file:{path}",
                 config=listener()) as gateway:
        threads = [Blind(device.connect(gateway.address), f"d{number}") for number in range(SENDERS)]
        for thread in threads:
            thread.start()
        assert until(lambda: all(one.sent_at[2:] and one.sent_at[2] < time.time() - 2 * CLOCK_ERROR_S for one in threads))
        gateway.stop(LONG_DRAIN_S + PATIENCE)
        assert stop_time(gateway) < MOST_STOP_S
        for thread in threads:
            thread.join(PATIENCE)
    found, ends = delivered(path), closed_at(path)
    for one in threads:
        arrived = found.get(one.key, [])
        sent_before = sum(1 for at in one.sent_at if at < ends[one.key] - CLOCK_ERROR_S)
        assert arrived == list(range(1, len(arrived) + 1)) and 2 < sent_before <= len(arrived) <= one.sent, \
            f"{one.key} sent {sent_before} before its end, {one.sent} in all, and {len(arrived)} arrived"


def test_the_first_write_after_a_stop_fails(tmp_path):
    """A device that never checks would lose the item of that write, were the connection ended by FIN alone."""
    path = tmp_path / "events.ndjson"
    with Gateway("--sink", f"file:{path}", config=listener()) as gateway, device.connect(gateway.address) as sock:
        sock.sendall(device.item("d", seq=1))
        gateway.wait_status(lambda status: status["items"] == 1)
        gateway.stop()
        with pytest.raises(ConnectionError):
            sock.sendall(device.item("d", seq=2))
    assert delivered(path) == {"d": [1]}


def test_a_stop_needs_no_thread():
    """No further memory is left, so that no thread can start: the stop is orderly all the same."""
    with Gateway(config=listener()) as gateway, device.connect(gateway.address) as sock:
        sock.sendall(device.item("10.0.0.1"))
        record = gateway.connected(device.name_of(sock))
        assert gateway.events.wait(lambda: record.items, PATIENCE)
        status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
        size = int(re.search(r"VmSize:\s+(\d+)", status)[1]) << 10
        resource.prlimit(gateway.process.pid, resource.RLIMIT_AS, (size, size))
    assert record.closed
