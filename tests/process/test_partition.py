"""A partition of one prefix out of several is detected and named within seconds, and closes no connection before its
own plan does. Single deaths cause no probes on suspicion."""

import ipaddress
import json
import subprocess
import time

import pytest

from gateway import BINARY, Gateway, listener, until
from lab import device
from lab.netlab import GATEWAY4
from population import connect_all, disconnect_all

# The promise is about 4 s, and a quiet machine needs 2.5 s. Other tests share the cores here, so the test allows a third
# of the time to the verdict of the kernel.
WITHIN = 10.0
LATE_MS = 2_000  # beyond the plan, likewise
LOST, OTHERS = 1_000, 4_000
LOST_PREFIX, OTHER_PREFIXES = "10.129.0.0/16", ("10.130.0.0/16", "10.131.0.0/16", "10.140.7.0/24", "10.150.0.0/16")


class Fleet:
    """`holdfast load` on the device side: devices of a prefix, held until the block ends."""

    def __init__(self, lab, gateway, prefix, count, seed):
        host, port = gateway.address
        self._process = subprocess.Popen(
            lab.device.command(str(BINARY), "load", "--to", f"{host}:{port}", "--connections", str(count), "--source",
                               prefix, "--hold", "--duration", "120s", "--seed", str(seed % 2**31)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def wait_ready(self):
        line = self._process.stdout.readline()
        assert line.startswith("ready connections="), line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate(timeout=60)  # closes its input, which ends it


def gateway_of(lab, **alarm):
    config = listener(address=f"{GATEWAY4}:0", detect_within="30s", read_idle="off")
    config += "[alarm]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in alarm.items())
    return Gateway(config=config, namespace=lab.gateway)


def records_of(gateway, prefix):
    start = prefix.rsplit(".0", 1)[0].removesuffix(".0") + "."
    return [record for peer, record in list(gateway.events.by_peer.items()) if peer.startswith(start)]


def alarm_of_most(gateway):
    """Returns the alarm once it covers most of the lost connections, and names their prefix or a part of it."""
    alarm = alarm_of(gateway, "peers_silent")
    return alarm if alarm and alarm["suspects"] >= 0.9 * LOST and is_inside(prefixes_in(alarm), LOST_PREFIX) else None


def is_inside(prefixes, whole):
    return bool(prefixes) and all(ipaddress.ip_network(part).subnet_of(ipaddress.ip_network(whole)) for part in prefixes)


def prefixes_in(alarm):
    return [share["prefix"] for share in alarm["prefixes"]] if alarm else []


def alarm_of(gateway, kind):
    return next((alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == kind), None)


def suspects_of(gateway, prefix=None):
    return gateway.ask("GET", "/v1/connections?limit=1&suspect=true" + (f"&peer={prefix}" if prefix else ""))["total"]


def others_are_well(gateway):
    others = [record for prefix in OTHER_PREFIXES for record in records_of(gateway, prefix)]
    assert len(others) == OTHERS and not any(record.closed for record in others)
    assert suspects_of(gateway) == suspects_of(gateway, LOST_PREFIX), "nobody else is suspect"


@pytest.mark.parametrize("settled_s,heals", [(7, True), (15, False)])
def test_a_partition_is_detected_and_named_and_closes_no_connection_early(lab, seed, settled_s, heals):
    """Soon after the devices have connected, and after a while of silence. The partition heals, or lasts: then each
    connection ends by its own plan, with the kernel's evidence."""
    with gateway_of(lab) as gateway:
        fleets = [Fleet(lab, gateway, LOST_PREFIX, LOST, seed)]
        fleets += [Fleet(lab, gateway, prefix, OTHERS // len(OTHER_PREFIXES), seed + n)
                   for n, prefix in enumerate(OTHER_PREFIXES, 1)]
        with fleets[0], fleets[1], fleets[2], fleets[3], fleets[4]:
            for fleet in fleets:
                fleet.wait_ready()
            assert until(lambda: len(gateway.events.by_peer) == LOST + OTHERS), len(gateway.events.by_peer)
            time.sleep(settled_s)
            began = time.monotonic()
            lab.silence(hosts=[LOST_PREFIX])
            lost = records_of(gateway, LOST_PREFIX)
            assert len(lost) == LOST
            for record in lost[:20]:  # these have data in flight
                assert gateway.send(record.conn, {"text": "are you there?"}) == 202
            named = until(lambda: alarm_of_most(gateway), began + WITHIN - time.monotonic(), 0.05)
            known_after = time.monotonic() - began
            assert named, f"{alarm_of(gateway, 'peers_silent')} after {known_after:.2f} s{gateway.tail()}"
            print(f"named after {known_after:.2f} s: {named['summary']}")
            assert named["listener"] == "devices", named
            # Connections that were active just before the probes follow, and all with outstanding first
            # retransmissions.
            assert until(lambda: suspects_of(gateway, LOST_PREFIX) == LOST, 5, 0.1), \
                f"{suspects_of(gateway, LOST_PREFIX)} of {LOST} are suspect{gateway.tail()}"
            assert gateway.events.closed_count() == 0, f"{gateway.events.closed_count()} were closed{gateway.tail()}"
            others_are_well(gateway)
            if heals:
                lab.restore()
                assert until(lambda: suspects_of(gateway) == 0, 8, 0.1), gateway.tail()
                over = until(lambda: next((alarm for alarm in gateway.ask("GET", "/v1/alarms")["recent"]
                                           if "1,000 of 1,000 answered again after" in alarm["summary"]), None), 8, 0.1)
                assert over, gateway.tail()
                assert gateway.probe_all()["alive"] == LOST + OTHERS
                assert gateway.events.closed_count() == 0, gateway.tail()
                return
            plan = gateway.status()["plan"]
            gateway.events.wait(lambda: all(record.closed for record in lost), began + 45 - time.monotonic())
            left = [record for record in lost if not record.closed]
            assert not left, f"{len(left)} of {LOST} are still there after 45 s{gateway.tail()}"
            for record in lost:
                assert record.reason in ("keepalive_expired", "retransmit_expired"), record
                assert record.closed["error"] == "ETIMEDOUT", record
                assert record.closed["evidence"]["last_ack_ms"] <= 30_000 + LATE_MS, record
                if record.reason == "keepalive_expired":
                    assert record.closed["evidence"]["last_ack_ms"] >= plan["user_timeout_ms"] - 20, record
            assert until(lambda: prefixes_in(alarm_of(gateway, "population_drop")) == [LOST_PREFIX], 15, 0.05), \
                alarm_of(gateway, "population_drop")
            assert suspects_of(gateway) == 0
            others_are_well(gateway)


def metric(gateway, name):
    text = gateway.ask("GET", "/metrics")
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith(name) and line[len(name)] in " {")


def test_single_deaths_provoke_no_question(lab, seed):
    """Five devices of as many prefixes die within two seconds among two hundred: they are found in their time."""
    with gateway_of(lab) as gateway:
        sources = [f"10.{129 + n % 40}.{n}.7" for n in range(200)]
        members = connect_all(gateway, 200, lab, sources)
        time.sleep(2)
        for member in members[::40]:
            member.silence(lab)
            time.sleep(0.4)
        time.sleep(8)
        assert metric(gateway, "holdfast_suspicions_total") == 0, gateway.tail()
        assert metric(gateway, "holdfast_asked_ahead_total") > 0, "nobody was asked: the test shows nothing"
        assert not any(member.record.closed for member in members), gateway.tail()
        assert not gateway.ask("GET", "/v1/alarms")["active"]
        disconnect_all(members)


def test_suspicion_can_be_switched_off(lab, seed):
    with gateway_of(lab, suspicion=False) as gateway, Fleet(lab, gateway, LOST_PREFIX, 300, seed) as fleet:
        fleet.wait_ready()
        assert until(lambda: len(gateway.events.by_peer) == 300)
        time.sleep(1.5)
        lab.silence(hosts=[LOST_PREFIX])
        time.sleep(8)
        assert gateway.status()["connections"] == 300
        assert metric(gateway, "holdfast_asked_ahead_total") == 0, "no canaries either"
        assert metric(gateway, "holdfast_suspicions_total") == 0
        lab.restore()
