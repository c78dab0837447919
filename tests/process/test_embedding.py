"""Programs that embed the library, as docs/tasks/embed.md has them."""

import contextlib
import json
import signal
import socket
import subprocess
import threading

import pytest

from build import build_target
from gateway import PATIENCE


@contextlib.contextmanager
def program(name):
    """Runs an example. Yields the process and its address."""
    with subprocess.Popen([build_target(name), "127.0.0.1:0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          bufsize=1) as process:
        late = threading.Timer(2 * PATIENCE, process.kill)  # a line that does not come is empty then
        late.start()
        try:
            address = process.stdout.readline().split()[-1]
            yield process, (address.rpartition(":")[0], int(address.rpartition(":")[2]))
        finally:
            late.cancel()
            process.stdin.close()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


class Peer:
    """A device: sends JSON lines, and reads them."""

    def __init__(self, address, device, **words):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.send({"hello": {"id": device} | words})

    def send(self, item):
        self.socket.sendall(json.dumps(item).encode() + b"\n")

    def receive(self):
        line = self.lines.readline()
        return json.loads(line) if line else None


@pytest.fixture(scope="module", autouse=True)
def built():
    return [build_target(name) for name in ("application_auth", "device_manager", "handler_test", "relay")]


def test_a_device_manager_commands_waits_and_broadcasts():
    with program("device_manager") as (process, address):
        say = lambda text: print(text, file=process.stdin, flush=True)
        heard = lambda: process.stdout.readline().strip()
        door, gate = Peer(address, "door-1"), None
        assert heard() == "door-1 is here"
        gate = Peer(address, "gate-1")
        assert heard() == "gate-1 is here"
        say("door-1 open")
        assert door.receive() == {"command": 1, "text": "open"}
        door.send({"answer": 1, "done": True})
        assert heard() == 'door-1 answers {"answer": 1, "done": true}'
        say("all good night")
        assert door.receive() == gate.receive() == {"news": "good night"}
        say("gate-1 open")
        assert gate.receive() == {"command": 2, "text": "open"}
        assert heard() == "gate-1 did not answer command 2"
        gate.send({"answer": 2})
        assert gate.receive() is None
        assert heard() == "gate-1 left: application"
        process.stdin.close()
        assert heard() == "door-1 left: shutdown"


def test_a_relay_passes_items_between_reactors():
    with program("relay") as (_, address):
        phones = [Peer(address, f"phone-{n}") for n in range(12)]
        for n, phone in enumerate(phones):
            phone.send({"to": "nobody"})
            assert phone.receive() == {"error": "no such device is connected"}
        for n, phone in enumerate(phones):
            phone.send({"to": f"phone-{(n + 1) % len(phones)}", "n": n})
        for n, phone in enumerate(phones):
            assert phone.receive() == {"to": f"phone-{n}", "n": (n - 1) % len(phones)}


def test_a_program_decides_who_comes_in_by_a_slow_look_up():
    with program("application_auth") as (process, address):
        heard = lambda: process.stdout.readline().strip()
        known = Peer(address, "door-1", token="red-fox")
        assert heard() == "north/door-1 is here"
        stranger = Peer(address, "door-1", token="wrong")
        assert stranger.receive() == {"error": "unknown token"}
        assert stranger.receive() is None
        stranger.socket.close()
        stranger.lines.close()
        assert heard() == "closed: application 401"
        known.socket.close()
        known.lines.close()
        assert heard() == "closed: peer_closed 0"


def test_a_handler_is_tested_without_sockets():
    done = subprocess.run([build_target("handler_test")], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok: ") == 9
