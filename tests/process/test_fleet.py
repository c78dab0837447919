"""A fleet of gateways on real nats-servers: the place of each device, the effect of a gateway's death, and commands."""

import collections
import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import time

import pytest

import nats
import tokens
from events import kind_in_schema
from fleet import Device, FleetGateway, PresenceLog, command, devices_at, gateways
from gateway import binary, run, until
from lab import device
from shims import compile_shim, preload
from test_claims import hello, paused, rivals

MANY = 600


@pytest.fixture(params=["one", "cluster"])
def server(request):
    """Yields one NATS server, or a cluster of three."""
    with nats.NatsServer() if request.param == "one" else nats.NatsCluster() as running:
        yield running


@pytest.fixture
def one():
    with nats.NatsServer() as running:
        yield running


def active_alarms(gateway):
    return [alarm["alarm"] for alarm in gateway.ask("GET", "/v1/alarms")["active"]]


def everybody_sees(fleet, id, gateway, state="online", timeout=10):
    def seen():
        return all((row := member.device(id)) and row["gateway"] == gateway.name and row["state"] == state
                   for member in fleet)

    assert until(seen, timeout), [member.device(id) for member in fleet]


def test_every_gateway_knows_every_device(server):
    with gateways(["east", "west", "mid"], server.url) as fleet, server.client() as client:
        east, west, _ = fleet
        device = Device(east, "d 1.é")
        everybody_sees(fleet, "d 1.é", east)
        row = west.device("d 1.é")
        assert (row["peer"], row["listener"], row["reason"]) == (device.peer, "devices", None)
        expected = {"east": ("online", False), "mid": ("online", False), "west": ("online", True)}
        assert until(lambda: {name: (row["state"], row["self"]) for name, row in west.gateways().items()} == expected)
        device.close()
        everybody_sees(fleet, "d 1.é", east, "closed")
        assert west.device("d 1.é")["reason"] == "peer_closed"
        bucket = client.stream_info("KV_holdfast_presence")["config"]
        assert (bucket["max_msgs_per_subject"], bucket["storage"]) == (1, "file")
        assert bucket["num_replicas"] == (3 if isinstance(server, nats.NatsCluster) else 1)


def test_a_member_of_an_alarm_is_back_at_any_gateway(one):
    lost = 60
    with gateways(["east", "west"], one.url) as (east, west):
        devices = [Device(east, f"d-{n}") for n in range(lost)]
        assert until(lambda: [point["connections"] for point in east.ask("GET", "/v1/trend?window=60s")["points"]][-5:] == [lost] * 5)
        for each in devices:
            device.reset(each.sock)
        alarm = until(lambda: next((alarm["id"] for alarm in east.ask("GET", "/v1/alarms")["active"]
                                    if alarm["alarm"] == "population_drop"), None))
        assert alarm, east.tail()

        def members():
            return east.ask("GET", f"/v1/alarms/{alarm}?limit=0")["members"]

        assert until(lambda: members()["listed"] >= lost - 2) and members()["back"] == 0
        devices = [Device(west, f"d-{n}") for n in range(lost)]
        assert until(lambda: members()["back"] == members()["listed"]), members()
        for each in devices:
            each.close()


def test_a_device_that_moves_is_superseded_at_once_and_never_shown_offline(server):
    with gateways(["east", "west"], server.url) as fleet, server.client() as client:
        east, west = fleet
        log = PresenceLog(client)
        place = fleet[0]
        device = Device(place, "rover")
        everybody_sees(fleet, "rover", place)
        for move in range(20):
            place = fleet[(move + 1) % 2]
            since = time.monotonic()
            newer = Device(place, "rover")
            assert device.ended(), "the old connection lives on"
            # A connection that yields to another established within 200 ms is kept for a second, to be sure of it.
            assert time.monotonic() - since < 6, "superseded late"
            device.close()
            device = newer
        everybody_sees(fleet, "rover", place)
        newer = Device(place, "rover")  # the same gateway again
        assert device.ended()
        everybody_sees(fleet, "rover", place)
        # Changes are written as one while a former change is under way.
        assert until(lambda: log.states_of("rover") and log.changes[-1][1]["gateway"] == place.name), log.changes
        assert set(log.states_of("rover")) == {"online"}, log.states_of("rover")

        def reasons():
            return [event["reason"] for member in fleet for event in member.spooled() if event["event"] == "closed"]

        assert until(lambda: reasons() == ["superseded"] * 21), reasons()
        assert east.status()["connections"] + west.status()["connections"] == 1
        newer.close()


