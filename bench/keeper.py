#!/usr/bin/env python3
"""Measures the cost of the keeper (docs/explanation/keeper.md): accepts, items and idle memory with and without it.

    bench/keeper.py [--connections 15000] [--items 40] [--rounds 7]      (HOLDFAST_BIN names another binary)

Each round starts a gateway without a keeper and one with it, in turns, and loads both the same way. Prints the medians
and their ratio. The CPU time is that of the process that serves; the keeper's own is beside it.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "process"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from gateway import Gateway, binary, listener, until  # noqa: E402
from harness.table import align  # noqa: E402


def cpu_seconds(pid):
    """Returns the CPU time of a process to the nanosecond (proc(5), schedstat), of all its threads."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def resident_bytes(pid):
    """Returns the memory of a process without its program's file: a worker touches those pages later than a program that starts."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * sum(int(re.search(rf"{kind}:\s+(\d+)", text)[1]) for kind in ("RssAnon", "RssShmem"))


def measure(keeper, wishes):
    config = ("reactors = 1\n" + listener() + '[sink]\ntype = "none"\n[alarm]\nsuspicion = false\n[process]\n' +
              f"keeper = {'true' if keeper else 'false'}\n")
    with Gateway(config=config) as gateway:
        gateway.wait_ready()
        main = gateway.process.pid
        children = pathlib.Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
        server = int(children[0]) if keeper else main
        empty, begin = resident_bytes(server), cpu_seconds(server)
        host, port = gateway.address
        command = [binary(), "load", "--to", f"{host}:{port}", "--connections", str(wishes.connections), "--hold",
                   "--items", str(wishes.items), "--duration", "1h"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as load:
            line = load.stdout.readline()
            assert line.startswith("ready "), line
            assert until(lambda: gateway.status()["connections"] == wishes.connections, 60)
            accepted, memory = cpu_seconds(server), resident_bytes(server)
            load.stdin.write("\n")
            load.stdin.flush()
            wanted = wishes.connections * wishes.items
            assert until(lambda: gateway.status()["items"] == wanted, 120, 0.1)
            ended = cpu_seconds(server)
            load.kill()
        return {"accept, us of CPU": 1e6 * (accepted - begin) / wishes.connections,
                "item, ns of CPU": 1e9 * (ended - accepted) / wanted,
                "idle connection, bytes": (memory - empty) / wishes.connections,
                "keeper, KiB resident": resident_bytes(main) / 1024 if keeper else 0.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=15_000)
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    wishes = parser.parse_args()
    found = {False: [], True: []}
    for number in range(wishes.rounds):
        for keeper in ((False, True) if number % 2 == 0 else (True, False)):
            found[keeper].append(measure(keeper, wishes))
    rows = [["", "without", "with", "ratio"]]
    for name in found[True][0]:
        without, with_it = (statistics.median(one[name] for one in found[keeper]) for keeper in (False, True))
        rows.append([name, f"{without:.1f}", f"{with_it:.1f}", f"{with_it / without:.3f}" if without else "-"])
    print(align(rows))


if __name__ == "__main__":
    main()
