#!/usr/bin/env python3
"""Holds 95,000 connections with five gateway processes on one port (SO_REUSEPORT) and measures their cost.

Prints a table and the size of a machine for 1,000,000; writes build/bench/scale.json. Less than five minutes."""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.fleet import Fleet  # noqa: E402
from harness.process import anonymous_bytes, cpu_ns, cpu_split, machine_busy_s, settle_slab, slab_bytes, \
    slab_per_connection  # noqa: E402
from harness.server import Holdfast  # noqa: E402
from harness.table import align, put_into  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
GATEWAYS = 5
STEPS = (1_000, 10_000, 50_000, 95_000)
MOST_A_PROCESS = 19_000  # of the 20,000 descriptors of a common limit
ARRIVALS_PER_S = 4_000
MILLION = 1_000_000


def start_gateways(stack, binary, detect_within):
    gateways = []
    for _ in range(GATEWAYS):
        port = gateways[0].port if gateways else 0
        gateways.append(stack.enter_context(Holdfast(binary, "none", detect_within, ("--reuse-port",), port, pin=[])))
    return gateways


def add_fleets(stack, binary, port, held, wanted):
    """Starts several processes, none with more connections than it has descriptors."""
    missing = wanted - held
    processes = -(-missing // MOST_A_PROCESS)
    for number in range(processes):
        count = missing // processes + (number < missing % processes)
        stack.enter_context(Fleet(binary, port, count, rate=ARRIVALS_PER_S, first_device=held, pin=[]))
        held += count


def connections_of(gateways):
    return [sum(listener["connections"] for listener in gateway.ask("GET", "/v1/status")["listeners"]) for gateway in gateways]


def wait_for(gateways, wanted):
    deadline = time.monotonic() + 30
    while sum(held := connections_of(gateways)) != wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{wanted} connections should be held, the gateways say {held}: {sum(held)}")
        time.sleep(0.2)
    return held


def observe(gateways, seconds, wanted):
    """Returns CPU and memory while only liveness works; all connections must still exist at the end. Memory is the
    median of one reading per second: a reconciliation takes some for about two seconds a minute."""
    pids = [gateway.pid for gateway in gateways]
    cpu, user, machine = sum(map(cpu_ns, pids)), sum(cpu_split(pid)[0] for pid in pids), machine_busy_s()
    memory, began = [], time.monotonic()
    while (took := time.monotonic() - began) < seconds:
        time.sleep(min(1.0, seconds - took))
        memory.append(sum(map(anonymous_bytes, pids)))
    figures = {"cpu_percent": (sum(map(cpu_ns, pids)) - cpu) / took / 1e7,
               "user_percent": (sum(cpu_split(pid)[0] for pid in pids) - user) / took * 100,
               "machine_percent": (machine_busy_s() - machine) / took * 100,
               "user_bytes": statistics.median(memory)}
    return figures | {"spread": wait_for(gateways, wanted)}


def slope(rows, name):
    """Returns the least-squares fit of all steps: (per connection, at none)."""
    count, xs, ys = len(rows), [row["connections"] for row in rows], [row[name] for row in rows]
    mean_x, mean_y = sum(xs) / count, sum(ys) / count
    over = sum((x - mean_x) ** 2 for x in xs)
    per = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / over if over else 0.0
    return per, mean_y - per * mean_x


def run(options):
    rows, began = [], time.monotonic()
    with contextlib.ExitStack() as stack:
        gateways = start_gateways(stack, options.binary, options.detect_within)
        for _ in range(50):  # memory of the admin API's threads at their first request belongs to no connection
            connections_of(gateways)
        settle_slab()
        slab_before = slab_bytes()
        rows.append({"connections": 0} | ({} if slab_before is None else {"slab_bytes_both_ends": 0})
                    | observe(gateways, min(options.idle, 10), 0))
        user_before = rows[0]["user_bytes"]
        held = 0
        for step in options.steps:
            add_fleets(stack, options.binary, gateways[0].port, held, step)
            held = step
            wait_for(gateways, held)
            time.sleep(2)
            row = {"connections": held}
            if slab_before is not None:
                row["slab_bytes_both_ends"] = slab_per_connection(slab_before, slab_bytes(), held) * held
            rows.append(row | observe(gateways, options.idle, held))
            print(f"{held:,} connections, {time.monotonic() - began:.0f} s", file=sys.stderr)
    for row in rows:
        row["user_bytes"] -= user_before
    return rows, user_before


def size_for_a_million(rows, user_before):
    user, at_none = slope(rows, "user_bytes")
    size = {"user_bytes_per_connection": user, "user_bytes": max(at_none, 0) + user_before + user * MILLION,
            "cpu_percent": slope(rows, "cpu_percent")[0] * MILLION, "user_cpu_percent": slope(rows, "user_percent")[0] * MILLION,
            "machine_cpu_percent_both_ends": slope(rows, "machine_percent")[0] * MILLION}
    if "slab_bytes_both_ends" in rows[0]:
        size["kernel_bytes_per_connection"] = slope(rows, "slab_bytes_both_ends")[0] / 2
        size["kernel_bytes"] = size["kernel_bytes_per_connection"] * MILLION
    return size


def render(rows, size):
    lines = [["connections", "user memory, MB", "B each", "kernel slab, both ends, MB", "B each", "gateways' CPU, % of a core",
              "in user space", "machine's CPU, both ends", "fewest and most in a gateway"]]
    for row in rows:
        count, slab = row["connections"], row.get("slab_bytes_both_ends")
        lines.append([f"{count:,}", f"{row['user_bytes'] / 1e6:.1f}", f"{row['user_bytes'] / count:.0f}" if count else "-",
                      "-" if slab is None else f"{slab / 1e6:.1f}", f"{slab / count:,.0f}" if slab and count else "-",
                      f"{row['cpu_percent']:.2f}", f"{row['user_percent']:.2f}", f"{row['machine_percent']:.1f}",
                      f"{min(row['spread']):,} and {max(row['spread']):,}"])
    kernel = size.get("kernel_bytes")
    needs = [f"{size['user_bytes'] / 1e6:,.0f} MB of user memory ({size['user_bytes_per_connection']:.0f} B each)"]
    if kernel is not None:
        needs.append(f"{kernel / 1e9:.1f} GB of kernel memory ({size['kernel_bytes_per_connection']:,.0f} B each: half of both ends here)")
    needs.append(f"{size['cpu_percent']:.0f} % of a core in the gateways, {size['user_cpu_percent']:.1f} % of it in their own code")
    whole = size["machine_cpu_percent_both_ends"]
    if whole >= size["cpu_percent"]:  # else the machine had other work
        needs.append(f"{whole:.0f} % of a core in the whole machine, devices included")
    listed = ";\n- ".join(needs)
    return (align(lines) + f"\n\nBy the slope through these, 1,000,000 idle connections need:\n\n- {listed}.\n\n"
            "The cost of items comes on top.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "holdfast")
    parser.add_argument("--idle", type=float, default=30, help="seconds to watch at each step [30]")
    parser.add_argument("--detect-within", default="30s", help="of the gateways [30s]")
    parser.add_argument("--steps", type=lambda text: [int(step) for step in text.split(",")], default=list(STEPS),
                        help="connections, growing [%s]" % ",".join(map(str, STEPS)))
    parser.add_argument("--markdown", action="store_true", help="measure nothing: print the last results")
    parser.add_argument("--docs", action="store_true", help="measure nothing: put the last results into docs/explanation/performance.md")
    options = parser.parse_args()
    written = OUT / "scale.json"
    if options.markdown or options.docs:
        if not written.exists():
            print("scale: no results yet; run script/scale first", file=sys.stderr)
            return 1
        results = json.loads(written.read_text())
        text = render(results["steps"], results["million"])
        print(text)
        if options.docs:
            put_into(ROOT / "docs" / "explanation" / "performance.md", "scale.py --markdown", text)
        return 0
    if options.steps != sorted(set(options.steps)) or options.steps[0] < 1 or len(options.steps) < 2:
        parser.error("--steps takes two growing numbers or more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends every process on the way out
    try:
        rows, user_before = run(options)
    except RuntimeError as failure:
        print(f"scale: the run is void, nothing was written: {failure}", file=sys.stderr)
        return 1
    size = size_for_a_million(rows, user_before)
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "kernel": os.uname().release}
    written.write_text(json.dumps({"machine": machine, "steps": rows, "million": size}, indent=2) + "\n")
    print(render(rows, size))
    print("written to build/bench/scale.json", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
