"""Measures how long a server takes to detect devices that went silent: from the silence to its report of the end."""

import ctypes
import datetime
import json
import os
import signal
import socket
import struct
import threading
import time
from statistics import median

from harness.server import Holdfast, Peer

DEVICES = 100
ARRIVE_S = 5.0  # so that their keep-alive clocks are not in step
TAKE_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K, 0: linux/filter.h
SO_ATTACH_FILTER = 26


class Devices:
    """Connections that can go silent as if unplugged: a filter drops all packets before their kernel sees them."""

    def __init__(self, port, count):
        self.sockets = []
        for number in range(count):
            device = socket.create_connection(("127.0.0.1", port), source_address=(f"127.2.0.{number + 1}", 0))
            device.sendall(b'{"ip":"10.0.0.%d"}\n' % (number + 1))
            self.sockets.append(device)
            time.sleep(ARRIVE_S / count)

    def silence(self):
        """Returns {peer: when}, in seconds since the epoch."""
        code = ctypes.create_string_buffer(TAKE_NOTHING, len(TAKE_NOTHING))
        program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
        silent = {}
        for device in self.sockets:
            address, port = device.getsockname()
            device.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            silent[f"{address}:{port}"] = time.time()
        return silent

    def close(self):
        for device in self.sockets:
            device.close()


class WatchedHoldfast(Holdfast):
    """Reports ends by its event stream."""

    def __init__(self, binary, events, budget_s):
        self.events = events
        events.unlink(missing_ok=True)
        super().__init__(binary, f"file:{events}", detect_within=f"{budget_s}s")

    def read_events(self, kind):
        with open(self.events, encoding="utf-8") as lines:
            whole = (line for line in lines if line.endswith("\n"))
            return [event for event in map(json.loads, whole) if event["event"] == kind]

    def write_to_all(self):
        for event in self.read_events("connected"):
            self.ask("POST", f"/v1/connections/{event['conn']}/messages", '{"ping":1}')

    def ends(self, _):
        return {event["peer"]: datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp()
                for event in self.read_events("closed")}


class WatchedGo(Peer):
    """Reports each end by a line."""

    def __init__(self, binary, budget_s):
        self.ended = {}
        super().__init__(binary, "-tell", "-period", f"{budget_s}s")

    def write_to_all(self):
        os.kill(self.pid, signal.SIGUSR2)

    def ends(self, wait_s):
        while found := self.find_line(r"^closed (\S+) (\d+)$", wait_s):
            self.ended[found[1]] = int(found[2]) / 1000
        return self.ended


def detect(start, in_flight, timeout_s):
    """Returns {median, min, max, closed, of, within_s}: seconds from silence to the end. The figures exist if all were
    found."""
    with start() as server:
        devices = Devices(server.port, DEVICES)
        silent = devices.silence()
        if in_flight:
            server.write_to_all()
        deadline = time.monotonic() + timeout_s
        ends = {}
        while len(ends) < DEVICES and time.monotonic() < deadline:
            time.sleep(0.5)
            ends = server.ends(0.5)
        took = [ends[peer] - moment for peer, moment in silent.items() if peer in ends]
        if any(seconds < 0 for seconds in took) or set(ends) - set(silent):
            raise RuntimeError(f"a device was closed before it fell silent: {sorted(ends.items())[:3]}")
        devices.close()
    result = {"closed": len(took), "of": DEVICES, "within_s": timeout_s}
    if len(took) == DEVICES:
        result.update(median=median(took), min=min(took), max=max(took))
    return result


def detect_all(binary, go_binary, out, budgets, timeout_s, names):
    """Measures all servers at the same time, since next to no CPU time is used. Returns {server: {measure: result}}."""
    results, failures, threads = {name: {} for name in names}, [], []

    def one(name, measure, start, in_flight):
        try:
            results[name][measure] = detect(start, in_flight, timeout_s)
        except Exception as failure:  # noqa: BLE001: told by the thread that waits
            failures.append(f"{name}, {measure}: {failure}")

    for budget in budgets:
        for word in ("idle", "in_flight"):
            measure = f"detect_{word}_{budget}"
            events = out / f"events-{measure}"
            starts = {"holdfast": lambda budget=budget, events=events: WatchedHoldfast(binary, events, budget),
                      "Go": lambda budget=budget: WatchedGo(go_binary, budget)}
            for name in set(starts) & set(names):
                threads.append(threading.Thread(target=one, args=(name, measure, starts[name], word == "in_flight")))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError("; ".join(failures))
    return results
