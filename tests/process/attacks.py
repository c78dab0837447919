"""Attacks beside well-behaved devices: the scene that measures their service, and the attackers.

HOLDFAST_ATTACK_SCALE is the share of the full sizes (1: those of docs/explanation/security.md). The default is the
smallest with the same effect."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

from gateway import PATIENCE, Gateway, until

SCALE = float(os.environ.get("HOLDFAST_ATTACK_SCALE", 0.05))
SANITIZED = bool(os.environ.get("HOLDFAST_SANITIZED"))
DEVICES = 50
ALONE_S = 5.0 if SCALE >= 0.5 else 1.0
# Share of the reactor's CPU time: other processes of the machine do not count. Sanitizers make code several times
# slower.
LONGEST_TURN_MS = 1000 if SANITIZED else 250


def size(full, least=1):
    return max(least, int(full * SCALE))


class Scene:
    """A gateway with 50 devices beside an attack. Owns both processes. The end of the block checks that no item was
    lost and that no connection is left, and prints a row of the table."""

    def __init__(self, name, config, tls=False, lab=None, **options):
        self.name = name
        self.size = 0
        self.gateway = None
        self.told = None       # the witness's samples, after the end
        self.ended = None      # the reasons of the closed events
        self.rss = {}
        self._lab = lab
        self._tls = tls
        self._options = options
        self._config = config
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self):
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-attack-"))
        self.socket = pathlib.Path(folder) / "admin.sock"  # reaches from one network namespace into another
        reading, writing = os.pipe()
        self._stack.callback(os.close, reading)
        config = self._config + f'[admin]\nsocket = "{self.socket}"\n'
        self.gateway = Gateway(config=config, stdout=writing, namespace=self._lab and self._lab.gateway, **self._options)
        self._stack.callback(self.gateway.kill)
        os.close(writing)
        self.gateway.wait_ready()
        self._witness = self._start_witness(reading)
        assert self._witness.stdout.readline() == "ready\n", self.gateway.tail()
        time.sleep(ALONE_S)

    def _start_witness(self, events):
        options = {"to": self.gateway.address, "admin": str(self.socket), "events": events, "devices": DEVICES,
                   "every_s": 0.1, "downlinks_per_second": 50, "tls": self._tls}
        words = [sys.executable, str(pathlib.Path(__file__).with_name("witness.py")), json.dumps(options)]
        words = self._lab.device.command(*words) if self._lab else words
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[events])
        self._stack.callback(_end, process)
        return process

    @contextlib.contextmanager
    def attack(self, count, lasts=0.5):
        """Runs the block as the attack, for `lasts` seconds at least, so that the samples show it."""
        self.size = count
        self.rss["before"] = self.gateway.resident_kib()
        pathlib.Path(f"/proc/{self.gateway.process.pid}/clear_refs").write_text("5", encoding="ascii")
        self.began = time.monotonic()
        yield
        time.sleep(max(0.0, self.began + lasts - time.monotonic()))
        self._over = time.monotonic()

    def __exit__(self, kind, *_):
        with self._stack:
            if kind is None:
                self._settle()

    def _settle(self):
        status = self.gateway.wait_status(lambda status: status["connections"] == DEVICES)
        self.rss["peak"] = self._peak_kib()
        self.rss["after"] = self.gateway.resident_kib()
        drift = self.gateway.ask("POST", "/v1/reconciliation")
        self._witness.stdin.write("stop\n")
        self._witness.stdin.flush()
        self.told = json.loads(self._witness.stdout.readline())
        print(self._row())
        self.gateway.stop()
        self.ended = json.loads(self._witness.stdout.readline())
        self._hold(status, drift)

    def _hold(self, status, drift):
        told, tail = self.told, self.gateway.tail()
        assert not self.ended["wrong"], f"{self.ended['wrong']}{tail}"
        assert told["arrived"] == told["sent"], f"{told['arrived']} of {told['sent']} items{tail}"
        assert told["downlinked"] == told["taken"] > 0, f"{told['downlinked']} of {told['taken']} downlinks{tail}"
        assert not told["lost"], f"witnesses {told['lost']} were closed{tail}"
        assert drift["drift"] == 0, drift
        longest = max(turns["longest_cpu_ms"] for turns in status["turns"])
        assert longest < LONGEST_TURN_MS, f"a turn of {longest} ms{tail}"
        closed = {reason: count for reason, count in status["closed"].items() if count}
        shutdown = self.ended["reasons"].pop("shutdown", 0)
        assert self.ended["reasons"] == closed and shutdown == DEVICES, (self.ended["reasons"], closed, shutdown)
        if not SANITIZED:  # in one run, and loosely: other work may share the machine
            alone, during = self.p99(told["items"], alone=True), self.p99(told["items"])
            assert during < max(100 * alone, 2.0), f"p99 {alone:.4f} s alone, {during:.4f} s during the attack{tail}"

    def p99(self, samples, alone=False):
        start, end = (self.began - ALONE_S, self.began) if alone else (self.began, self._over)
        taken = sorted(took for sent, took in samples if start <= sent <= end)
        return taken[int(len(taken) * 0.99)] if taken else float("nan")

    def _row(self):
        told = self.told
        cells = [self.name, f"{self.size:,}", f"{told['arrived']:,} of {told['sent']:,}"]
        cells += [f"{1e3 * self.p99(told['items'], alone):.1f}" for alone in (True, False)]
        cells += [f"{told['downlinked']:,} of {told['taken']:,}"]
        cells += [f"{1e3 * self.p99(told['downlinks'], alone):.1f}" for alone in (True, False)]
        cells += [f"{self.rss[when] / 1024:.1f}" for when in ("before", "peak", "after")]
        return "| " + " | ".join(cells) + " |"

    def _peak_kib(self):
        text = pathlib.Path(f"/proc/{self.gateway.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1])

    def grown_mib(self):
        """Returns the growth of memory from before the attack to its maximum; None under a sanitizer, whose own memory
        would count."""
        return 0.0 if SANITIZED else (self._peak_kib() - self.rss["before"]) / 1024

    def closed(self, within=PATIENCE, or_refused=False, **expected):
        """Checks the number of ended connections by reason, and that no other connection ended. `or_refused`: a busy
        gateway may refuse some of them instead."""
        def now():
            return {reason: count for reason, count in self.gateway.status()["closed"].items() if count}

        if or_refused:
            assert until(lambda: self.gateway.status()["connections"] == DEVICES, within), self.gateway.status()
            (reason, count), = expected.items()
            expected[reason] = count - sum(self.gateway.status()["refused"].values())
            assert expected[reason] > count / 2, f"{expected}: the rest of {count} was refused"
        assert until(lambda: sum(now().values()) >= sum(expected.values()), within), f"{now()}, not {expected}"
        assert now() == {reason: count for reason, count in expected.items() if count}, f"{now()}, not {expected}"

    def details(self, reason):
        """Returns the details of the closed events of this reason."""
        rows = self.gateway.ask("GET", f"/v1/closed?reason={reason}&limit=10000")["closed"]
        return {row["detail"] for row in rows}

    def causes(self, reason):
        """Returns these details without the number of bytes that were left."""
        return {detail.split("; ")[0] for detail in self.details(reason)}

    def strangers_items(self, expected):
        """Returns True if so many items were counted beside those of the living connections, which continue to send."""
        def is_so():
            before = self.gateway.status()["items"]
            listed = sum(row["items"] for row in self.gateway.ask("GET", "/v1/connections?limit=10000")["connections"])
            return before <= listed + expected <= self.gateway.status()["items"]
        return until(is_so)


def _end(process):
    if process.poll() is None:
        process.kill()
    process.communicate()


# Attackers


def raise_descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def source(number, lab=None):
    """Yields addresses of loopback, or of the lab's devices, each once."""
    net = f"10.{200 + number // 62_500}" if lab else f"127.{66 + number // 62_500}"
    return f"{net}.{number // 250 % 250}.{1 + number % 250}"


