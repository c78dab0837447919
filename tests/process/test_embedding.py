"""Programs that embed the library, as docs/tasks/embed.md has them."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import urllib.request

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
    return [build_target(name)
            for name in ("application_auth", "device_manager", "gateway_with_dashboard", "handler_test", "relay",
                         "tracker_bridge")]


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


def exchange(device, *messages):
    """Sends each message, and returns what is answered to each."""
    answers = []
    for message in messages:
        device.sendall(bytes.fromhex(message))
        answers.append(device.recv(100).hex())
    return answers


def test_a_bridge_takes_the_messages_that_makers_of_trackers_publish():
    with program("tracker_bridge") as (process, address):
        heard = lambda: process.stdout.readline().strip()
        teltonika_at = ("127.0.0.1", int(heard().rpartition(":")[2]))
        with socket.create_connection(address, timeout=PATIENCE) as device:
            assert exchange(device, "78780d01012345678901234500018cdd0d0a") == ["787805010001d9dc0d0a"]
            assert heard() == "123456789012345 is here"
            position = bytes.fromhex("78781f120b081d112e10cf027ac7eb0c46584900148f01cc00287d001fb8000380810d0a")
            device.sendall(b"noise" + position[:9])
            assert heard() == "123456789012345: a message of 5 bytes is malformed"
            device.sendall(position[9:])
            assert heard() == '{"imei":"123456789012345","latitude":23.111668,"longitude":114.409285}'
            device.sendall(position[:-3] + b"!\r\n")
            assert heard() == "123456789012345: a message of 36 bytes is malformed"
            assert exchange(device, "78780a134004040001000fdcee0d0a")[0][:12] == "78780513000f"
        assert heard().startswith("123456789012345 left: peer_closed")
        packet = ("000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f1"
                  "0000601a014e0000000000000000010000c7cf")
        with socket.create_connection(teltonika_at, timeout=PATIENCE) as device:
            assert exchange(device, "000f333536333037303432343431303133", packet) == ["01", "00000001"]
            assert heard() == "356307042441013 is here"
            assert heard() == "356307042441013: 54 bytes of AVL data"
        assert heard().startswith("356307042441013 left: peer_closed")
        with socket.create_connection(teltonika_at, timeout=PATIENCE) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stranger.recv(1) == b""
        assert heard().startswith("left: application the first message is no IMEI")


def get(url, path):
    with urllib.request.urlopen(url.rstrip("/") + path, timeout=PATIENCE) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def gateway_with_dashboard(directory):
    """Runs the example. Yields the process, the dashboard's URL and the address for devices."""
    with subprocess.Popen([build_target("gateway_with_dashboard"), "127.0.0.1:0", "127.0.0.1:0", directory],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url, _, address = process.stdout.readline().strip().partition(", devices on ")
            yield process, url, (address.rpartition(":")[0], int(address.rpartition(":")[2]))
        finally:
            process.kill()


def test_a_program_has_dashboard_alarms_and_durable_acks_in_forty_lines(tmp_path):
    with gateway_with_dashboard(tmp_path / "spool") as (process, url, address):
        device = Peer(address, "door-1", session="s1")
        assert device.receive() == {"resume": 0}
        device.send({"ip": "10.0.0.1", "seq": 1})
        assert device.receive() == {"ack": 1}
        assert process.stdout.readline().strip() == 'door-1 sent {"ip": "10.0.0.1", "seq": 1}'
        assert "<title>" in get(url, "/")
        assert "holdfast_items_total" in get(url, "/metrics")
        assert json.loads(get(url, "/v1/alarms"))["active"] == []
        [row] = json.loads(get(url, "/v1/connections"))["connections"]
        assert row["id"] == "door-1" and row["items"] == 1
        process.kill()
    with gateway_with_dashboard(tmp_path / "spool") as (process, url, address):
        device = Peer(address, "door-1", session="s1")
        assert device.receive() == {"resume": 1}, "the acknowledged item outlived the kill"
        process.terminate()
        assert process.wait(PATIENCE) == 0
    done = subprocess.run([build_target("gateway_with_dashboard"), "127.0.0.1:0", "127.0.0.1:x", tmp_path / "spool"],
                          capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and "127.0.0.1:x" in done.stderr, done
