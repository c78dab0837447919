"""A connection that the gateway does not read for a while. Its end is detected, received bytes are read where possible,
no deadline runs against the device, and urgent data is data."""

import array
import fcntl
import random
import socket
import termios
import time

from gateway import Gateway, listener, until
from lab import device
from lab.netlab import GATEWAY4, device_address
from sidebyside import run_all
from stopped_thread import stopped
from test_devices import Device, known

ITEM = device.item("10.0.0.1")
BURST = 1_000  # items, a debt of 20 s at the rate of these tests
BEHIND = 2_000  # more that wait for it; they fit into a new connection's receive buffer
SOON = 5.0  # a busy machine's milliseconds


def limited(**options):
    return listener(**{"detect_within": "30s", **options}) + "[limits]\nitems_per_second = 50\n"


def drift(gateway):
    answer = gateway.ask("POST", "/v1/reconciliation")
    return {key: answer[key] for key in ("ghosts", "orphans", "stuck_close_wait") if answer[key]}


def behind_its_rate(end, reason):
    """Exceeds the rate: bytes that have arrived are read at once, and the connection ends."""
    with Gateway("--reactors", "1", config=limited()) as gateway:
        sock, other = device.connect(gateway.address), device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        run_into_debt(gateway, sock, record)
        other.sendall(ITEM * 200)
        since = time.monotonic()
        end(sock)
        assert gateway.events.wait(lambda: record.closed, 30), gateway.tail()
        assert time.monotonic() - since < SOON
        assert (record.reason, len(record.items)) == (reason, BURST + BEHIND)
        # The limit holds for others: 200 items were a debt of three seconds.
        kept = gateway.connected(device.name_of(other))
        assert gateway.events.wait(lambda: len(kept.items) == 200, 10)
        since = time.monotonic()
        other.sendall(ITEM)
        assert gateway.events.wait(lambda: len(kept.items) == 201, 20) and not kept.closed
        other.close()


def run_into_debt(gateway, sock, record):
    """Leaves bytes behind the rate, in the gateway's kernel."""
    sock.sendall(ITEM * BURST)
    assert gateway.events.wait(lambda: len(record.items) == BURST, 20)
    sock.sendall(ITEM * BEHIND)
    assert until(lambda: not unacknowledged(sock), 10), "it does not fit into the receive buffer"


def unacknowledged(sock):
    """Returns the bytes that the peer's kernel has not acknowledged yet (tcp(7), SIOCOUTQ)."""
    left = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, left)
    return left[0]


def behind_a_full_sink():
    """Fills the sink. RST ends at once a connection without waiting bytes. Waiting bytes are read when the sink accepts
    events again: that is no drift."""
    config = listener(read_idle="6s", item_deadline="2s") + '[sink]\nqueue_bytes = "64KiB"\n'
    with Gateway("--reactors", "1", config=config) as gateway:
        devices = flood, idle, resets, closes, half = [device.connect(gateway.address) for _ in range(5)]
        records = {sock: gateway.connected(device.name_of(sock)) for sock in devices}
        gateway.pause_reading()
        fill(flood, gateway)
        half.sendall(ITEM[:8])
        closes.sendall(ITEM * 3)
        closes.close()
        resets.sendall(ITEM)
        device.reset(resets)
        device.reset(idle)
        gateway.wait_status(lambda status: status["connections"] == 4, 10)
        assert drift(gateway) == {}
        time.sleep(11)  # the grace of CLOSE_WAIT
        assert drift(gateway) == {}
        assert gateway.status()["connections"] == 4
        half.sendall(ITEM[8:])
        gateway.resume_reading()
        assert gateway.events.wait(lambda: records[half].items, 30)
        assert gateway.events.wait(lambda: all(records[sock].closed for sock in (idle, closes, resets)), 30)
        assert (records[closes].reason, len(records[closes].items)) == ("peer_closed", 3)
        assert (records[resets].reason, len(records[resets].items)) == ("peer_reset", 1)
        assert records[idle].reason == "peer_reset"
        assert not records[half].closed, "its deadlines did not run"
        flood.close()
        half.close()


