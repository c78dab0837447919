"""Suspicion marks and reports, and closes no connection. Outages, slow paths, links that are down and sleeping devices
leave every connection open. The mark ends when the peer answers."""

import datetime
import json
import signal
import ssl
import time

import pytest

from certificates import own_listener
from gateway import Gateway, listener, run, until
from lab import device
from lab.netlab import DEVICES4, DEVICES6, GATEWAY4, GATEWAY6, device_address
from population import connect_all, disconnect_all

# Canaries probe every connection of so small a gateway once in five seconds: after this, their answers are known to be
# fast.
LEARN = 9.0
KNOWN_WITHIN = 20.0  # the promise is about 4 s, but other tests share the cores
EVERYBODY = [DEVICES4, DEVICES6]
NETS = 4


def sources(count, first_net=0):
    """Devices in NETS prefixes of /16."""
    return [device_address(first_net + n % NETS, 1 + n // NETS) for n in range(count)]


def gateway_of(lab, detect_within="30s", alarm=None, **options):
    config = listener(address=f"{GATEWAY4}:0", detect_within=detect_within, read_idle="off", **options)
    config += "[alarm]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in (alarm or {}).items())
    return Gateway(config=config, namespace=lab.gateway)


def suspects(gateway):
    return gateway.status().get("suspects", 0)


def rows(gateway, **query):
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return gateway.ask("GET", f"/v1/connections?limit=10000&{words}")


def alarms(gateway, kind, which="active"):
    return [alarm for alarm in gateway.ask("GET", "/v1/alarms")[which] if alarm["alarm"] == kind]


def metric(gateway, name):
    text = gateway.ask("GET", "/metrics")
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith(name) and line[len(name)] in " {")


def nobody_closed(gateway, count):
    assert gateway.status()["connections"] == count, gateway.tail()
    assert gateway.events.closed_count() == 0, f"{gateway.events.closed_count()} of {count} were closed{gateway.tail()}"


def wait_suspects(gateway, count, within=KNOWN_WITHIN):
    assert until(lambda: suspects(gateway) >= count, within, 0.1), \
        f"{suspects(gateway)} of {count} are suspect after {within} s{gateway.tail()}"


def wait_answered(gateway, within=KNOWN_WITHIN):
    assert until(lambda: suspects(gateway) == 0, within, 0.1), f"{suspects(gateway)} are suspect still{gateway.tail()}"


def test_an_outage_marks_all_and_closes_none(lab):
    """Twice, 4 s and 14 s, all devices; some have data in flight when it begins. Every view reports the suspicion."""
    with gateway_of(lab, "60s") as gateway:
        members = connect_all(gateway, 60, lab, sources(60))
        time.sleep(LEARN)
        for outage in (4, 14):
            began = time.monotonic()
            lab.silence(hosts=EVERYBODY)
            for member in members[:5]:
                assert gateway.send(member.record.conn, {"text": "are you there?"}) == 202
            if outage > 4:
                wait_suspects(gateway, 60)
                page = rows(gateway, suspect="true")
                assert page["total"] == 60 and all(row["suspect_since"] for row in page["connections"]), page
                assert rows(gateway, suspect="false")["total"] == 0
                one = gateway.ask("GET", f"/v1/connections/{page['connections'][0]['conn']}")
                assert one["suspect_since"] == page["connections"][0]["suspect_since"], one
                admin = ("--admin", gateway.admin_flag())
                listed = run_in(lab, "list", "--suspect", *admin)
                assert "SUSPECT SINCE" in listed and "60 of 60 connections" in listed, listed
                assert "suspect" in run_in(lab, "show", one["conn"], *admin)
                assert "! 60 connections are suspect" in run_in(lab, "status", *admin)
                assert metric(gateway, "holdfast_suspect_connections") == 60
                # The twentieth suspect raises the alarm, which counts the rest a second later.
                named = until(lambda: [alarm for alarm in alarms(gateway, "peers_silent")
                                       if alarm["suspects"] == alarm["count"] == 60], KNOWN_WITHIN, 0.1)
                assert named, f"{alarms(gateway, 'peers_silent')}{gateway.tail()}"
                first = min(at(row["suspect_since"]) for row in page["connections"])
                assert abs(at(named[0]["suspect_since"]) - first) < 0.5, f"{named} and {first}"
                assert "the gateway's own network" in named[0]["summary"], named
            time.sleep(max(0.0, began + outage - time.monotonic()))
            lab.restore()
            # With data in flight, the kernel's probes are its retransmissions: the one after 13.2 s is due at 26.6 s.
            wait_answered(gateway, 40)
            nobody_closed(gateway, 60)
        assert "suspect_since" not in json.dumps(rows(gateway))
        # The shorter outage may have an alarm of its own, about some of them.
        assert until(lambda: any("60 of 60 answered again after" in alarm["summary"]
                                 for alarm in alarms(gateway, "peers_silent", "recent")), 30, 0.1), gateway.tail()
        gateway.wait_for_log("alarm", "60 of 60 answered again after")
        assert gateway.probe_all()["alive"] == 60
        disconnect_all(members)


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run_in(lab, *words):
    with lab.gateway_side():
        return run(*words).stdout


def test_a_slow_round_trip_closes_none(lab):
    """From 50 ms to 3.5 s for 8 s, with nothing lost."""
    lab.delay(50)
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 100, lab, sources(100))
        time.sleep(LEARN)
        lab.delay(3_500)
        time.sleep(8)
        lab.delay(50)
        wait_answered(gateway)
        nobody_closed(gateway, 100)
        assert gateway.probe_all()["alive"] == 100
        disconnect_all(members)