def test_an_authenticated_device_keeps_its_place_in_the_fleet(one, tmp_path):
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    token = tokens.add(file, "rover")
    with FleetGateway("east", one.url, tmp_path / "east", tokens_file=file) as east, \
            FleetGateway("west", one.url, tmp_path / "west") as west, one.client() as client:
        poser = Device(west, "rover")
        everybody_sees([east, west], "rover", west)
        device = Device(east, "rover", token=token)
        everybody_sees([east, west], "rover", east)
        assert poser.ended()
        for _ in range(5):
            poser = Device(west, "rover")
            assert poser.ended()
        answer, _ = command(client, "rover", {"cmd": "reboot"})
        assert (answer["result"], answer["gateway"]) == ("acked", "east"), answer
        assert device.read() == {"cmd": "reboot"}
        everybody_sees([east, west], "rover", east)

        def ends():
            return [(e["reason"], e.get("detail")) for e in west.spooled() if e["event"] == "closed"]

        denied = ("unauthenticated", "another connection has proved this id, and this one has not")
        assert until(lambda: ends() == [("superseded", None)] + [denied] * 5), ends()
        device.close()
        everybody_sees([east, west], "rover", east, "closed")
        poser = Device(west, "rover")
        everybody_sees([east, west], "rover", west)
        poser.close()


def test_commands_reach_a_device_from_any_client(server):
    with gateways(["east", "west", "mid"], server.url) as fleet, server.client() as client:
        devices = {id: Device(gateway, id) for gateway in fleet for id in [f"{gateway.name}.{n}" for n in range(4)]}
        for id in devices:
            everybody_sees(fleet, id, next(g for g in fleet if id.startswith(g.name)))
        for round in range(3):
            for id, device in devices.items():
                answer, took = command(client, id, {"cmd": "reboot", "round": round})
                assert answer["result"] == "acked", answer
                assert (answer["id"], answer["gateway"]) == (id, id.split(".")[0])
                assert took < 10
                assert device.read() == {"cmd": "reboot", "round": round}
        answer, took = command(client, "nobody", {"cmd": 1})
        assert (answer["result"], took < 10) == ("absent", True), answer
        answer, _ = command(client, "east.0", b"[1]")
        assert answer["result"] == "refused" and "object" in answer["detail"]
        devices["east.0"].close()
        everybody_sees(fleet, "east.0", fleet[0], "closed")
        assert command(client, "east.0", {})[0]["result"] == "absent"


def killed_at(gateway):
    since = time.monotonic()
    gateway.crash()
    return since


def check_lost_once(survivors, connections, timeout=30):
    """Asserts one `closed`, gateway_lost, for each of the lost gateway's connections, in one survivor's spool."""
    def told():
        return collections.Counter(event["conn"] for gateway in survivors for event in gateway.lost())

    assert until(lambda: set(told()) == set(connections), timeout, every=0.2), (len(told()), len(connections))
    assert set(told().values()) == {1}, [conn for conn, times in told().items() if times > 1][:5]


