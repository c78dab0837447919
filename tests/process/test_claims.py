"""Which connection speaks for a device: the newest that lives, in whatever order hellos are read."""

import contextlib
import json
import os
import pathlib
import signal
import threading
import time

import pytest

from gateway import PATIENCE, Gateway, listener, until
from lab import device


def hello(name, **fields):
    return json.dumps({"hello": {"id": name, **fields}}).encode() + b"\n"


def holders_of(gateway, name):
    """The addresses of the connections that have the id, as the gateway prints them: two during a takeover."""
    return [row["peer"] for row in gateway.ask("GET", f"/v1/connections?id={name}")["connections"]]


def lives(sock):
    """Whether the gateway holds the connection: an item goes through, and no end comes."""
    sock.settimeout(0.3)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def is_stopped(pid):
    """Whether every thread has stopped, which is a moment after the signal."""
    states = [(task / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
              for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return set(states) == {"T"}


@contextlib.contextmanager
def paused(gateway):
    """While the gateway is stopped, what devices do waits in the kernel."""
    os.kill(gateway.process.pid, signal.SIGSTOP)
    try:
        assert until(lambda: is_stopped(gateway.process.pid))
        yield
    finally:
        os.kill(gateway.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("reactors", [1, 2])
@pytest.mark.parametrize("ending", ["closes", "resets", "stays"])
def test_a_hello_that_comes_late_takes_nothing(reactors, ending):
    """Attempts that say hello after their successor, and have been closed, reset, or are still there."""
    with Gateway("--reactors", str(reactors), config=listener()) as gateway, contextlib.ExitStack() as stack:
        attempts = [stack.enter_context(device.connect(gateway.address)) for _ in range(6)]
        names = [device.name_of(sock) for sock in attempts]
        gateway.wait_status(lambda status: status["connections"] == 6)
        living = stack.enter_context(device.connect(gateway.address))
        living.sendall(hello("d") + device.item("10.0.0.1"))
        assert until(lambda: holders_of(gateway, "d") == [device.name_of(living)])
        with paused(gateway):
            for sock in attempts:
                sock.sendall(hello("d") + device.item("10.0.0.2"))
                if ending == "closes":
                    sock.close()
                if ending == "resets":
                    device.reset(sock)
        ended = {"closes": "peer_closed", "resets": "peer_reset", "stays": "superseded"}[ending]
        status = gateway.wait_status(lambda status: status["closed"][ended] == 6)
        assert lives(living) and holders_of(gateway, "d") == [device.name_of(living)]
        assert status["stale_claims"] == 6, status
        if ending == "closes":
            for name in names:
                record = gateway.connected(name)
                assert gateway.events.wait(lambda r=record: r.closed, PATIENCE)
                assert len(record.items) == 1, "what arrived before the end is admitted"


def test_hello_items_and_end_in_one_segment():
    with Gateway(config=listener()) as gateway, device.connect(gateway.address) as living:
        living.sendall(hello("d"))
        assert until(lambda: holders_of(gateway, "d"))
        for _ in range(20):
            with paused(gateway), device.connect(gateway.address) as attempt:
                attempt.sendall(hello("d") + device.item("10.0.0.2"))
        gateway.wait_status(lambda status: status["closed"]["peer_closed"] == 20)
        assert gateway.events.wait(lambda: gateway.events.item_count == 20, PATIENCE)
        assert lives(living) and holders_of(gateway, "d") == [device.name_of(living)]
        # While no other has the id, its items arrive under it and it ends in the same way.
        with paused(gateway), device.connect(gateway.address) as alone:
            name = device.name_of(alone)
            alone.sendall(hello("alone") + device.item("10.0.0.3"))
        record = gateway.connected(name)
        assert gateway.events.wait(lambda: record.closed, PATIENCE)
        assert record.reason == "peer_closed" and len(record.items) == 1 and holders_of(gateway, "alone") == []


def test_numbered_items_of_a_late_connection_come_from_the_living_one(tmp_path):
    """Nothing of them was acknowledged, so that the device sends them again; each is admitted once."""
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as gateway, device.connect(gateway.address) as living:
        living.sendall(hello("d", session="s"))
        stream = living.makefile("rb")
        assert json.loads(stream.readline()) == {"resume": 0}
        for _ in range(5):
            with paused(gateway), device.connect(gateway.address) as attempt:
                attempt.sendall(hello("d", session="s") + device.item("10.0.0.2", seq=1))
        gateway.wait_status(lambda status: status["closed"]["peer_closed"] == 5)
        assert gateway.status()["repeated_items"] == 5
        living.sendall(device.item("10.0.0.2", seq=1))
        assert json.loads(stream.readline()) == {"ack": 1}
        assert gateway.status()["items"] == 1
        stream.close()


def test_a_device_that_closes_its_newer_connection_goes_on_with_the_older_one():
    """The newer connection's end waits behind a rate limit while the older one says hello."""
    config = listener() + "[limits]\nitems_per_second = 1\n"
    with Gateway(config=config) as gateway, device.connect(gateway.address) as older:
        gateway.wait_status(lambda status: status["connections"] == 1)
        with device.connect(gateway.address) as newer:
            newer.sendall(hello("d") + device.item("10.0.0.1") * 20)
            assert until(lambda: holders_of(gateway, "d") == [device.name_of(newer)])
        older.sendall(hello("d"))
        assert until(lambda: holders_of(gateway, "d") == [device.name_of(older)])
        assert lives(older)


class Rival(threading.Thread):
    """A device that connects again as soon as the gateway ends its connection."""

    def __init__(self, address, name, over):
        super().__init__()
        self._address, self._name, self._over = address, name, over
        self.connects = 0

    def run(self):
        while not self._over.is_set():
            with device.connect(self._address) as sock, contextlib.suppress(OSError):
                self.connects += 1
                sock.sendall(hello(self._name))
                sock.settimeout(0.2)
                while not self._over.is_set():
                    with contextlib.suppress(TimeoutError):
                        if sock.recv(100) == b"":
                            break


@contextlib.contextmanager
def rivals(*addresses, name="shared"):
    over = threading.Event()
    threads = [Rival(address, name, over) for address in addresses]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        over.set()
        for thread in threads:
            thread.join()


def cpu_seconds(gateway):
    fields = pathlib.Path(f"/proc/{gateway.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("reactors", [1, 2])
def test_two_devices_with_one_id_cost_no_core_and_are_named(reactors):
    with Gateway("--reactors", str(reactors), config=listener()) as gateway:
        before = cpu_seconds(gateway)
        with rivals(gateway.address, gateway.address) as devices:
            alarm = until(lambda: [a for a in gateway.ask("GET", "/v1/alarms")["active"]
                                   if a["alarm"] == "duplicate_device"])[0]
            time.sleep(8)
            takeovers = gateway.status()["closed"]["superseded"]
        assert '"shared"' in alarm["summary"] and alarm["summary"].count("127.0.0.1:") == 2, alarm
        assert 20 <= takeovers < 50, f"{takeovers} takeovers"
        assert sum(one.connects for one in devices) < 80
        assert cpu_seconds(gateway) - before < 8 * 0.5
        status = gateway.status()
        assert status["delayed_claims"] > 0
        assert f'holdfast_delayed_claims_total{{listener="devices"}} {status["delayed_claims"]}' in \
            gateway.ask("GET", "/metrics")


def test_a_device_that_reconnects_is_not_delayed():
    with Gateway(config=listener()) as gateway, contextlib.ExitStack() as stack:
        for _ in range(5):
            sock = stack.enter_context(device.connect(gateway.address))
            sock.sendall(hello("d") + device.item("10.0.0.1"))
            assert until(lambda s=sock: holders_of(gateway, "d") == [device.name_of(s)])
        status = gateway.status()
        assert status["delayed_claims"] == 0 and status["stale_claims"] == 0
        assert not gateway.ask("GET", "/v1/alarms")["active"]


def test_a_claim_that_waits_is_decided_and_its_items_arrive(tmp_path):
    """Also where the device numbers its items, and where the waiting connection ends before its turn."""
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as gateway, contextlib.ExitStack() as stack:
        for number in range(34):
            sock = stack.enter_context(device.connect(gateway.address))
            sock.sendall(hello("d", session=f"s{number}") + device.item("10.0.0.1", seq=1))
            stream = stack.enter_context(sock.makefile("rb"))
            assert json.loads(stream.readline()) == {"resume": 0} and json.loads(stream.readline()) == {"ack": 1}
        assert gateway.status()["delayed_claims"] > 0
        given_up = stack.enter_context(device.connect(gateway.address))
        given_up.sendall(hello("d"))
        gateway.wait_status(lambda status: status["accepted"] == 35)
        given_up.close()
        status = gateway.wait_status(lambda status: status["closed"]["peer_closed"] == 1)
        assert lives(sock) and status["items"] == 34 and status["closed"]["superseded"] == 33
