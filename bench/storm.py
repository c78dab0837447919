#!/usr/bin/env python3
"""Measures a fleet that reconnects all at once: the time until all are connected, the effect on devices that stay, and
the cost.

    bench/storm.py [--devices 19000] [--rates 0 1000 3000] [--modes plain tls]      (HOLDFAST_BIN names another binary)

`holdfast load --storm` closes and reconnects every device at once. Other devices stay and get downlinks at a steady
rate, five seconds before the storm and through it. Each downlink is timed from the request at /v1 to its arrival.
Gateway, fleet and this program share the machine's cores, so that the times are upper bounds. Prints one table; eight
minutes.
"""

import argparse
import http.client
import json
import pathlib
import re
import resource
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "process"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from certificates import own_listener  # noqa: E402
from gateway import Gateway, binary, listener  # noqa: E402
from harness.table import align  # noqa: E402

QUIET_S = 5.0     # before the storm
MIB = 1 << 20


class Downlinks:
    """Devices that stay, and a downlink to one after another. Owns their sockets and two threads; ends by stop()."""

    def __init__(self, gateway, count, per_second, tls):
        self.samples = []  # (request time, seconds until arrival)
        self.lost = 0
        self._asked = {}
        self._pause = 1 / per_second
        self._admin = gateway.admin
        self._over = threading.Event()
        self._socks = [self._open(gateway.address, tls) for _ in range(count)]
        peers = {"%s:%d" % sock.getsockname()[:2] for sock in self._socks}
        gateway.wait_status(lambda s: s["listeners"][0]["connections"] == count)
        rows = gateway.ask("GET", "/v1/connections?limit=10000")["connections"]
        self._ids = [row["conn"] for row in rows if row["peer"] in peers]
        assert len(self._ids) == count, rows[:3]
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._ask, self._read)]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _open(address, tls):
        sock = socket.create_connection(address, timeout=30)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        sock.sendall(b'{"ip":"10.0.0.1"}\n')
        return sock

    def _ask(self):
        admin = http.client.HTTPConnection(*self._admin, timeout=30)
        due, number = time.monotonic(), 0
        while not self._over.wait(max(due - time.monotonic(), 0)):
            self._asked[number] = time.monotonic()
            path = f"/v1/connections/{self._ids[number % len(self._ids)]}/messages"
            admin.request("POST", path, json.dumps({"storm": number}), {"Content-Type": "application/json"})
            answer = admin.getresponse()
            answer.read()
            if answer.status >= 300:
                self.lost += 1
            number, due = number + 1, max(due + self._pause, time.monotonic() - 1)

    def _read(self):
        poll = select.epoll()
        by_fd = {sock.fileno(): sock for sock in self._socks}
        for fd, sock in by_fd.items():
            sock.setblocking(False)
            poll.register(fd, select.EPOLLIN)
        while not self._over.is_set():
            for fd, _ in poll.poll(0.1):
                now = time.monotonic()
                try:
                    text = by_fd[fd].recv(65536)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                if not text:
                    raise RuntimeError("one that should have stayed was closed")
                for number in map(int, re.findall(rb'"storm":(\d+)', text)):
                    self.samples.append((self._asked[number], now - self._asked[number]))

    def between(self, begin, end):
        return sorted(took for asked, took in self.samples if begin <= asked < end)

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()
        for sock in self._socks:
            sock.close()


def milliseconds(samples, share):
    return f"{1000 * samples[min(int(share * len(samples)), len(samples) - 1)]:.1f}" if samples else "-"


def peak_rss(gateway):
    text = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", text)[1])


def state_of(gateway):
    status = gateway.ask("GET", "/v1/status")
    ours = status["listeners"][0]
    return {"open": ours["connections"] - ours["opening"], "accepted": ours["accepted"],
            "closed": sum(ours["closed"].values()), "tls_failed": ours["closed"].get("tls_failed", 0),
            "refused": sum(ours["refused"].values()), "buffers": status["buffers"]["bytes"]}