def fill(sock, gateway):
    """Sends items until the gateway stops reading."""
    sock.setblocking(False)
    end = time.monotonic() + 20
    while not gateway.status()["reading_paused"]:
        assert time.monotonic() < end, gateway.tail()
        try:
            while True:
                sock.send(device.item("10.0.0.2", fill="x" * 4_000))  # may be cut: its stream is not checked
        except BlockingIOError:
            time.sleep(0.01)


def while_it_is_held(tmp_path):
    """Holds a device that numbers its items until the sink has named the last number: here the spool's thread is
    stopped."""
    config = listener(acks=True, read_idle="5s") + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway("--reactors", "1", config=config) as gateway:
        with stopped(gateway.process.pid, "spool"):
            resets, closes, stays = [Device(gateway, name, session="s") for name in ("resets", "closes", "stays")]
            for each, name in ((resets, "resets"), (closes, "closes"), (stays, "stays")):
                assert known(gateway, name)
                each.write({"ip": "10.0.0.1", "seq": 1})
            since = time.monotonic()
            resets.stream.close()
            device.reset(resets.socket)
            gateway.wait_status(lambda status: status["connections"] == 2, 30)
            assert time.monotonic() - since < SOON
            closes.close()
            gateway.wait_status(lambda status: status["connections"] == 1, 30)
            assert drift(gateway) == {}
        assert stays.read() == {"resume": 0}
        assert stays.read() == {"ack": 1}
        ended = {row["id"]: row for row in gateway.ask("GET", "/v1/closed")["closed"]}
        assert ended["resets"]["reason"] == "peer_reset" and "left unread" in ended["resets"]["detail"]
        assert ended["closes"]["reason"] == "peer_closed"
        stays.close()


def test_the_end_is_detected_while_reading_is_paused(tmp_path):
    table = {"FIN behind a rate": lambda: behind_its_rate(lambda sock: sock.close(), "peer_closed"),
             "RST behind a rate": lambda: behind_its_rate(device.reset, "peer_reset"),
             "a full sink": behind_a_full_sink,
             "held": lambda: while_it_is_held(tmp_path)}
    samples = run_all(table, 90)
    for sample in samples.values():
        sample.value(time.monotonic() + 1)


def test_a_silent_device_is_found_behind_its_rate(lab):
    config = limited(address=f"{GATEWAY4}:0", detect_within="3s", read_idle="off")
    with Gateway("--reactors", "1", config=config, namespace=lab.gateway) as gateway:
        sock = device.connect(gateway.address, lab=lab, source=device_address(2))
        record = gateway.connected(device.name_of(sock))
        run_into_debt(gateway, sock, record)
        lab.silence(sock.getsockname())
        since = time.monotonic()
        assert gateway.events.wait(lambda: record.closed, 30)
        assert time.monotonic() - since < 3 + SOON
        assert record.reason in ("keepalive_expired", "retransmit_expired") and len(record.items) == BURST + BEHIND
        sock.close()


def test_urgent_data_waits_behind_the_rate_as_well():
    with Gateway("--reactors", "1", config=limited()) as gateway, device.connect(gateway.address) as sock:
        record = gateway.connected(device.name_of(sock))
        sock.sendall(ITEM * BURST)
        assert gateway.events.wait(lambda: len(record.items) == BURST, 20)
        for _ in range(10):
            sock.sendall(ITEM[:-1])
            sock.send(ITEM[-1:], socket.MSG_OOB)
            time.sleep(0.05)
        assert not gateway.events.wait(lambda: len(record.items) > BURST, 1)


def test_urgent_data_is_data(seed):
    """MSG_OOB marks a byte of the stream. The byte stays in its place, and later bytes are read at once."""
    dice = random.Random(seed)
    with Gateway("--reactors", "1", config=listener()) as gateway, device.connect(gateway.address) as sock:
        record = gateway.connected(device.name_of(sock))
        for number in range(1, 201):
            line = device.item("10.0.0.1", n=number, text="x" * dice.randrange(30))
            place = dice.randrange(len(line))
            sock.sendall(line[:place])
            sock.send(line[place:place + 1], socket.MSG_OOB)
            sock.sendall(line[place + 1:])
            if number % 20 == 0:
                assert gateway.events.wait(lambda: len(record.items) == number, 10), f"{len(record.items)} of {number}"
        assert not any(gateway.status()["bad_items"].values())
