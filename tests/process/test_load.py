"""`holdfast load` reports the truth: downlinks that the gateway accepted arrive and are timed, and a seed repeats a
run."""

import json
import random
import socketserver
import threading

import pytest

from fake_gateway import FakeGateway
from gateway import Gateway, listener, run, until

HOSTILE = {
    "long status": b"HTTP/1.1 200 " + b"x" * 2_000_000,
    "no list": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    "not JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"[" * 5000,
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "nothing": b"",
}


def load(gateway, *flags):
    done = run("load", "--to", f"{gateway.address[0]}:{gateway.address[1]}", "--json", *map(str, flags))
    return done, json.loads(done.stdout)


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_every_accepted_downlink_arrives_and_is_acknowledged(framing):
    with Gateway(config=listener(framing=framing)) as gateway:
        done, told = load(gateway, "--connections", 50, "--downlinks-per-second", 100, "--admin", gateway.admin_flag(),
                          "--duration", "3s", "--framing", framing, "--seed", 5, "--progress")
        downlinks = told["downlinks"]
        assert done.returncode == 0 and told["complete"], (done.stderr, told)
        assert downlinks["asked"] == downlinks["accepted"] == downlinks["arrived"] == downlinks["acks"], downlinks
        assert 20 <= downlinks["asked"] <= 100 * told["elapsed_s"] + 1 and downlinks["lost"] == downlinks["unanswered"] == 0, downlinks
        latency = downlinks["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"] < 3000, latency
        assert " downlinks=" in done.stderr, done.stderr
        # The gateway forwards the acknowledgements like any item.
        assert until(lambda: gateway.status()["items"] == downlinks["acks"]), gateway.status()


def test_a_seed_repeats_the_faults():
    faults = []
    with Gateway() as gateway:
        for seed in (11, 11, 12):
            # In one write, as soon as connected: no fault strikes between a device's items.
            _, told = load(gateway, "--connections", 200, "--items", 10, "--batch", 10, "--reset", 0.3, "--half-item", 0.2,
                           "--bad", 0.1, "--fault-within", "500ms", "--duration", "2s", "--seed", seed)
            assert told["connected"] == 200 and told["items"] == 2000, told
            assert told["rejected"]["bad_items"] == told["bad_items"] > 0, told
            faults.append({**told["faults"], "bad": told["bad_items"]})
        assert faults[0] == faults[1] != faults[2], faults
        assert faults[0]["reset"] > 30 and faults[0]["half_item"] > 20, faults
        assert until(lambda: sum(gateway.status()["bad_items"].values()) == sum(one["bad"] for one in faults))


def test_refused_connections_are_reported():
    with Gateway(config=listener() + "[limits]\nmax_connections = 30\n") as gateway:
        done, told = load(gateway, "--connections", 50, "--duration", "1s")
        assert told["rejected"]["connections_turned_away"] == 20, told
        assert gateway.status()["refused"]["max_connections"] == 20


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_answers_at_the_admin_address_the_load_runs_to_its_end(answer):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(4096)
            try:
                self.request.sendall(answer)
            except OSError:
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, Gateway() as gateway:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done, told = load(gateway, "--connections", 5, "--duration", "500ms", "--downlinks-per-second", 50,
                              "--admin", "127.0.0.1:%d" % server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
        assert done.returncode == 1 and told["downlinks"]["trouble"] and not told["complete"], (done, told)
        assert told["connected"] == 5 and told["downlinks"]["asked"] == 0, told


def by_device(gateway):
    """Returns the numbers of each device's safe items, in order."""
    numbers = {}
    for name, session, item in gateway.safe:
        numbers.setdefault((name, session), []).append(item["seq"])
    return numbers


def test_a_fleet_with_acks_loses_nothing_when_the_gateway_crashes(seed):
    gateway, chance = FakeGateway(seed), random.Random(seed)
    over = threading.Event()

    def crash_now_and_then():
        while not over.wait(0.2 + chance.random() * 0.4):
            gateway.crash()
            over.wait(chance.random() * 0.2)
            gateway.start()

    crashes = threading.Thread(target=crash_now_and_then)
    crashes.start()
    try:
        done = run("load", "--to", f"127.0.0.1:{gateway.port}", "--json", "--ids", "van", "--acks", "--reconnect",
                   "--connections", "20", "--items", "3000", "--batch", "7", "--duration", "40s", timeout=60)
    finally:
        over.set()
        crashes.join()
    gateway.crash()
    told = json.loads(done.stdout)
    acks = told["acks"]
    assert done.returncode == 0 and told["complete"] and told["reconnects"] > 0, told
    assert acks["numbered"] == acks["acked"] == 60000 and acks["unacked"] == acks["gaps"] == acks["forgotten"] == 0, acks
    assert acks["repeated"] > 0 and 0 < acks["latency_ms"]["p50"] <= acks["latency_ms"]["p99"] <= acks["latency_ms"]["max"]
    numbers = by_device(gateway)
    assert sorted(name for name, _ in numbers) == sorted(f"van-{n}" for n in range(20))
    assert all(seen == list(range(1, 3001)) for seen in numbers.values())
    assert len({session for _, session in numbers}) == 1


def test_a_steady_rate_with_acks_ends_with_nothing_under_way(seed):
    gateway = FakeGateway(seed)
    done = run("load", "--to", f"127.0.0.1:{gateway.port}", "--ids", "van", "--acks", "--connections", "10",
               "--items-per-second", "500", "--storm", "700ms", "--duration", "2s", "--progress")
    gateway.crash()
    assert done.returncode == 0, done
    assert " acked=" in done.stderr and "acknowledged" in done.stdout and "p99" in done.stdout, done
    assert all(seen == list(range(1, len(seen) + 1)) for seen in by_device(gateway).values())
    assert f"acknowledged    {len(gateway.safe)} of {len(gateway.safe)} items" in done.stdout, done.stdout


def test_a_gateway_that_loses_acknowledged_items_is_detected(seed):
    gateway = FakeGateway(seed)
    gateway.forgetful = True
    done = run("load", "--to", f"127.0.0.1:{gateway.port}", "--json", "--ids", "van", "--acks", "--connections", "5",
               "--items-per-second", "300", "--storm", "500ms", "--duration", "2s")
    gateway.crash()
    told = json.loads(done.stdout)
    assert done.returncode == 1 and not told["complete"] and told["acks"]["forgotten"] > 0, told


def test_acks_need_ids():
    done = run("load", "--to", "127.0.0.1:7000", "--acks")
    assert done.returncode == 2 and "--ids" in done.stderr, done


def test_the_help_has_the_range_and_the_default_of_each_flag():
    text = " ".join(run("load", "--help").stdout.split())
    for words in ("number of event loops; 1 to 64 (1)", "share of devices that end by RST; 0 to 1 (0)",
                  "maximum duration of the load; 1ms to 168h (30s)"):
        assert words in text, text


def test_every_wrong_flag_is_named_with_its_range():
    done = run("load", "--to", "127.0.0.1:1", "--connections", "0", "--duration", "30", "--silence", "2", "--framing", "xml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "holdfast: --connections: 0 is out of range; write 1 to 16000000",
        'holdfast: --duration: "30" has no unit; write a number and its unit, e.g. "500ms", "30s", "5m" or "1h"',
        'holdfast: --framing: "xml" is unknown; write "ndjson", "json" or "length"',
        "holdfast: --silence: 2 is out of range; write 0 to 1"]