def test_a_killed_gateway_is_noticed_and_its_devices_are_reported_as_lost(server):
    with gateways(["east", "west", "mid"], server.url) as (east, west, mid):
        devices = devices_at(east, "d", 200)
        stay = devices_at(west, "w", 20)
        assert until(lambda: mid.count("online") == 220), mid.fleet(limit=0)
        connections = {row["conn"] for row in mid.fleet(gateway="east", limit=1000)["devices"]}
        since = killed_at(east)
        assert until(lambda: west.count("unknown") == 200, 10), west.fleet(limit=0)
        noticed = time.monotonic() - since
        assert until(lambda: west.count("closed") == 200 and mid.count("closed") == 200, 20), west.fleet(limit=0)
        print(f"unknown after {noticed:.1f} s, closed after {time.monotonic() - since:.1f} s")
        assert noticed < 10
        assert until(lambda: west.gateways()["east"]["state"] == "lost", 10)
        check_lost_once([west, mid], connections)
        event = (west.lost() + mid.lost())[0]
        assert kind_in_schema(event) == "closed_by_fleet"
        assert (event["event"], event["kind"], event["gateway"]) == ("closed", "local", "east")
        assert event["by"] in ("west", "mid") and event["id"].startswith("d-")
        row = mid.device("d-0")
        assert (row["state"], row["reason"], row["gateway"]) == ("closed", "gateway_lost", "east")
        assert west.count("online") == 20
        for device in devices + stay:
            device.close()


def test_devices_of_a_killed_gateway_that_are_elsewhere_already(server):
    """The devices are back within a moment, online all the time; their former connections still end as lost."""
    with gateways(["east", "west", "mid"], server.url) as (east, west, mid):
        devices_at_east = devices_at(east, "d", 100)
        assert until(lambda: mid.count("online", "east") == 100)
        connections = {row["conn"] for row in mid.fleet(gateway="east", limit=1000)["devices"]}
        east.crash()
        again = [Device((west, mid)[n % 2], f"d-{n}") for n in range(80)]
        assert until(lambda: west.count("online") == mid.count("online") >= 80, 5), west.fleet(limit=0)
        check_lost_once([west, mid], connections)
        assert until(lambda: west.count("online") == 80 and west.count("closed") == 20), west.fleet(limit=0)
        for device in devices_at_east + again:
            device.close()


def test_a_restarted_gateway_reports_connections_of_its_former_run(one):
    with tempfile.TemporaryDirectory() as directory, gateways(["west"], one.url) as (west,):
        with FleetGateway("east", one.url, f"{directory}/east") as east:
            devices_at_east = devices_at(east, "d", 50)
            assert until(lambda: west.count("online", "east") == 50)
            connections = {row["conn"] for row in west.fleet(gateway="east", limit=1000)["devices"]}
            # Those that its spool does not know have neither event.
            assert until(lambda: {event["conn"] for event in east.spooled()} == connections)
            east.crash()
        with FleetGateway("east", one.url, f"{directory}/east") as east:
            again = devices_at(east, "d", 30)
            assert until(lambda: west.count("online", "east") == 30 and west.count("closed") == 20, 10), west.fleet()
            check_lost_once([east, west], connections)
            for device in devices_at_east + again:
                device.close()


def test_a_gateway_that_was_stopped_for_long_returns(server):
    with gateways(["east", "west", "mid"], server.url) as (east, west, mid):
        devices = devices_at(east, "d", 40)
        assert until(lambda: mid.count("online", "east") == 40)
        connections = {row["conn"] for row in mid.fleet(gateway="east", limit=1000)["devices"]}
        east.pause()
        try:
            assert until(lambda: west.count("closed") == 40, 25), west.fleet(limit=0)
            moved = devices_at(west, "d", 10)
            assert until(lambda: mid.count("online", "west") == 10)
        finally:
            east.resume()
        assert until(lambda: mid.count("online", "east") == 30 and mid.count("online", "west") == 10, 15), mid.fleet()
        assert all(device.ended() for device in devices[:10])
        assert until(lambda: mid.gateways()["east"]["state"] == "online", 10)
        until(lambda: sum("returned" in event for event in east.spooled()) >= 30)
        returned = [event for event in east.spooled() if event.get("returned")]
        assert {event["id"] for event in returned} == {f"d-{n}" for n in range(10, 40)}
        assert {kind_in_schema(event) for event in returned} == {"connected_again"}
        assert len(returned) == 30 and all(event["event"] == "connected" for event in returned)
        check_lost_once([west, mid], connections)
        for device in devices + moved:
            device.close()


