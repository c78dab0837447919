"""A partition of one prefix out of several is known, named and cleaned up within seconds, although detect_within is a
minute; single deaths provoke no question."""

import json
import subprocess
import time

import pytest

from gateway import BINARY, Gateway, listener, until
from lab import device
from lab.netlab import GATEWAY4
from population import connect_all, disconnect_all

WITHIN = 4.0
LOST, OTHERS = 1_000, 4_000
LOST_PREFIX, OTHER_PREFIXES = "10.129.0.0/16", ("10.130.0.0/16", "10.131.0.0/16", "10.140.7.0/24", "10.150.0.0/16")


class Fleet:
    """`holdfast load` on the device side: so many devices of a prefix, held until the block ends."""

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
    config = listener(address=f"{GATEWAY4}:0", detect_within="60s", read_idle="off")
    config += "[alarm]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in alarm.items())
    return Gateway(config=config, namespace=lab.gateway)


def records_of(gateway, prefix):
    start = prefix.rsplit(".0", 1)[0].removesuffix(".0") + "."
    return [record for peer, record in list(gateway.events.by_peer.items()) if peer.startswith(start)]


def alarm_of(gateway, kind):
    return next((alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == kind), None)


@pytest.mark.parametrize("settled_s", [7, 15])
def test_a_partition_is_known_named_and_cleaned_up(lab, seed, settled_s):
    """Soon after the devices have come, and when they have been quiet for a while."""
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
            gateway.events.wait(lambda: all(record.closed for record in lost), WITHIN)
            named = until(lambda: alarm_of(gateway, "population_drop"), began + WITHIN - time.monotonic(), 0.05)
            known_after = time.monotonic() - began

            left = [record for record in lost if not record.closed]
            assert not left, f"{len(left)} of {LOST} are still there after {WITHIN} s{gateway.tail()}"
            cleaned_after = max(record.closed_at for record in lost) - began
            assert cleaned_after <= WITHIN, f"the last was closed after {cleaned_after:.2f} s{gateway.tail()}"
            assert {record.reason for record in lost} <= {"keepalive_expired", "retransmit_expired"}
            assert all(record.closed["error"] == "ETIMEDOUT" for record in lost)
            assert named, f"no alarm after {known_after:.2f} s{gateway.tail()}"
            print(f"cleaned up after {cleaned_after:.2f} s, named after {known_after:.2f} s: {named['summary']}")
            assert [share["prefix"] for share in named["prefixes"]] == [LOST_PREFIX], named
            assert named["count"] == LOST and named["prefixes"][0]["dead"] == LOST, named
            assert named["reasons"].get("keepalive_expired", 0) >= 0.9 * LOST, named

            # Nobody else: each of the others answers.
            others = [record for prefix in OTHER_PREFIXES for record in records_of(gateway, prefix)]
            assert len(others) == OTHERS and not any(record.closed for record in others)
            summary = gateway.probe_all()
            assert summary["asked"] == summary["alive"] == OTHERS, summary


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
