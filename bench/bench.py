#!/usr/bin/env python3
"""Measures holdfast beside its peers; script/bench builds them all and calls this. Method: docs/explanation/performance.md."""

import argparse
import functools
import json
import os
import pathlib
import resource
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import detection, durability, measures, table, targets  # noqa: E402
from harness.server import Holdfast, HoldfastAndNats, Mosquitto, Peer  # noqa: E402

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
OUT = ROOT / "build" / "bench"
BINARY = ROOT / "build" / "release" / "holdfast"
MOSQUITTO = BENCH / "peers" / "mosquitto"
# Share of --idle for which each server is measured. The other event loops leave keep-alive to the kernel, as the floor
# does.
WATCHED_IDLE = {"holdfast": 1.0, "floor": 0.5, "Go": 0.5}
OURS = {"floor", "holdfast", "Go"}  # in all of --population-rounds; others one less
# What the event stream costs beside `none`; only items matter, connections are the same.
SINKS = {f"holdfast, {sink}": sink for sink in ("file", "stdout", "spool", "nats")}


def start_holdfast(binary, sink):
    for place in ("events", "spool", "nats"):
        shutil.rmtree(OUT / place, ignore_errors=True)
    (OUT / "events").mkdir()
    if sink == "nats":
        return HoldfastAndNats(binary, OUT)
    places = {"file": f"file:{OUT / 'events' / 'lines'}", "spool": f"spool:{OUT / 'spool'}"}
    return Holdfast(binary, places.get(sink, sink))


def servers(binary):
    peers = OUT / "peers"
    return {
        "floor": lambda: Peer(peers / "floor"),
        "holdfast": lambda: start_holdfast(binary, "none"),
        **{name: functools.partial(start_holdfast, binary, sink) for name, sink in SINKS.items()},
        "Go": lambda: Peer(peers / "go-peer"),
        "libuv": lambda: Peer(peers / "libuv-peer"),
        "libevent": lambda: Peer(peers / "libevent-event-peer"),
        "libevent, bufferevent": lambda: Peer(peers / "libevent-peer"),
        "Asio": lambda: Peer(peers / "asio-peer"),
        "mosquitto": lambda: Mosquitto(MOSQUITTO / "mosquitto.conf"),
    }


def measure(name, start, options, number):
    """Returns one server's figures of one round. Costly measures are taken in the first rounds only, detection in the
    first."""
    sizes = options.sizes
    costly = number == 0 or number < options.population_rounds - (name not in OURS)
    idle_s = options.idle * WATCHED_IDLE.get(name, 0) if number == 0 else 0
    figures = {}
    if name == "mosquitto":
        if costly:
            with start() as server:
                figures.update(measures.mqtt_population(server, MOSQUITTO / "fleet.py", sizes.many, idle_s))
        return figures
    with start() as server:
        if costly and name not in SINKS:
            figures.update(measures.population(server, options.binary, sizes.many, idle_s, server.counts()))
            figures.update(measures.paced(server, sizes.drained, options.paced, server.counts()))
        if name not in SINKS:
            figures.update(measures.burst(server, options.binary, sizes.burst, options.repeats, server.counts()))
        for items in (1, 16):
            figures.update(measures.drain(server, options.binary, sizes.drained, items, options.repeats, server.counts()))
    return figures


