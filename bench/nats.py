#!/usr/bin/env python3
"""Measures the way from the spool to JetStream. The spool takes a backlog while NATS is away; then NATS starts and
receives it. Real nats-servers on this machine, started and ended here. Prints a table;
docs/explanation/performance.md's method."""

import argparse
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "process"), str(ROOT)]

from gateway import Gateway, until  # noqa: E402
from nats import NatsCluster, NatsServer  # noqa: E402

DEVICES = 8


def send_items(address, count, size):
    """Sends items from one device, many in a write; each item is `size` bytes with its newline."""
    with socket.create_connection(address) as sock:
        def items(first, last):
            for n in range(first, last):
                head = b'{"ip":"10.0.0.%d","i":%d,"fill":"' % (n % 250, n)
                yield head + b"x" * (size - len(head) - 3) + b'"}\n'

        for first in range(0, count, 200):
            sock.sendall(b"".join(items(first, min(first + 200, count))))


def measure(nats, batch, window, count, size):
    """Returns (events published a second, the gateway's CPU in us an event, nats-server's, messages)."""
    servers = nats.servers if isinstance(nats, NatsCluster) else [nats]
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as directory:
        config = (f'[[listener]]\naddress = "127.0.0.1:0"\n[sink]\ntype = "nats"\nurl = "{nats.url}"\nstream = "b{batch}"\n'
                  f'path = "{directory}/spool"\nbatch = {batch}\nwindow = {window}\n[fleet]\nenabled = false\n')
        for server in servers:
            server.kill()
        with Gateway(config=config) as gateway:
            threads = [threading.Thread(target=send_items, args=(gateway.address, count // DEVICES, size))
                       for _ in range(DEVICES)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert until(lambda: gateway.status()["items"] == count // DEVICES * DEVICES, 300)
            assert until(lambda: gateway.status()["sink"]["spool"]["waiting_bytes"] == 0, 60)
            for server in servers:
                server.start(wait=False)
            for server in servers:
                server.wait_ready()
            if isinstance(nats, NatsCluster):
                nats.wait_for_jetstream()
            assert until(lambda: gateway.status()["sink"]["nats"]["published_position"] > 0, 60, 0.002)
            before = gateway.status()["sink"]["nats"]["published_position"]
            cpu, nats_cpu, since = gateway.cpu_seconds(), [cpu_of(server) for server in servers], time.monotonic()
            assert until(lambda: gateway.status()["sink"]["nats"]["lag_events"] == 0, 600, 0.05), gateway.tail()
            took = time.monotonic() - since
            status = gateway.status()["sink"]["nats"]
            events = status["published_position"] - before
            assert status["error"] is None
            used = sum(cpu_of(server) for server in servers) - sum(nats_cpu)
            with nats.client() as client:
                messages = client.stream_size(f"b{batch}")
            return events / took, (gateway.cpu_seconds() - cpu) / events * 1e6, used / events * 1e6, messages


def cpu_of(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=400_000, help="in the backlog [400000]")
    parser.add_argument("--size", type=int, default=200, help="bytes of an item [200]")
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--cluster", action="store_true", help="a cluster of three with three replicas, too")
    options = parser.parse_args()
    print(f"{options.items:,} items of {options.size} bytes, window {options.window}, {os.cpu_count()} cores, "
          f"load before {os.getloadavg()[0]:.1f}")
    print("| servers | batch | events/s | gateway us/event | nats-server us/event | messages |\n|---|---|---|---|---|---|")
    for name, make in (("one", NatsServer), *((("three", NatsCluster),) if options.cluster else ())):
        for batch in (1, 256):
            with make() as nats:
                rate, cpu, nats_cpu, messages = measure(nats, batch, options.window, options.items, options.size)
            print(f"| {name} | {batch} | {rate:,.0f} | {cpu:.1f} | {nats_cpu:.1f} | {messages:,} |", flush=True)


if __name__ == "__main__":
    main()