def wait_for(gateway, good, until):
    """Waits for the good state. Returns it with the maximum that buffers held on the way."""
    most = 0
    while True:
        state = state_of(gateway)
        most = max(most, state["buffers"])
        if good(state):
            return state, most
        if time.monotonic() > until:
            raise RuntimeError(f"not in time: {state}")
        time.sleep(0.1)


def storm(mode, rate, wishes):
    tls = mode == "tls"
    config = listener(**(own_listener() if tls else {})) + f"[limits]\naccept_rate = {rate}\nbuffer_budget = \"{wishes.budget}\"\n" \
        "[alarm]\nsuspicion = false\n"
    with Gateway("--sink", "none", config=config) as gateway:
        downlinks = Downlinks(gateway, wishes.staying, wishes.downlinks, tls)
        everyone = wishes.devices + wishes.staying
        # The fleet's own clock starts the storm: late enough for all to connect, and then for a quiet while. The next
        # storm would be as long after it. A device whose SYN found the backlog full tries again after 1, 3, 7, 15, 31
        # s: twice the time of the rate.
        calm = QUIET_S + wishes.devices / (500 if tls else 3000) + (2 * wishes.devices / rate if rate else 0) + 8
        begun = time.monotonic() + calm
        fleet = subprocess.Popen(
            [binary(), "load", "--to", "%s:%d" % gateway.address, "--connections", str(wishes.devices), "--source", "127.1.0.0/16",
             "--storm", f"{calm * 1000:.0f}ms", "--duration", f"{2 * calm * 1000 - 1:.0f}ms", "--seed", "1", *(["--tls"] if tls else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            before, _ = wait_for(gateway, lambda s: s["open"] == everyone, begun - QUIET_S)
            time.sleep(max(begun - time.monotonic(), 0))
            after, most = wait_for(gateway, lambda s: s["open"] == everyone and s["closed"] >= before["closed"] + wishes.devices,
                                   begun + calm - 1)
            took = time.monotonic() - begun
            rss = peak_rss(gateway)
        finally:
            fleet.kill()
            fleet.wait()
        downlinks.stop()
        quiet, during = downlinks.between(begun - QUIET_S, begun), downlinks.between(begun, begun + took)
        assert not downlinks.lost, f"{downlinks.lost} downlinks were not taken"
        return [mode, str(rate) if rate else "none", f"{took:.1f}", f"{wishes.devices / rate:.1f}" if rate else "-",
                str(after["refused"] - before["refused"]), str(after["tls_failed"] - before["tls_failed"]),
                f"{milliseconds(quiet, 0.5)} / {milliseconds(quiet, 0.99)}",
                f"{milliseconds(during, 0.5)} / {milliseconds(during, 0.99)} / {milliseconds(during, 1)}", str(len(during)),
                f"{rss / MIB:.0f}", f"{most / MIB:.0f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=19_000)
    parser.add_argument("--staying", type=int, default=300)
    parser.add_argument("--downlinks", type=float, default=200, help="a second")
    parser.add_argument("--budget", default="512MiB")
    parser.add_argument("--rates", type=int, nargs="+", default=[0, 1000, 3000], help="accept_rate; 0: none")
    parser.add_argument("--modes", nargs="+", default=["plain", "tls"], choices=["plain", "tls"])
    wishes = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines = [["devices are", "accept_rate", "all in after s", "the rate alone", "refused", "handshakes failed", "downlink before, p50 / p99 ms",
              "in the storm, p50 / p99 / longest", "samples", "peak RSS, MiB", "peak buffers, MiB"]]
    for mode in wishes.modes:
        for rate in wishes.rates:
            lines.append(storm(mode, rate, wishes))
            print(" | ".join(lines[-1]), file=sys.stderr, flush=True)
    print(align(lines))


if __name__ == "__main__":
    main()
