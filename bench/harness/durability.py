"""Measures the cost of durable events: items per second through the sinks, and the time until an item is safe."""

import contextlib
import json
import shutil
import socket
import threading
import time

from .process import cpu_ns
from .server import Holdfast
from .table import align

SENDERS = 8
ITEM_BYTES = 200
INTERVALS_MS = (1, 5, 20)


def start(binary, out, sink, interval_ms=5):
    """Starts a gateway that is not pinned: reactor and spool have threads of their own, and the whole machine is
    measured."""
    for place in (out / "spool", out / "events"):
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
    places = {"spool": f"spool:{out / 'spool'}", "file": f"file:{out / 'events'}", "none": "none"}
    config = out / "spool.toml"
    config.write_text(f'[sink]\ntype = "spool"\ncommit_interval = "{interval_ms}ms"\n' if sink == "spool" else
                      f'[sink]\ntype = "{sink}"\n' + (f'path = "{out / "events"}"\n' if sink == "file" else ""))
    flags = ["--config", str(config)] + (["--acks"] if sink == "spool" else [])
    return Holdfast(binary, places[sink], flags=flags, pin=[])


def items_of(count):
    one = b'{"ip":"10.20.30.40","status":"online","fill":"%s"}\n'
    one %= b"x" * (ITEM_BYTES - len(one) + 2)
    assert len(one) == ITEM_BYTES
    return one * count


def throughput(binary, out, sink, items):
    """Measures items that eight senders push as fast as possible, until the last has arrived."""
    text = items_of(items // SENDERS)
    with start(binary, out, sink) as server, contextlib.ExitStack() as closing:
        socks = [closing.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(SENDERS)]
        threads = [threading.Thread(target=sock.sendall, args=(text,)) for sock in socks]
        cpu, began = cpu_ns(server.pid), time.monotonic()
        for thread in threads:
            thread.start()
        while (status := server.ask("GET", "/v1/status"))["items"] < items or status["sink"]["lag_events"] > 0:
            time.sleep(0.02)
        took, cpu = time.monotonic() - began, cpu_ns(server.pid) - cpu
        for thread in threads:
            thread.join()
    commits = status["sink"].get("spool", {}).get("commits", 0)
    return {"items_per_s": items / took, "cpu_us": cpu / items / 1e3, "items_per_commit": items / commits if commits else 0}


class NumberingDevice:
    """Sends one item at a time and waits for its acknowledgement."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.sock.makefile("rb")
        self.sock.sendall(b'{"hello":{"id":"bench","session":"1"}}\n')
        self.seq = json.loads(self.answers.readline())["resume"]

    def time_to_ack(self):
        self.seq += 1
        began = time.monotonic()
        self.sock.sendall(b'{"ip":"10.20.30.40","seq":%d}\n' % self.seq)
        while json.loads(self.answers.readline()).get("ack", 0) < self.seq:
            pass
        return (time.monotonic() - began) * 1e3


def time_to_durable(binary, out, interval_ms, samples):
    with start(binary, out, "spool", interval_ms) as server:
        device = NumberingDevice(server.port)
        for _ in range(10):
            device.time_to_ack()
        took = sorted(device.time_to_ack() for _ in range(samples))
        device.sock.close()
    return {"median_ms": took[len(took) // 2], "p99_ms": took[len(took) * 99 // 100]}


def measure(binary, out, rounds, items, samples):
    results = {"throughput": {sink: [] for sink in ("none", "file", "spool")}, "durable": {ms: [] for ms in INTERVALS_MS}}
    for _ in range(rounds):
        for sink, runs in results["throughput"].items():
            runs.append(throughput(binary, out, sink, items))
        for interval, runs in results["durable"].items():
            runs.append(time_to_durable(binary, out, interval, samples))
    return results


def spread(runs, name, digits):
    values = sorted(run[name] for run in runs)
    return f"{values[len(values) // 2]:,.{digits}f} ({values[0]:,.{digits}f}..{values[-1]:,.{digits}f})"


def report(results):
    lines = [[f"sink, items of {ITEM_BYTES} bytes", "items per second", "CPU per item, us", "items per commit"]]
    for sink, runs in results["throughput"].items():
        commits = spread(runs, "items_per_commit", 0) if sink == "spool" else "-"
        lines.append([sink, spread(runs, "items_per_s", 0), spread(runs, "cpu_us", 2), commits])
    times = [["commit_interval", "item to ack, median, ms", "99th percentile, ms"]]
    for interval, runs in results["durable"].items():
        times.append([f"{interval}ms", spread(runs, "median_ms", 1), spread(runs, "p99_ms", 1)])
    return align(lines) + "\n\n" + align(times)