class Crowd:
    """Non-blocking sockets of attackers; `with` closes them."""

    def __init__(self, gateway, from_one_address=None, lab=None):
        raise_descriptors()
        self.socks = []
        self._lab = lab
        self._to = gateway.address
        self._one = from_one_address

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.close()

    def connect(self, say=b"", receive_buffer=None):
        """Opens a connection that sends these bytes and then nothing. Returns None if it was refused at once."""
        with self._lab.device_side() if self._lab else contextlib.nullcontext():
            sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.SOL_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        sock.bind((self._one or source(len(self.socks), self._lab), 0))
        sock.settimeout(PATIENCE)
        self.socks.append(sock)
        with contextlib.suppress(ConnectionError):
            sock.connect(self._to)
            if say:
                sock.sendall(say)
            return sock
        return None


def ended(sock):
    """Returns True if the gateway has ended the connection."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


# A clock that jumps

_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static volatile long long* offset;
static int (*real)(clockid_t, struct timespec*);
__attribute__((constructor)) static void begin(void) {
    real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
    const char* path = getenv("HOLDFAST_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    void* page = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) offset = page;
    if (file >= 0) close(file);
}
int clock_gettime(clockid_t clock, struct timespec* into) {
    int said = real(clock, into);
    if (said == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) into->tv_sec += *offset;
    return said;
}
time_t time(time_t* into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    """A process's own wall clock, which the test sets; its monotonic one is the machine's."""

    def __init__(self, folder):
        self._file = folder / "clock"
        self._file.write_bytes(bytes(8))
        library = folder / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-x", "c", "-o", str(library), "-"], input=_CLOCK, text=True, check=True,
                       timeout=60)
        self.env = {"LD_PRELOAD": str(library), "HOLDFAST_TEST_CLOCK": str(self._file)}

    def jump(self, seconds):
        """Sets the clock's difference to the machine's."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(bytes(ctypes.c_longlong(int(seconds))))
