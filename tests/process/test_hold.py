"""Outages, slow paths and loss just below the bounds that `holdfast plan` prints end no living connection, from the
worst phase that a test can choose."""

import contextlib
import random
import socket
import time

import pytest

from gateway import NO_SUSPICION, Gateway, listener
from lab import device
from lab.netlab import GATEWAY4
from lab.nft import Nft
from open_sockets import accepted_socket
from population import Stalls, Timeline, connect_all, disconnect_all

TCP_RTO_MAX_MS = 44
KERNELS_DEFAULT_MS = 120_000
MS = 1000.0
# The kernel ends each outage by itself: a test that runs late makes none longer.
OUTAGES = """table inet outages {
    set silent { type ipv4_addr . inet_service; flags timeout; }
    chain arriving {
        type filter hook prerouting priority -300;
        ip saddr . tcp sport @silent drop
    }
}"""


def gateway_of(lab, *bounds):
    """Starts one listener for each detect_within, by its seconds."""
    config = "".join(listener(f"d{seconds}", f"{GATEWAY4}:0", detect_within=f"{seconds}s", read_idle="off")
                     for seconds in bounds)
    return Gateway(config=NO_SUSPICION + config, namespace=lab.gateway)


def plan_of(gateway, seconds):
    return next(row["plan"] for row in gateway.status()["listeners"] if row["name"] == f"d{seconds}")


def fallen(members):
    return [(member.record.reason, member.record.closed["evidence"]) for member in members if member.record.closed]


def peers(members):
    return [member.sock.getsockname() for member in members]


def silence_for(outages, ms, peers):
    """Drops what arrives from these peers for so long."""
    elements = ", ".join(f"{address} . {port} timeout {ms:.0f}ms" for address, port in peers)
    outages.run(f"add element inet outages silent {{ {elements} }}")


def speak_over(timeline, dice, members, seconds):
    """Sends so that the last sign of life of each is as old as possible: up to a third of the bound before the fault."""
    for member in members:
        timeline.at(dice.uniform(0, seconds), member.sock.sendall, device.item("10.0.0.1"))


def uncap(gateway, members):
    """Removes TCP_RTO_MAX_MS, as on an older kernel with data in flight. Returns True if this kernel has the option."""
    for member in members:
        with accepted_socket(gateway, member.sock.getsockname()) as own:
            try:
                own.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, KERNELS_DEFAULT_MS)
            except OSError:
                return False
    return True


def test_an_outage_just_below_the_bound_closes_no_connection(lab, seed):
    """At detect_within 30 s: idle connections, some with a message written as the outage begins. Those without a cap of
    the retransmission time-out tolerate less."""
    dice = random.Random(f"{seed}-outage")
    with gateway_of(lab, 30) as gateway, contextlib.closing(Nft(lab.gateway)) as outages:
        outages.run(OUTAGES)
        safe = plan_of(gateway, 30)["safe_outage_ms"]
        idle, flying, uncapped = (connect_all(gateway, count, lab=lab) for count in (40, 40, 20))
        capped = uncap(gateway, uncapped)
        if not capped:
            uncapped, flying = uncapped + flying, []
        assert safe["idle"] >= 15_000 and safe["in_flight"] >= 15_000, safe
        timeline, begins = Timeline(), 10.2
        speak_over(timeline, dice, idle + flying + uncapped, begins - 0.2)
        for group, downlinks, length in ((idle, False, safe["idle"]), (flying, True, safe["in_flight"]),
                                         (uncapped, True, safe["in_flight_uncapped"])):
            if group:
                timeline.at(begins, silence_for, outages, length - 250, peers(group))
            for member in group if downlinks else ():
                timeline.at(begins + dice.uniform(0, 1), member.downlink, gateway, {"n": 1})
        timeline.at(begins + 30.5, lambda: None)  # any false close has happened by now
        timeline.run()
        everybody = idle + flying + uncapped
        assert not fallen(everybody), f"HOLDFAST_SEED={seed}: {fallen(everybody)[:5]}{gateway.tail()}"
        assert all(code == 202 for member in everybody for _, code in member.downlinks)
        summary = gateway.probe_all()
        assert (summary["alive"], summary["silent"]) == (100, 0), summary
        disconnect_all(everybody)


def test_a_round_trip_just_below_the_bound_closes_no_connection(lab, seed):
    """The round trip rises from nothing to just below the safe one of detect_within 15 s; 30 s allows more."""
    dice = random.Random(f"{seed}-round-trip")
    with gateway_of(lab, 15, 30) as gateway:
        round_trip = plan_of(gateway, 15)["safe_round_trip_ms"] - 400
        assert round_trip > 4_000 and plan_of(gateway, 30)["safe_round_trip_ms"] > round_trip
        members = [member for seconds in (15, 30)
                   for member in connect_all(gateway, 40, lab=lab, to=gateway.ports[f"d{seconds}"])]
        timeline = Timeline()
        speak_over(timeline, dice, members, 4.5)
        timeline.at(5, lab.delay, round_trip)
        for member in members[::2]:  # the others stay idle: keep-alive alone
            for _ in range(3):
                timeline.at(dice.uniform(5, 25), member.downlink, gateway, {"n": 1})
        timeline.at(36, lambda: None)
        timeline.run()
        assert not fallen(members), f"HOLDFAST_SEED={seed}: {fallen(members)[:5]}{gateway.tail()}"
        assert all(code == 202 for member in members for _, code in member.downlinks)
        lab.delay(0)
        disconnect_all(members)


def test_no_idle_connection_is_closed_at_20_percent_loss(lab):
    """400 for 4 minutes, each way 20 %: twice the loss that the plan calls safe for 30 s. Five probes would close some
    20."""
    with gateway_of(lab, 30) as gateway:
        members = connect_all(gateway, 400, lab=lab)
        lab.loss(20)
        time.sleep(240)
        lab.restore()
        assert not fallen(members), f"{len(fallen(members))} closed: {fallen(members)[:5]}{gateway.tail()}"
        summary = gateway.probe_all()
        assert (summary["asked"], summary["alive"], summary["silent"]) == (400, 400, 0), summary
        disconnect_all(members)


@pytest.mark.parametrize("seconds", [5, 12])
def test_a_peer_silent_for_the_bound_is_found_in_spite_of_all_patience(lab, seed, seconds):
    """The other side of the same plan: idle, and with data in flight, in any phase."""
    dice = random.Random(f"{seed}-found-{seconds}")
    with gateway_of(lab, seconds) as gateway, Stalls(gateway) as stalls:
        members = connect_all(gateway, 60, lab=lab)
        timeline = Timeline()
        for number, member in enumerate(members):
            death = dice.uniform(0, seconds / 3)
            timeline.at(death, member.silence, lab)
            if number % 2:
                timeline.at(death + dice.uniform(0, seconds * 0.9), member.downlink, gateway, {"n": 1})
        timeline.run()
        assert gateway.events.wait(lambda: all(member.record.closed for member in members), seconds + 10)
        late = [(member.found_after, member.record.reason) for member in members
                if member.found_after > seconds + 1.0 + stalls.overlap(member.silenced_at, member.record.closed_at)]
        assert not late, f"HOLDFAST_SEED={seed}: {late}"
        disconnect_all(members)