def test_a_clean_stop_says_so(one):
    with gateways(["east", "west"], one.url) as (east, west):
        devices = devices_at(east, "d", 30)
        assert until(lambda: west.count("online") == 30)
        east.stop()
        assert until(lambda: west.count("closed") == 30, 5), west.fleet()
        assert {row["reason"] for row in west.fleet()["devices"]} == {"shutdown"}
        assert until(lambda: west.gateways()["east"]["state"] == "stopped"), west.gateways()
        for device in devices:
            device.close()


def test_nats_away_and_back_loses_no_gateway(one):
    """Longer than lost_after, while devices connect and close."""
    with gateways(["east", "west"], one.url) as (east, west):
        devices = devices_at(east, "d", 60)
        assert until(lambda: west.count("online") == 60)
        one.kill()
        for device in devices[:20]:
            device.close()
        later = devices_at(west, "later", 30)
        time.sleep(12)  # longer than lost_after: no event can confirm that nothing happens
        assert west.fleet(limit=0)["trouble"]
        assert (west.count("unknown", "east"), west.count("online", "east"), west.count("online", "west")) == (60, 0, 30)
        assert {name: row["state"] for name, row in west.gateways().items()} == {"east": "silent", "west": "online"}
        assert "fleet_cut_off" in active_alarms(west) and "fleet_cut_off" in active_alarms(east)
        one.start()
        assert until(lambda: east.count("online") == west.count("online") == 70, 30), (east.fleet(), west.fleet())
        time.sleep(11)  # and no gateway is lost for the time without beats
        assert not east.lost() and not west.lost()
        assert {row["state"] for row in west.gateways().values()} == {"online"}
        assert west.count("closed") == 20
        assert until(lambda: "fleet_cut_off" not in active_alarms(west))
        for device in devices + later:
            device.close()


def test_a_killed_nats_node_is_no_loss():
    with nats.NatsCluster() as cluster, gateways(["east", "west", "mid"], cluster.url) as fleet:
        east, west, mid = fleet
        devices = devices_at(east, "d", 100)
        assert until(lambda: mid.count("online") == 100)
        cluster.leader_of("KV_holdfast_presence").kill()
        more = devices_at(west, "w", 100)
        # As long as the cluster takes to choose other leaders, on two busy cores.
        assert until(lambda: all(g.count("online") == 200 for g in fleet), 90), [g.fleet(limit=0) for g in fleet]
        moved = [Device(mid, f"d-{n}") for n in range(50)]
        assert until(lambda: all(g.count("online", "mid") == 50 for g in fleet), 60), mid.fleet(limit=0)
        assert all(device.ended() for device in devices[:50])
        time.sleep(11)  # longer than lost_after
        assert not any(g.lost() for g in fleet)
        with cluster.client() as client:
            assert command(client, "w-7", {"x": 1})[0]["result"] == "acked"
        for device in devices + more + moved:
            device.close()


