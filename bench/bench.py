#!/usr/bin/env python3
"""Measures holdfast beside its peers; script/bench builds them all and calls this. Method: docs/PERFORMANCE.md."""

import argparse
import json
import os
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import measures, table  # noqa: E402
from harness.server import Holdfast, Peer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
BINARY = ROOT / "build" / "release" / "holdfast"


def start_holdfast(binary, sink):
    events = OUT / "events"
    events.unlink(missing_ok=True)
    return Holdfast(binary, f"file:{events}" if sink == "file" else sink)


def servers(binary):
    return {
        "floor": lambda: Peer(OUT / "peers" / "floor"),
        "holdfast": lambda: start_holdfast(binary, "none"),
        "holdfast, file": lambda: start_holdfast(binary, "file"),
        "Go": lambda: Peer(OUT / "peers" / "go-peer"),
    }


def measure(start, binary, idle_s, repeats):
    figures = {}
    with start() as server:
        figures.update(measures.population(server, binary, idle_s, server.counts()))
        figures.update(measures.burst(server, binary, server.counts()))
        for items in (1, 16):
            figures.update(measures.drain(server, binary, items, repeats, server.counts()))
    return figures


def run(options):
    chosen = {name: start for name, start in servers(options.binary).items() if not options.only or name in options.only}
    rounds = []
    for number in range(options.rounds):
        one = {}
        for name, start in chosen.items():
            began = time.monotonic()
            one[name] = measure(start, options.binary, options.idle if number == 0 else 0, options.repeats)
            print(f"round {number + 1} of {options.rounds}: {name}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        rounds.append(one)
    return rounds, list(chosen)


def machine():
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":", 1)[1].strip() for line in text if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "cpu": model, "kernel": os.uname().release, "load_average": os.getloadavg()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY, help="the holdfast to measure and to measure with")
    parser.add_argument("--rounds", type=int, default=3, help="each measures every server once [3]")
    parser.add_argument("--repeats", type=int, default=3, help="drains in a round, of which the median counts [3]")
    parser.add_argument("--idle", type=float, default=20, help="seconds to watch 19,000 idle connections in the first round [20]")
    parser.add_argument("--only", action="append", help="only this server; may be repeated; the floor is needed for ratios")
    options = parser.parse_args()
    if options.only and "floor" not in options.only:
        options.only.append("floor")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before = machine()
    try:
        rounds, names = run(options)
    except measures.Void as void:
        print(f"bench: the run is void, nothing was written: {void}", file=sys.stderr)
        return 1
    summary = table.summarise(rounds, names)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps({"machine": before, "summary": summary}, indent=2) + "\n")
    print(table.render(summary, names))
    print("\nmedian (min..max) of the rounds; x: beside the floor in the same round, median of the rounds")
    print(f"{before['cores']} cores, {before['cpu']}, Linux {before['kernel']}; written to build/bench/results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