@pytest.mark.parametrize("side", ["gateway", "device"])
def test_the_gateways_own_link_is_named_while_it_is_down(lab, side):
    """Its interface is switched off, or loses its carrier because the other end does, for 5 s."""
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 100, lab, sources(100))
        time.sleep(LEARN)
        lab.link_down(getattr(lab, side))
        began = time.monotonic()
        named = until(lambda: alarms(gateway, "link_down"), KNOWN_WITHIN, 0.1)
        why = "is down" if side == "gateway" else "has no carrier"
        assert named and f"wire {why}" in named[0]["summary"], f"{named}{gateway.tail()}"
        assert until(lambda: any(why in alarm["cause"] for alarm in alarms(gateway, "peers_silent")),
                     began + 20 - time.monotonic(), 0.1), f"{alarms(gateway, 'peers_silent')}{gateway.tail()}"
        time.sleep(max(0.0, began + 5 - time.monotonic()))
        lab.link_up(getattr(lab, side))
        wait_answered(gateway)
        assert until(lambda: not alarms(gateway, "link_down"), KNOWN_WITHIN, 0.1), gateway.tail()
        nobody_closed(gateway, 100)
        assert gateway.probe_all()["alive"] == 100
        disconnect_all(members)


def test_a_route_that_is_lost_is_named(lab):
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 40, lab, sources(40))
        time.sleep(3)
        for half in ("10.128.0.0/10", "10.192.0.0/10"):
            lab.remove_route(half)
        named = until(lambda: alarms(gateway, "link_down"), KNOWN_WITHIN, 0.1)
        assert named and "wire has no route to 10.1" in named[0]["summary"], f"{named}{gateway.tail()}"
        lab.restore()
        assert until(lambda: not alarms(gateway, "link_down"), KNOWN_WITHIN, 0.1), gateway.tail()
        nobody_closed(gateway, 40)
        disconnect_all(members)


def test_sleeping_devices_stay_connected(lab):
    """150 devices of one site sleep 15 s, are active for 10 s and sleep again, at detect_within 2 min; others never
    sleep."""
    site = device_address(60).rsplit(".", 2)[0] + ".0.0/16"
    with gateway_of(lab, "2m") as gateway:
        sleepers = connect_all(gateway, 150, lab, [device_address(60, 1 + n) for n in range(150)])
        others = connect_all(gateway, 50, lab, sources(50))
        time.sleep(LEARN + 6)
        for _ in range(2):
            lab.silence(hosts=[site])
            wait_suspects(gateway, 140)
            # All suspects are of the site. More may be marked between the two requests.
            assert until(lambda: rows(gateway, suspect="true", peer=site)["total"] == suspects(gateway) >= 140), gateway.tail()
            lab.restore()
            wait_answered(gateway)
            nobody_closed(gateway, 200)
        disconnect_all(sleepers + others)


def test_a_pause_of_the_daemon_causes_no_suspicion(lab):
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 100, lab, sources(100))
        time.sleep(LEARN)
        for seconds in (5, 1.5):
            gateway.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            gateway.process.send_signal(signal.SIGCONT)
            time.sleep(4)
        assert metric(gateway, "holdfast_suspicions_total") == 0, gateway.tail()
        assert metric(gateway, "holdfast_asked_ahead_total") > 50, "nobody was asked: the test shows nothing"
        nobody_closed(gateway, 100)
        disconnect_all(members)


def test_a_flapping_link_closes_none_and_is_not_reported_each_time(lab):
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 60, lab, sources(60))
        time.sleep(LEARN)
        for _ in range(4):
            lab.silence(hosts=EVERYBODY)
            time.sleep(5)
            lab.restore()
            time.sleep(2.5)
        wait_answered(gateway)
        nobody_closed(gateway, 60)
        told = gateway.ask("GET", "/v1/alarms")
        ids = {alarm["id"] for alarm in told["active"] + told["recent"] if alarm["alarm"] == "peers_silent"}
        # A stall between two outages is calm enough for one more than on an idle machine.
        assert 1 <= len(ids) <= 3, told
        disconnect_all(members)


def secured(sock):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)


