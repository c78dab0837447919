"""A device that reads slowly, with a closed window at each check, is alive: acknowledged bytes count. Each sample is
one device that receives more than it reads; all run at once. Afterwards some of them die or stop reading."""

import contextlib
import itertools
import json
import ssl
import threading
import time

import pytest

import certificates
from gateway import NO_SUSPICION, Gateway, listener
from lab import device
from lab.netlab import GATEWAY4
from sidebyside import run_all

SLOW_FOR = 38.0  # beyond the bound of every listener
LATE = 4.0  # until this process, which feeds and reads all of them, takes notice
SMALL_BUFFER = 4096
LISTENERS = {
    "d10": {"detect_within": "10s"},
    "d30": {"detect_within": "30s"},
    "stall": {"detect_within": "30s", "write_stall": "9s"},
    "patient": {"detect_within": "10s", "write_stall": "60s"},
    "tls": {"detect_within": "30s", **certificates.own_listener()},
}
ONE_LARGE = {"fill": "x" * 60_000}  # a part of it is acknowledged at each check
MANY_SMALL = {"fill": "x" * 500}
MEDIUM_BUFFER = 16_384


class Reader:
    """One device that reads `rate` bytes a second, or all that is there after each of the `pauses`. Owns its socket."""

    def __init__(self, stage, name, rate, receive_buffer, pauses=None):
        since = time.monotonic()
        raw = device.connect(stage.gateway.ports[name], lab=stage.lab, receive_buffer=receive_buffer)
        self.peer = raw.getsockname()
        self._sock = stage.no_check.wrap_socket(raw) if name == "tls" else raw
        self._sock.settimeout(0.5)
        self._portion = 65_536 if pauses else max(256, rate // 8)
        self._pauses = pauses or itertools.repeat(self._portion / rate)
        self._stop = threading.Event()
        self.received = 0
        self.record = stage.gateway.connected(device.name_of(raw) if name != "tls" else f"{self.peer[0]}:{self.peer[1]}",
                                              since, listener=name)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for pause in self._pauses:
            if self._stop.wait(pause):
                return
            with contextlib.suppress(TimeoutError):
                try:
                    self.received += len(self._sock.recv(self._portion))
                except OSError as error:
                    if isinstance(error, TimeoutError):
                        raise
                    return

    def stop_reading(self):
        self._stop.set()

    def close(self):
        self._stop.set()
        self._sock.close()


class Stage:
    def __init__(self, lab):
        self.lab = lab
        text = NO_SUSPICION + "".join(listener(name, f"{GATEWAY4}:0", read_idle="off", **options)
                                      for name, options in LISTENERS.items())
        self.gateway = Gateway(config=text, namespace=lab.gateway)
        self.no_check = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.no_check.check_hostname = False
        self.no_check.verify_mode = ssl.CERT_NONE
        self.readers = []

    def reader(self, name, rate, receive_buffer=SMALL_BUFFER, pauses=None):
        made = Reader(self, name, rate, receive_buffer, pauses)
        self.readers.append(made)
        return made

    def feed(self, record, message, seconds):
        """Keeps the kernel's buffer and the queue full."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not record.closed:
            answers = 0
            while answers < 30 and self.gateway.send(record.conn, message) == 202:
                answers += 1
            time.sleep(1.0)

    def rto_is_capped(self, name):
        return next(row["plan"]["rto_max_ms"] for row in self.gateway.status()["listeners"] if row["name"] == name) > 0

    def close(self):
        for made in self.readers:
            made.close()


def reads_slowly(name, rate, message, receive_buffer=SMALL_BUFFER):
    def sample(stage):
        made = stage.reader(name, rate, receive_buffer)
        stage.feed(made.record, message, SLOW_FOR)
        return made, made.received
    return sample


def reads_in_steps(stage):
    """Reads in steps: its kernel shows progress; the later ones are longer than the bound of 10 s."""
    made = stage.reader("d10", 0, pauses=(7, 7, 12, 12))
    stage.feed(made.record, ONE_LARGE, SLOW_FOR)
    return made, made.received


def then(slow, fault):
    """Reads slowly for a while, then `fault` happens; returns how long it took until the end."""
    def sample(stage):
        made, _ = slow(stage)
        assert not made.record.closed, made.record.closed
        since = time.monotonic()
        fault(stage, made)
        stage.gateway.closed(made.record, 80)
        return made.record, made.record.closed_at - since
    return sample


def dies(stage, made):
    stage.lab.silence(made.peer)


def stops_reading(_, made):
    made.stop_reading()


LIVING = {
    f"{name} {rate} B/s, {kind}, buffer {buffer}": reads_slowly(name, rate, message, buffer)
    for name, rate, kind, message, buffer in (
        ("d10", 1_000, "one large", ONE_LARGE, SMALL_BUFFER), ("d10", 2_000, "one large", ONE_LARGE, SMALL_BUFFER),
        ("d10", 5_000, "one large", ONE_LARGE, SMALL_BUFFER), ("d10", 2_000, "many small", MANY_SMALL, SMALL_BUFFER),
        ("d30", 1_000, "one large", ONE_LARGE, SMALL_BUFFER),
        ("d30", 2_000, "many small", MANY_SMALL, MEDIUM_BUFFER), ("d30", 5_000, "one large", ONE_LARGE, MEDIUM_BUFFER), ("stall", 2_000, "one large", ONE_LARGE, SMALL_BUFFER),
        ("patient", 1_000, "one large", ONE_LARGE, SMALL_BUFFER), ("tls", 1_000, "one large", ONE_LARGE, SMALL_BUFFER),
        ("tls", 5_000, "many small", MANY_SMALL, SMALL_BUFFER))}
LIVING["d10 100 B/s, in steps of 7 and 12 s"] = reads_in_steps
DYING = {
    "dies behind a closed window": then(reads_slowly("d10", 2_000, ONE_LARGE), dies),
    "dies behind a closed window that write_stall allows for long":
        then(reads_slowly("patient", 2_000, ONE_LARGE), dies),
    "stops reading": then(reads_slowly("d10", 2_000, ONE_LARGE), stops_reading),
    "stops reading, write_stall": then(reads_slowly("stall", 2_000, ONE_LARGE), stops_reading),
}


@pytest.fixture(scope="module")
def stage(module_lab):
    stage = Stage(module_lab)
    with stage.gateway:
        stage.capped = stage.rto_is_capped("patient")
        stage.samples = run_all({name: (lambda run=run: run(stage)) for name, run in {**LIVING, **DYING}.items()}, 150)
        yield stage
        stage.close()


@pytest.mark.parametrize("name", LIVING)
def test_a_slow_reader_stays(stage, name):
    made, received = stage.samples[name].value(time.monotonic())
    assert not made.record.closed, f"{received} bytes were read meanwhile: {json.dumps(made.record.closed)}"
    assert received > 0.5 * SLOW_FOR * int(name.split()[1]), f"the device itself was not what the test needs: {received}"


@pytest.mark.parametrize("name, within, reasons", [
    ("dies behind a closed window", 10, {"retransmit_expired"}),
    ("dies behind a closed window that write_stall allows for long", 10, {"retransmit_expired"}),
    ("stops reading", 10, {"window_stalled"}), ("stops reading, write_stall", 9, {"window_stalled"})])
def test_a_reader_without_progress_is_detected(stage, name, within, reasons):
    record, took = stage.samples[name].value(time.monotonic())
    if "for long" in name and not stage.capped:
        within = 70  # window probes back off up to two minutes: the device looks alive. Bytes in the device's own
                     # buffer are acknowledged before: progress continues for a moment after it stops.
    assert took <= within + LATE + (2.5 if "stops" in name else 0), (took, record.closed)
    assert record.reason in reasons, record.closed