def test_thousands_reconnect_to_the_survivors(one, seed):
    """`holdfast load` at a gateway that is killed, while as many devices connect to the others."""
    random.seed(seed)
    with gateways(["east", "west"], one.url) as (east, west):
        loads = []
        try:
            def load(gateway, first):
                loads.append(subprocess.Popen(
                    [binary(), "load", "--to", "%s:%d" % gateway.address, "--connections", "3000", "--ids", "n",
                     "--hold", "--duration", "300s", "--first-device", str(first)],
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

            load(east, 0)
            since = time.monotonic()
            assert until(lambda: west.count("online", "east") == 3000, 120), west.fleet(limit=0)
            print(f"3,000 devices seen by the other gateway after {time.monotonic() - since:.1f} s")
            connections = {row["conn"] for row in west.fleet(gateway="east", limit=10000)["devices"]}
            east.crash()
            load(west, 0)
            since = time.monotonic()
            assert until(lambda: west.count("online", "west") == 3000, 120), west.fleet(limit=0)
            print(f"3,000 devices moved after {time.monotonic() - since:.1f} s")
            check_lost_once([west], connections)
            assert west.fleet(limit=0)["unsettled"] == 0
        finally:
            for process in loads:
                process.kill()
                process.wait()


@contextlib.contextmanager
def load(gateway, count, prefix="n"):
    """Holds so many idle devices with ids until the block ends."""
    process = subprocess.Popen([binary(), "load", "--to", "%s:%d" % gateway.address, "--connections", str(count),
                                "--ids", prefix, "--hold", "--duration", "300s", "--source", "127.1.0.0/24"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline().startswith("ready ")
        yield process
    finally:
        process.kill()
        process.wait()


def in_use(file):
    """Returns the allocated bytes of the heap that the shim states."""
    assert until(lambda: file.exists() and file.stat().st_size == 8, 10)
    time.sleep(0.1)
    return int.from_bytes(file.read_bytes(), sys.byteorder)


def test_memory_of_an_idle_device_in_the_fleet(one, tmp_path):
    """Measures the heap of one more idle device with an id: at its gateway, alone and in the fleet, and at every other
    gateway."""
    count, grown = 10_000, {}
    shim = compile_shim("heap_in_use_shim", tmp_path)
    with tempfile.TemporaryDirectory() as directory:
        for fleet in (False, True):
            with contextlib.ExitStack() as stack:
                files = [tmp_path / f"{name}-{fleet}.heap" for name in ("east", "west")]
                east, west = [stack.enter_context(
                    FleetGateway(file.name.partition("-")[0], one.url, f"{directory}/{file.name}", fleet=fleet,
                                 env=preload(shim, HOLDFAST_HEAP_FILE=str(file)))) for file in files]
                before = [in_use(file) for file in files]
                with load(east, count):
                    assert until(lambda: east.status()["connections"] == count)
                    if fleet:
                        assert until(lambda: west.count("online", "east") == count, 120), west.fleet(limit=0)
                        assert until(lambda: east.fleet(limit=0)["unsettled"] == 0, 120), east.fleet(limit=0)
                    def grows():
                        grown[fleet] = [(in_use(file) - was) / count for file, was in zip(files, before)]
                        alone = grown[False][0]
                        return (grown[True][0] - alone < 400 and grown[True][1] < 300) if fleet else alone < 1000

                    until(grows, 30)  # the queues of the sink, and of a renewed watch, are freed
    print(f"bytes a device: {grown[False][0]:.0f} without the fleet, {grown[True][0]:.0f} in it; "
          f"at another gateway {grown[True][1]:.0f}")
    assert grown[False][0] < 1000
    assert grown[True][0] - grown[False][0] < 400
    assert grown[True][1] < 300


def test_the_verbs_show_the_fleet(one):
    with gateways(["east", "west"], one.url) as (east, west):
        device = Device(east, "d-1")
        everybody_sees([east, west], "d-1", east)
        admin = ["--admin", west.admin_flag()]
        listed = run("list", "--fleet", *admin)
        assert listed.returncode == 0 and "d-1" in listed.stdout and "east" in listed.stdout, listed
        shown = run("status", "--fleet", *admin)
        assert shown.returncode == 0 and "east" in shown.stdout and "online" in shown.stdout, shown
        asked = run("probe", "--id", "d-1", *admin)
        assert asked.returncode == 0 and "alive" in asked.stdout, asked
        sent = run("send", "--id", "d-1", '{"cmd":1}', *admin)
        assert sent.returncode == 0 and "east" in sent.stdout, sent
        assert device.read() == {"cmd": 1}
        assert run("probe", "--id", "nobody", *admin).returncode == 1
        assert run("send", "--id", "nobody", "{}", *admin).returncode == 1
        device.close()


@pytest.fixture
def cut(lab):
    """Puts NATS and two gateways on one side of a wire, and one gateway on the other."""
    from lab.netlab import DEVICE4

    with nats.NatsServer(namespace=lab.device) as running:
        running.kill()
        running.host = "0.0.0.0"
        running.start()
        yield lab, f"nats://{DEVICE4}:{running.port}", running.url


def test_a_gateway_that_is_cut_off_from_nats(cut):
    """Its devices stay connected to it; the others count it as lost, and as online again later."""
    from lab.netlab import DEVICE4

    lab, far, near = cut
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        east = stack.enter_context(FleetGateway("east", far, f"{directory}/east", namespace=lab.gateway))
        west = stack.enter_context(FleetGateway("west", near, f"{directory}/west", namespace=lab.device))
        devices = [Device(east, f"d-{n}", lab.gateway) for n in range(20)]
        assert until(lambda: west.count("online", "east") == 20)
        lab.silence(hosts=[DEVICE4])
        assert until(lambda: west.count("unknown") == 20, 12), west.fleet(limit=0)
        assert until(lambda: west.count("closed") == 20, 20), west.fleet(limit=0)
        assert east.status()["connections"] == 20, "its own devices are none the worse"
        moved = Device(west, "d-0", lab.device)
        lab.restore()
        assert until(lambda: west.count("online", "east") == 19 and west.count("online", "west") == 1, 90), west.fleet()
        assert devices[0].ended()
        assert until(lambda: len([e for e in east.spooled() if e.get("returned")]) == 19, 10)
        assert not east.lost(), "who is cut off judges nobody"
        for device in [*devices, moved]:
            device.close()


def test_a_late_hello_takes_no_id_from_another_gateway(one):
    """Established before the connection that has the device elsewhere, with a later hello."""
    with gateways(["east", "west"], one.url) as fleet:
        east, west = fleet
        with device.connect(east.address) as late, device.connect(east.address) as given_up:
            east.wait_status(lambda status: status["connections"] == 2)
            time.sleep(6)  # two beats have shown the difference of the clocks
            living = Device(west, "d")
            everybody_sees(fleet, "d", west)
            with paused(east):
                given_up.sendall(hello("d"))
                given_up.close()
            late.sendall(hello("d"))
            late.settimeout(20)
            assert late.recv(1) == b"", "the late one is the superseded one"
            east.wait_status(lambda status: (status["closed"]["superseded"], status["closed"]["peer_closed"]) == (1, 1))
            everybody_sees(fleet, "d", west)
            assert west.status()["closed"]["superseded"] == 0
            living.close()


def test_two_devices_with_one_id_at_two_gateways_are_delayed_and_named(one):
    with gateways(["east", "west"], one.url) as fleet:
        with rivals(*(gateway.address for gateway in fleet)):
            alarm = until(lambda: [a for gateway in fleet for a in gateway.ask("GET", "/v1/alarms")["active"]
                                   if a["alarm"] == "duplicate_device"], 30)[0]
            since = sum(gateway.status()["closed"]["superseded"] for gateway in fleet)
            time.sleep(6)
            takeovers = sum(gateway.status()["closed"]["superseded"] for gateway in fleet) - since
        assert '"shared"' in alarm["summary"] and alarm["summary"].count("127.0.0.1:") == 2, alarm
        assert takeovers < 20, f"{takeovers} takeovers in 6 s"


def test_a_device_has_one_page_over_all_gateways(one):
    with gateways(["east", "west"], one.url) as (east, west):
        for gateway in (east, west, east):
            device = Device(gateway, "shop-1")
            everybody_sees([east, west], "shop-1", gateway)
            device.close()
            everybody_sees([east, west], "shop-1", gateway, "closed")
        for gateway in (east, west):
            page = gateway.ask("GET", "/v1/devices/shop-1")
            assert page["state"] == "closed" and page["silent_gateways"] == []
            assert [life["gateway"] for life in page["lives"]] == ["east", "west", "east"]
            assert gateway.ask("GET", "/v1/closed?id=shop-*")["closed"] == page["lives"]
            assert {life["gateway"] for life in gateway.ask("GET", "/v1/closed?id=shop-1&limit=1&offset=1")["closed"]} == {"west"}
        device = Device(east, "shop-1")
        everybody_sees([east, west], "shop-1", east)
        for gateway in (east, west):
            page = gateway.ask("GET", "/v1/devices/shop-1")
            assert (page["state"], page["gateway"], page["peer"]) == ("online", "east", device.peer)
            shown = run("device", "shop-1", "--admin", gateway.admin_flag())
            assert shown.returncode == 0 and "east" in shown.stdout and "west" in shown.stdout
        with paused(east):
            page = west.ask("GET", "/v1/devices/shop-1")
            assert (page["state"], page["gateway"], page["silent_gateways"]) == ("unknown", "east", ["east"])
            assert "does not answer" in page["trouble"]
        device.close()


def test_a_lost_gateway_is_an_alarm_a_metric_and_a_closed_connection_of_its_devices(one):
    with gateways(["east", "west"], one.url, lost_after="7s") as (east, west):
        device = Device(east, "shop-1")
        everybody_sees([east, west], "shop-1", east)

        def lost():
            lines = west.ask("GET", "/metrics").splitlines()
            values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            return values["holdfast_fleet_gateways_lost"], values["holdfast_fleet_gateways_lost_devices"]

        assert lost() == ("0", "0") and "fleet_gateway_lost" not in active_alarms(west)
        east.crash()
        assert until(lambda: "fleet_gateway_lost" in active_alarms(west), 30)
        assert lost() == ("1", "1")
        alarm, = [row for row in west.ask("GET", "/v1/alarms")["active"] if row["alarm"] == "fleet_gateway_lost"]
        assert alarm["summary"].startswith("east with 1 devices at ")
        life, = until(lambda: west.ask("GET", "/v1/closed?id=shop-1")["closed"], 20)
        assert (life["reason"], life["evidence"], life["duration_s"]) == ("gateway_lost", None, None)
        assert life["peer"] == device.peer and life["connected_at"]
        page = west.ask("GET", "/v1/devices/shop-1")
        assert page["state"] == "closed" and page["total"] == 1 and page["silent_gateways"] == []


def test_a_lost_gateway_that_returns_reports_no_end_twice(one):
    """Survivors report the ends of devices, the gateway itself those of connections without an id: each once in all
    spools."""
    with tempfile.TemporaryDirectory() as directory, gateways(["west"], one.url, lost_after="7s") as (west,):
        with FleetGateway("east", one.url, f"{directory}/east", lost_after="7s") as east:
            devices = devices_at(east, "d", 30)
            plain = [socket.create_connection(east.address) for _ in range(20)]
            assert until(lambda: west.count("online", "east") == 30)
            assert until(lambda: sum(event["event"] == "connected" for event in east.spooled()) == 50)
            open_at_east = {event["conn"] for event in east.spooled() if event["event"] == "connected"}
            east.crash()
        moved = devices_at(west, "d", 10)
        assert until(lambda: len(west.lost()) == 30, 20), len(west.lost())
        with FleetGateway("east", one.url, f"{directory}/east", lost_after="7s") as east:
            assert len(east.lost()) == 20, "those without a name, at once"
            time.sleep(13)  # no event can confirm that nothing happens: the ends are reported after 12 s at the latest
            check_lost_once([east, west], open_at_east)
            east.crash()
        with FleetGateway("east", one.url, f"{directory}/east", lost_after="7s") as east:
            time.sleep(2)
            check_lost_once([east, west], open_at_east)
        for sock in devices + plain + moved:
            sock.close()
