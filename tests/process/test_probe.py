"""Probes of one device, of a prefix and of all, over HTTP and with the command."""

import json
import random
import subprocess
import time

import pytest

from gateway import NO_SUSPICION, Gateway, binary, listener, run
from lab import device
from lab.netlab import GATEWAY4, device_address
from population import connect_all, disconnect_all

CONFIG = listener(address=f"{GATEWAY4}:0", detect_within="60s", read_idle="off") + NO_SUSPICION
LATE = 2.0  # as in test_reasons.py


def holdfast(lab, gateway, *words):
    """Runs a verb of the command where the gateway's loopback is."""
    command = lab.gateway.command(binary(), *words, "--admin", gateway.admin_flag())
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def test_one_alive_and_one_silent(lab):
    with Gateway(config=CONFIG, namespace=lab.gateway) as gateway:
        alive, silent = connect_all(gateway, 2, lab=lab)
        just_heard = gateway.probe(alive.record.conn)
        assert just_heard["alive"] and just_heard["waited_ms"] < 1000, "heard from within the last second: no probe"
        time.sleep(3)
        lab.silence(silent.sock.getsockname())
        received = gateway.status()["received_bytes"]

        answer = gateway.probe(alive.record.conn)
        assert set(answer) == {"conn", "alive", "waited_ms", "last_heard_ms", "rtt_us"}, answer
        assert answer["conn"] == alive.record.conn and answer["alive"] is True, answer
        assert answer["waited_ms"] < 2000 and answer["last_heard_ms"] < 2000 and 0 < answer["rtt_us"] < 2_000_000, answer

        answer = gateway.probe(silent.record.conn, timeout="2s")
        assert answer["alive"] is False, answer
        assert 1800 <= answer["waited_ms"] <= 8000, answer
        assert answer["last_heard_ms"] >= 3000, answer

        assert gateway.status()["received_bytes"] == received, "a probe is no application byte"
        for member in (alive, silent):
            member.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                member.sock.recv(1)
            assert not member.record.closed, "asking does not end a connection"
        disconnect_all([alive, silent])


def test_probing_does_not_hasten_a_death(lab):
    """A silent connection that is probed repeatedly keeps the time of its plan, and no more."""
    config = listener(address=f"{GATEWAY4}:0", detect_within="15s", read_idle="off")
    with Gateway(config=config, namespace=lab.gateway) as gateway:
        member, = connect_all(gateway, 1, lab=lab)
        idle = gateway.status()["plan"]["idle_s"]
        time.sleep(1.2)
        member.silence(lab)
        while time.monotonic() < member.silenced_at + idle + 1:
            assert gateway.probe(member.record.conn, timeout="600ms")["alive"] is False
        assert not member.record.closed, f"closed by the probes: {member.record.closed}"
        gateway.closed(member.record, 20)
        assert member.record.reason == "keepalive_expired"
        assert member.found_after <= 15 + LATE, member.found_after
        member.sock.close()


def test_all_and_a_prefix_of_2000(lab, seed):
    dice = random.Random(f"{seed}-probe")
    prefixes = {0: "10.128.0.0/16", 1: "10.129.0.0/16"}
    with Gateway(config=CONFIG, namespace=lab.gateway) as gateway:
        members = connect_all(gateway, 2000, lab=lab, sources=[device_address(0, 7), device_address(1, 9)])
        silent = dice.sample(members, 100)
        time.sleep(1.5)
        lab.silence(*(member.sock.getsockname() for member in silent))
        since = time.monotonic()
        answer = gateway.probe_all(timeout="2s")
        took = time.monotonic() - since
        assert (answer["asked"], answer["alive"], answer["silent"]) == (2000, 1900, 100), answer
        assert set(answer["silent_connections"]) == {member.record.conn for member in silent}
        assert took < 15, f"{took:.2f} s"

        for net, prefix in prefixes.items():
            inside = [member for member in members if member.record.peer.startswith(f"10.{128 + net}.")]
            expected = {member.record.conn for member in silent} & {member.record.conn for member in inside}
            answer = gateway.probe_all(peer=prefix, timeout="2s")
            assert answer["asked"] == len(inside) == 1000, answer
            assert set(answer["silent_connections"]) == expected, answer
            assert answer["alive"] == 1000 - len(expected), answer
        assert not any(member.record.closed for member in members)
        disconnect_all(members)


def test_exit_codes_of_the_command(lab):
    with Gateway(config=CONFIG, namespace=lab.gateway) as gateway:
        alive, silent = connect_all(gateway, 2, lab=lab, sources=[device_address(0), device_address(1)])
        time.sleep(1.2)
        lab.silence(silent.sock.getsockname())
        for words, code in ((("probe", alive.record.conn), 0), (("probe", silent.record.conn), 1),
                            (("probe", "--peer", "10.128.0.0/16"), 0), (("probe", "--peer", "10.129.0.0/16"), 1),
                            (("probe", "--all"), 1), (("probe",), 2), (("probe", "--peer", "10.129.0.0/99"), 2)):
            done = holdfast(lab, gateway, *words)
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
            if code == 2:
                assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        answer = json.loads(holdfast(lab, gateway, "probe", alive.record.conn, "--json").stdout)
        assert answer["alive"] is True and answer["conn"] == alive.record.conn
        disconnect_all([alive, silent])
    gone = run("probe", "--all", "--admin", "127.0.0.1:1")
    assert gone.returncode == 3 and len(gone.stderr.strip().splitlines()) == 1, gone