def test_tls_and_ipv6_are_no_exceptions(lab):
    """A prefix of IPv6 and one behind TLS go silent for 6 s, each on its own listener; exactly these are named."""
    config = listener("six", address=f"[{GATEWAY6}]:0", read_idle="off")
    config += listener("secure", address=f"{GATEWAY4}:0", read_idle="off", **own_listener())
    with Gateway(config=config, namespace=lab.gateway) as gateway:
        host, port = gateway.ports["six"]
        members = connect_all(gateway, 40, lab, [f"fd78:0:1:{n}::7" for n in range(40)], to=(host, port))
        quick = [secured(device.connect(gateway.ports["secure"], lab=lab, source=device_address(3, 1 + n))) for n in range(40)]
        assert until(lambda: gateway.status()["connections"] == 80)
        time.sleep(LEARN + 3)
        lab.silence(hosts=["fd78:0:1::/48", "10.131.0.0/16"])
        wait_suspects(gateway, 80)
        named = until(lambda: len(alarms(gateway, "peers_silent")) == 2 and alarms(gateway, "peers_silent"), KNOWN_WITHIN, 0.1)
        assert named, gateway.tail()
        assert {alarm["listener"] for alarm in named} == {"six", "secure"}, named
        assert sorted(alarm["prefixes"][0]["prefix"] for alarm in named)[0].startswith("10.131.0."), named
        assert any(alarm["prefixes"][0]["prefix"].startswith("fd78:0:1:") for alarm in named), named
        lab.restore()
        wait_answered(gateway)
        nobody_closed(gateway, 80)
        disconnect_all(members)
        for sock in quick:
            sock.close()


def test_a_suspect_ends_at_once_when_its_device_is_elsewhere(lab):
    """Only that connection: the claim of its id ends it at once, and no other."""
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 40, lab, sources(40))
        for n, member in enumerate(members):
            member.sock.sendall(json.dumps({"hello": {"id": f"device-{n}"}}).encode() + b"\n")
        assert until(lambda: gateway.status()["identified"] == 40), gateway.tail()
        time.sleep(LEARN)
        lab.silence(hosts=EVERYBODY)
        wait_suspects(gateway, 40)
        claimed = device.connect(gateway.address, lab=lab)  # from DEVICE4, which is not silent
        claimed.sendall(b'{"hello":{"id":"device-7"}}\n')
        record = members[7].record
        assert gateway.events.wait(lambda: record.closed, 20), gateway.tail()
        assert record.reason == "superseded", record
        assert gateway.events.closed_count() == 1 and suspects(gateway) == 39, gateway.tail()
        lab.restore()
        wait_answered(gateway)
        assert gateway.events.closed_count() == 1, gateway.tail()
        disconnect_all(members)
        claimed.close()


def test_suspects_while_a_drain_runs_and_when_suspicion_ends(lab):
    """A drain ends the connections of its selection, suspect or not; a reload that switches suspicion off removes the
    marks."""
    with gateway_of(lab) as gateway:
        members = connect_all(gateway, 60, lab, [device_address(0, 1 + n) for n in range(60)])
        members += connect_all(gateway, 40, lab, [device_address(1, 1 + n) for n in range(40)])
        time.sleep(LEARN)
        lab.silence(hosts=["10.128.0.0/16"])
        gateway.ask("POST", "/v1/drain", (200, 202), {"peer": "10.128.0.0/27", "over": "8s"})  # hosts 1 to 31
        wait_suspects(gateway, 29)
        assert until(lambda: gateway.events.closed_count() == 31, 10), gateway.tail()
        assert gateway.status()["closed"]["drained"] == 31, gateway.tail()
        left = rows(gateway)["connections"]
        assert len(left) == 69 and suspects(gateway) == sum("suspect_since" in row for row in left) == 29, left
        config = gateway.config_path.read_text(encoding="utf-8").replace("[alarm]\n", "[alarm]\nsuspicion = false\n")
        gateway.reload(config)
        wait_answered(gateway)
        lab.restore()
        time.sleep(1)
        assert gateway.status()["connections"] == 69, gateway.tail()
        assert gateway.probe_all()["alive"] == 69
        disconnect_all(members)


def test_probing_does_not_bring_the_verdict_forward(lab):
    """Silent devices that are suspect, some also probed by hand, end no sooner than at a gateway that suspects and
    probes nothing."""
    quiet = gateway_of(lab, "12s", {"suspicion": False})
    with gateway_of(lab, "12s") as gateway, quiet:
        members = connect_all(gateway, 60, lab, sources(60))
        control = connect_all(quiet, 30, lab, sources(30, 60))
        time.sleep(LEARN)
        plan = gateway.status()["plan"]
        lab.silence(hosts=EVERYBODY)
        for member in members[:10]:
            gateway.ask("POST", f"/v1/connections/{member.record.conn}/probe?timeout=100ms")
        everybody = [member.record for member in members + control]
        assert gateway.events.wait(lambda: all(one.record.closed for one in members), 20), gateway.tail()
        assert quiet.events.wait(lambda: all(one.record.closed for one in control), 20), quiet.tail()
        for record in everybody:
            assert record.reason == "keepalive_expired", record
            # The kernel counts in jiffies, and the clock is read a little after the end.
            assert plan["user_timeout_ms"] - 20 <= record.closed["evidence"]["last_ack_ms"] <= 15_000, record
