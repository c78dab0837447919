"""Effects of a path between device and gateway that end no connection, or end it correctly. NAT that forgets, reused
addresses and ports, SYN cookies, a path-MTU black hole, reordering and duplicates, and a step of the wall clock."""

import datetime
import json
import time

import pytest

from gateway import PATIENCE, Gateway, listener, until
from lab import device
from lab.netlab import GATEWAY4
from population import connect_all, disconnect_all
from shims import compile_shim, preload

HOUR = 3600
LATE = 2.0  # as in test_reasons.py
BLACK_HOLE = """table inet hole {
    chain arriving {
        type filter hook prerouting priority -200;
        iifname "wire" meta length > 1200 drop
    }
}"""


def gateway_of(lab, seconds, **options):
    return Gateway(config=listener(address=f"{GATEWAY4}:0", detect_within=f"{seconds}s", read_idle="off", **options),
                   namespace=lab.gateway)


def masquerade(lab, forgets_after_s):
    """Adds a NAT on the device's side that forgets an established connection after so many seconds without a packet."""
    lab.device_rules("""table ip nat {
        chain out {
            type nat hook postrouting priority 100;
            oifname "wire" masquerade random
        }
    }""")
    lab.device.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", forgets_after_s)
    lab.device.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)


def only_record(gateway):
    assert gateway.events.wait(lambda: gateway.events.by_id, PATIENCE), gateway.tail()
    record, = gateway.events.records()
    return record


def test_a_nat_that_remembers_longer_than_the_probes_need_keeps_its_connections(lab):
    masquerade(lab, forgets_after_s=5)  # the plan's idle time for 9 s is 3 s
    with gateway_of(lab, 9) as gateway, device.connect(gateway.address, lab=lab) as sock:
        record = only_record(gateway)
        time.sleep(12)
        sock.sendall(device.item("10.0.0.1"))
        assert gateway.events.wait(lambda: record.items, PATIENCE), gateway.tail()
        assert record.closed is None


def test_a_connection_that_a_nat_has_forgotten_ends_within_the_bound(lab):
    masquerade(lab, forgets_after_s=1)  # before the first probe
    with gateway_of(lab, 9) as gateway, device.connect(gateway.address, lab=lab):
        record = only_record(gateway)
        gateway.closed(record)
        assert record.closed["duration_s"] <= 9 + LATE, record.closed
        # The NAT's own host has no such socket and says so, or drops the probes.
        assert record.reason in ("peer_reset", "keepalive_expired"), record.closed
        with device.connect(gateway.address, lab=lab) as again:
            again.sendall(device.item("10.0.0.2"))
            assert gateway.events.wait(lambda: gateway.events.item_count == 1, PATIENCE), gateway.tail()


def test_the_same_address_and_port_again(lab):
    """A device restarts and connects with its former port: the old connection ends by RST (RFC 9293, 3.10.7.4), and the
    new one is independent."""
    with gateway_of(lab, 30) as gateway:
        sock = device.connect(gateway.address, lab=lab)
        name = sock.getsockname()
        old = gateway.connected(device.name_of(sock))
        lab.silence(name)
        device.reset(sock)  # no segment of it arrives: power off
        lab.heal(name)
        with device.connect(gateway.address, lab=lab, source=name) as fresh:
            fresh.sendall(device.item("10.0.0.3"))
            gateway.closed(old)
            assert old.reason == "peer_reset", old.closed
            assert until(lambda: len(gateway.events.records()) == 2), gateway.tail()
            new = next(record for record in gateway.events.records() if record is not old)
            assert gateway.events.wait(lambda: new.items, PATIENCE) and new.closed is None
            assert new.peer == old.peer


def test_connections_from_syn_cookies_are_as_others(lab):
    """A cookie keeps few options of the handshake. Keep-alive and the timeout are the listener's and still apply."""
    lab.gateway.sysctl("net.ipv4.tcp_syncookies", 2)  # for each connection
    with gateway_of(lab, 5) as gateway:
        members = connect_all(gateway, 20, lab=lab, first_item=True)
        victims, living = members[:10], members[10:]
        for victim in victims:
            victim.silence(lab)
        assert gateway.events.wait(lambda: all(victim.record.closed for victim in victims), PATIENCE), gateway.tail()
        assert max(victim.found_after for victim in victims) <= 5 + LATE
        assert {victim.record.reason for victim in victims} == {"keepalive_expired"}
        assert not any(member.record.closed for member in living)
        disconnect_all(members)


def test_a_black_hole_for_large_packets_ends_nothing_where_the_kernel_probes_for_it(lab):
    """Packets above 1,200 bytes vanish without ICMP. With tcp_mtu_probing = 1 a downlink of 16 KB arrives all the same."""
    lab.gateway.sysctl("net.ipv4.tcp_mtu_probing", 1)
    lab.single_segments()
    with gateway_of(lab, 30) as gateway, device.connect(gateway.address, lab=lab) as sock:
        record = gateway.connected(device.name_of(sock))
        lab.device_rules(BLACK_HOLE)
        assert gateway.send(record.conn, {"fill": "x" * 16_000}) == 202
        sock.settimeout(PATIENCE)
        got = b""
        while not got.endswith(b"\n"):
            got += sock.recv(65_536)
        assert len(json.loads(got)["fill"]) == 16_000 and record.closed is None


def test_reordered_and_duplicated_packets_change_nothing(lab):
    with gateway_of(lab, 9) as gateway:
        members = connect_all(gateway, 20, lab=lab)
        lab.scramble(jitter_ms=60, duplicates_percent=30)
        for number in range(60):
            for member in members:
                member.sock.sendall(device.item("10.0.0.4", n=number))
            if number % 10 == 0:
                for member in members:
                    member.downlink(gateway, {"n": number})
            time.sleep(0.05)
        time.sleep(9)  # idle: probes and their answers come twice and late
        assert gateway.events.wait(lambda: all(len(member.record.items) == 60 for member in members), PATIENCE)
        for member in members:
            assert [json.loads(item.raw)["n"] for item in member.record.items] == list(range(60))
            assert member.record.closed is None
            assert _lines(member.sock, 6) == [{"n": number} for number in range(0, 60, 10)]
        disconnect_all(members)


def _lines(sock, count):
    sock.settimeout(PATIENCE)
    got = b""
    while got.count(b"\n") < count:
        got += sock.recv(65_536)
    return [json.loads(line) for line in got.splitlines()]


@pytest.mark.parametrize("step_s", [30 * 24 * HOUR, -30 * 24 * HOUR])
def test_a_step_of_the_wall_clock_ends_nothing(tmp_path, step_s):
    """Deadlines and durations are of the monotonic clock; only the times in events follow the wall clock."""
    steps = tmp_path / "step"
    steps.write_text("0")
    shim = compile_shim("wall_clock_shim", tmp_path)
    with Gateway(config=listener(detect_within="3s", read_idle="2s"),
                 env=preload(shim, HOLDFAST_WALL_STEP_FILE=str(steps))) as gateway:
        sock = device.connect(gateway.address)
        record = gateway.connected(device.name_of(sock))
        steps.write_text(str(step_s))
        for _ in range(12):
            sock.sendall(device.item("10.0.0.5"))
            time.sleep(0.25)
        assert record.closed is None
        sock.close()
        gateway.closed(record)
        assert record.reason == "peer_closed" and 2.9 < record.closed["duration_s"] < 30
        at = datetime.datetime.fromisoformat(record.closed["at"].replace("Z", "+00:00")).timestamp()
        assert abs(at - time.time() - step_s) < 60, record.closed