def run(options):
    chosen = {name: start for name, start in servers(options.binary).items() if not options.only or name in options.only}
    rounds = []
    for number in range(options.rounds):
        one, names = {}, list(chosen)
        first = number % len(names)  # another one each time, since the order matters
        for name in names[first:] + names[:first]:
            began = time.monotonic()
            try:
                one[name] = measure(name, chosen[name], options, number)
            except (measures.Void, RuntimeError) as void:
                raise measures.Void(f"{name}: {void}") from void
            print(f"round {number + 1} of {options.rounds}: {name}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        rounds.append(one)
    summary = table.summarise(rounds, list(chosen))
    if options.detection:
        print(f"silence: at most {options.detection:.0f} s", file=sys.stderr)
        found = detection.detect_all(options.binary, OUT / "peers" / "go-peer", OUT, (10, 3), options.detection, list(chosen))
        for name, entries in found.items():
            summary[name].update(entries)
    return summary


def machine():
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":", 1)[1].strip() for line in text if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "cpu": model, "kernel": os.uname().release, "load_average": os.getloadavg()}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY, help="the holdfast to measure and to measure with")
    parser.add_argument("--rounds", type=int, default=5, help="each measures every server once [5]")
    parser.add_argument("--population-rounds", type=int, default=3, help="of them with 19,000 connections and paced items [3]")
    parser.add_argument("--repeats", type=int, default=3, help="drains and bursts in a round, of which the median counts [3]")
    parser.add_argument("--idle", type=float, default=60, help="seconds to watch 19,000 idle connections, once (the floor and Go half of it) [60]")
    parser.add_argument("--paced", type=float, default=5, help="seconds of 10,000 items a second [5]")
    parser.add_argument("--detection", type=float, default=60, help="seconds to wait for silent ones to be found; 0: not at all [60]")
    parser.add_argument("--small", action="store_true", help="a tenth of the connections: tries the benchmark out, its figures say little")
    parser.add_argument("--only", action="append", help="only this server; may be repeated; the floor is needed for ratios")
    parser.add_argument("--spool", action="store_true", help="only the last part: what durable events cost, items a second through the sinks, time to an ack")
    parser.add_argument("--markdown", action="store_true", help="measure nothing: print the last results")
    parser.add_argument("--docs", action="store_true", help="measure nothing: put the last results into docs/explanation/performance.md")
    options = parser.parse_args()
    known = servers(options.binary)
    for name in options.only or []:
        if name not in known:
            parser.error(f"there is no server {name!r}; there are: {'; '.join(known)}")
    if options.only and "floor" not in options.only:
        options.only.append("floor")
    options.sizes = measures.Sizes(many=1_900, burst=400, drained=1_000) if options.small else measures.Sizes()
    return options


def report(results):
    """Prints the peers as columns of a second table, so that each is narrow enough to read; then the sinks, then the
    targets."""
    summary = results["summary"]
    ours = [name for name in summary if name in OURS]
    others = [name for name in summary if name not in ours and name not in SINKS]
    parts = [table.render(summary, names) for names in (ours, others) if names]
    if any(name in SINKS for name in summary):
        parts.append(table.render(summary, ["holdfast", *(name for name in summary if name in SINKS)], table.ITEM_ROWS))
    parts.append(table.align(targets.judge(summary)))
    machine_text = "{cores} cores, {cpu}, Linux {kernel}".format(**results["machine"])
    parts.append("Median (least..largest) of the rounds; x: beside the floor in the same round, median of the rounds. Silence:\n"
                 f"of the devices. {machine_text}; {results['rounds']} rounds in "
                 f"{results['took_s'] / 60:.0f} minutes; load average before: {results['machine']['load_average'][0]:.1f}.")
    if results["small"]:
        parts.append("**With a tenth of the connections: this shows that the benchmark works, and no more.**")
    return "\n\n".join(parts)


def measure_spool(options):
    items, samples = (80_000, 50) if options.small else (800_000, 300)
    results = durability.measure(options.binary, OUT, options.rounds, items, samples)
    (OUT / "spool.json").write_text(json.dumps(results, indent=2) + "\n")
    print(durability.report(results))
    return 0


def main():
    options = arguments()
    if options.spool:
        OUT.mkdir(parents=True, exist_ok=True)
        return measure_spool(options)
    written = OUT / "results.json"
    if options.markdown or options.docs:
        if not written.exists():
            print("bench: no results yet; run script/bench first", file=sys.stderr)
            return 1
        text = report(json.loads(written.read_text()))
        print(text)
        if options.docs:
            document = ROOT / "docs" / "explanation" / "performance.md"
            table.put_into(document, "bench.py --markdown", text)
            if (OUT / "spool.json").exists():
                durable = durability.report(json.loads((OUT / "spool.json").read_text()))
                table.put_into(document, "bench.py --spool", durable)
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before, began = machine(), time.monotonic()
    try:
        summary = run(options)
    except (measures.Void, RuntimeError) as void:
        print(f"bench: the run is void, nothing was written: {void}", file=sys.stderr)
        return 1
    results = {"machine": before, "took_s": time.monotonic() - began, "rounds": options.rounds, "small": options.small,
               "summary": summary}
    written.write_text(json.dumps(results, indent=2) + "\n")
    print(report(results))
    print("written to build/bench/results.json", file=sys.stderr)
    return 0 if options.only else measure_spool(options)


if __name__ == "__main__":
    sys.exit(main())
