"""The page of one device over its lives, the live feed of one device, and what a restart keeps."""

import json
import subprocess

import pytest

from gateway import PATIENCE, Gateway, binary, listener, run, until
from lab.device import reset
from oracle import spool_sink
from sse import Follower
from test_devices import Device


@pytest.fixture
def gateway():
    with Gateway() as running:
        yield running


def ends(gateway, name, count):
    """Connects and disconnects a device `count` times."""
    for _ in range(count):
        before = gateway.ask("GET", f"/v1/closed?id={name}&limit=0")["total"]
        device = Device(gateway, name)
        assert until(lambda: gateway.ask("GET", f"/v1/connections?id={name}")["total"])
        device.close()
        assert until(lambda: gateway.ask("GET", f"/v1/closed?id={name}&limit=0")["total"] > before)


def test_a_device_has_one_page(gateway):
    ends(gateway, "shop-1", 3)
    page = gateway.ask("GET", "/v1/devices/shop-1")
    assert page["state"] == "closed" and page["total"] == len(page["lives"]) == 3
    assert [life["id"] for life in page["lives"]] == ["shop-1"] * 3
    assert [life["at"] for life in page["lives"]] == sorted((life["at"] for life in page["lives"]), reverse=True)
    assert all(life["connected_at"] <= life["at"] and life["evidence"] for life in page["lives"])
    device = Device(gateway, "shop-1")
    page = until(lambda: (found := gateway.ask("GET", "/v1/devices/shop-1"))["state"] == "online" and found)
    assert page["conn"] and page["evidence"] and page["total"] == 3
    assert gateway.ask("GET", "/v1/devices/shop-1?limit=1")["total"] == 3
    assert gateway.ask("GET", "/v1/devices/shop-1?until=2001-01-01T00:00:00Z")["total"] == 0

    shown = run("device", "shop-1", "--admin", gateway.admin_flag())
    assert shown.returncode == 0 and page["conn"] in shown.stdout and page["lives"][0]["conn"] in shown.stdout
    device.close()
    assert until(lambda: run("device", "shop-1", "--admin", gateway.admin_flag()).returncode == 1)
    assert "shop-1 is closed" in run("show", "--id", "shop-1", "--admin", gateway.admin_flag()).stdout
    assert run("device", "nobody", "--admin", gateway.admin_flag()).returncode == 1


def test_a_device_page_has_its_bad_items_and_times_bound_them(gateway):
    device = Device(gateway, "shop-1")
    other = Device(gateway, "van-1")
    for one in (device, other):
        one.socket.sendall(b"[1]\n")
    assert until(lambda: gateway.ask("GET", "/v1/bad?limit=0")["total"] == 2)
    found = gateway.ask("GET", "/v1/bad?id=shop-*")
    row, = found["bad_items"]
    assert found["total"] == 1 and row["id"] == "shop-1"
    page = gateway.ask("GET", "/v1/devices/shop-1")
    assert page["latest_bad_items"] == [row] and page["alarms"] == []
    assert "latest bad items here:" in run("device", "shop-1", "--admin", gateway.admin_flag()).stdout
    assert gateway.ask("GET", f"/v1/bad?since={row['at']}&until={row['at']}&id=shop-1")["total"] == 1
    starred = Device(gateway, "sho*")
    assert until(lambda: gateway.status()["identified"] == 3)
    assert gateway.ask("GET", "/v1/devices/sho*")["latest_bad_items"] == [], "not those of other ids with that beginning"
    starred.close()
    for bound in ("until=2001-01-01T00:00:00Z", "since=2101-01-01T00:00:00Z"):
        assert gateway.ask("GET", f"/v1/bad?{bound}")["total"] == 0
        assert gateway.ask("GET", f"/v1/alarms?{bound}")["total"] == 0
    assert gateway.ask("GET", "/v1/alarms?since=soon", expect=400)["error"]["code"] == "bad_query"
    for one in (device, other):
        one.close()


def test_ids_are_found_by_their_beginning_and_times_bound_a_list(gateway):
    ends(gateway, "shop-1", 1)
    devices = [Device(gateway, name) for name in ("shop-2", "shop-3", "van-1")]
    assert until(lambda: gateway.ask("GET", "/v1/connections?id=shop-*")["total"] == 2)
    assert gateway.ask("GET", "/v1/connections?id=*")["total"] == 3
    assert gateway.ask("GET", "/v1/connections?id=shop-*&since=1h")["total"] == 2
    assert gateway.ask("GET", "/v1/connections?id=shop-*&until=1h")["total"] == 0
    closed = gateway.ask("GET", "/v1/closed?id=shop-*&since=1h&limit=0")
    assert (closed["total"], closed["closed"]) == (1, [])
    assert gateway.ask("GET", "/v1/closed?since=2999-01-01T00:00:00Z")["total"] == 0
    assert gateway.ask("GET", "/v1/closed?since=yesterday", expect=400)["error"]["code"] == "bad_query"
    listed = run("list", "--id", "shop-*", "--admin", gateway.admin_flag()).stdout
    assert "shop-2" in listed and "shop-3" in listed and "van-1" not in listed
    for device in devices:
        device.close()


def test_the_feed_selects_one_device_and_goes_on_after_a_break(gateway):
    loud, quiet = Device(gateway, "loud"), Device(gateway, "quiet")
    assert until(lambda: gateway.ask("GET", "/v1/connections?id=*")["total"] == 2)
    with Follower(gateway, "item,closed", id="qui*") as follower:
        loud.write(*[{"ip": "10.0.0.1", "n": n} for n in range(300)])
        quiet.write({"ip": "10.0.0.2", "n": 1})
        assert follower.wait(lambda: follower.of("item"))
        last = follower.last_id
    quiet.write({"ip": "10.0.0.2", "n": 2})
    quiet.write({"ip": "10.0.0.2", "n": 3})
    assert until(lambda: gateway.ask("GET", "/v1/connections?id=quiet")["connections"][0]["items"] == 3)
    with Follower(gateway, "item,closed", after=last, id="qui*") as follower:
        assert follower.wait(lambda: len(follower.of("item")) == 2)
        assert [event["item"]["n"] for event in follower.of("item")] == [2, 3] and not follower.of("skipped")
        quiet.close()
        assert follower.wait(lambda: follower.of("closed"))
    with Follower(gateway, "item", after="0-7", id="qui*") as follower:
        assert follower.wait(lambda: follower.of("skipped")) and follower.of("skipped")[0]["gap"]
    loud.close()


def test_tail_follows_a_device_a_peer_and_a_key(gateway):
    def tail(*words):
        # The first comment of a feed is not printed: an item that is sent repeatedly ends the wait.
        with subprocess.Popen([binary(), "tail", "--admin", gateway.admin_flag(), *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert until(lambda: device.write({"ip": "k-1"}) or process.poll() is not None, every=0.05)
            out, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, err
            return [json.loads(line) for line in out.splitlines()]

    device = Device(gateway, "shop-1")
    assert [event["id"] for event in tail("--id", "shop-*", "--kind", "item", "--count", "2")] == ["shop-1"] * 2
    assert [event["event"] for event in tail("--peer", "127.0.0.0/8", "--count", "1")] == ["item"]
    assert [event["key"] for event in tail("--key", "k-1", "--count", "1")] == ["k-1"]
    device.close()
    assert run("tail", "--kind", "nothing", "--admin", gateway.admin_flag()).returncode == 2
    assert run("tail", "--admin", "127.0.0.1:1").returncode == 3


def test_a_restart_keeps_the_closed_history_and_the_trend(tmp_path):
    config = listener() + f'[process]\nstate_file = "{tmp_path}/state"\n'
    with Gateway(config=config) as first:
        ends(first, "shop-1", 2)
        before = first.ask("GET", "/v1/closed?id=shop-1")["closed"]
        assert until(lambda: sum(point["accepted"] for point in first.ask("GET", "/v1/trend")["points"]) == 2)
    with Gateway(config=config) as second:
        assert second.ask("GET", "/v1/closed?id=shop-1")["closed"] == before
        assert second.ask("GET", "/v1/devices/shop-1")["total"] == 2
        ends(second, "shop-1", 1)
        assert [life["conn"] for life in second.ask("GET", "/v1/closed?id=shop-1")["closed"]][1:] == [life["conn"] for life in before]
        assert until(lambda: sum(point["accepted"] for point in second.ask("GET", "/v1/trend")["points"]) == 3)
        assert not [line for line in second.stderr if "state file" in line]


def test_a_crash_keeps_the_connections_that_ended_since_the_last_save(tmp_path):
    config = listener() + spool_sink(tmp_path)
    with Gateway(config=config) as first:
        ends(first, "shop-1", 2)
    with Gateway(config=config) as second:
        ends(second, "shop-1", 1)
        open_device = Device(second, "shop-2")
        before = second.ask("GET", "/v1/closed?id=shop-1")["closed"]
        assert until(lambda: second.ask("GET", "/v1/connections?id=shop-2")["total"])
        assert until(lambda: second.status()["sink"]["spool"]["waiting_bytes"] == 0)
        second.kill()
        open_device.close()
    with Gateway(config=config) as third:
        after = third.ask("GET", "/v1/closed?id=shop-1")["closed"]
        fields = ("conn", "peer", "id", "reason", "kind", "error", "items", "bytes_in", "bytes_out", "at", "authenticated")
        assert [[life[field] for field in fields] for life in after] == [[life[field] for field in fields] for life in before]
        assert third.ask("GET", "/v1/closed")["total"] == 4
        lost, = third.ask("GET", "/v1/closed?id=shop-2")["closed"]
        assert lost["reason"] == "gateway_lost" and lost["evidence"] is None and lost["connected_at"]


def test_a_crash_keeps_the_alarm_with_its_devices_and_note(tmp_path):
    config = listener() + f'[process]\nstate_file = "{tmp_path}/state"\n'
    lost = 60
    with Gateway(config=config) as first:
        devices = [Device(first, f"shop-{n}") for n in range(lost)]
        assert until(lambda: first.status()["identified"] == lost)
        # A drop is judged by a population that was there for some seconds.
        assert until(lambda: [point["connections"] for point in first.ask("GET", "/v1/trend?window=60s")["points"]][-5:] == [lost] * 5)
        for device in devices:
            device.stream.close()
            reset(device.socket)
        assert until(lambda: drop_of(first)), first.tail()
        alarm = f"/v1/alarms/{drop_of(first)['id']}"
        # Growth by less than three is reported a minute later.
        assert until(lambda: first.ask("GET", alarm)["members"]["listed"] >= lost - 2)
        assert first.ask("POST", f"{alarm}/acknowledgement", body={"note": "the door of shop 1"})
        state = tmp_path / "state"
        assert until(lambda: state.exists() and b"=the%20door" in state.read_bytes())
        before = first.ask("GET", alarm)
        first.kill()
    with Gateway(config=config) as second:
        kept = second.ask("GET", alarm)
        assert kept["alarm"] == "population_drop" and kept["raised_at"] == before["raised_at"] and not kept["cleared_at"]
        assert second.ask("GET", "/v1/alarms?since=1h&until=0s")["total"] >= 1
        known = second.ask("GET", f"/v1/devices/{kept['members']['rows'][0]['id']}")["alarms"]
        assert [one["id"] for one in known] == [before["id"]] and known[0]["reason"] == "peer_reset"
        assert kept["acknowledged"]["note"] == "the door of shop 1"
        assert "from before the gateway's restart" in kept["cause"]
        devices = {row["id"] for row in kept["members"]["rows"]}
        assert len(devices) >= lost - 2 and devices <= {f"shop-{n}" for n in range(lost)}
        # The alarm stays active for five minutes; no device is back.
        assert drop_of(second)["id"] == before["id"] and drop_of(second)["population_now"] == 0


def drop_of(gateway):
    """Returns the active alarm of a drop, or None."""
    return next((one for one in gateway.ask("GET", "/v1/alarms")["active"] if one["alarm"] == "population_drop"), None)


@pytest.mark.parametrize("bytes, warning", [(b"\x00garbage", "is damaged"), (b"holdfast-state 9 0\n", "has version 9")])
def test_a_state_file_of_no_use_is_kept_aside_and_stops_no_start(tmp_path, bytes, warning):
    (tmp_path / "state").write_bytes(bytes)
    with Gateway(config=listener() + f'[process]\nstate_file = "{tmp_path}/state"\n') as gateway:
        assert until(lambda: any(warning in line and "state file" in line for line in gateway.stderr))
        assert gateway.ask("GET", "/v1/closed")["total"] == 0
    kept, = tmp_path.glob("state.*")
    assert kept.read_bytes() == bytes
    assert (tmp_path / "state").read_bytes().startswith(b"holdfast-state 1 ")


def test_a_state_file_that_cannot_be_written_costs_one_line(tmp_path):
    (tmp_path / "state.new").mkdir()
    with Gateway(config=listener() + f'[process]\nstate_file = "{tmp_path}/state"\n') as gateway:
        device = Device(gateway, "shop-1")
        assert until(lambda: gateway.ask("GET", "/v1/connections?id=shop-1")["total"])
        device.close()
        assert until(lambda: gateway.ask("GET", "/v1/closed?id=shop-1")["total"])
    lines = [line for line in gateway.stderr if "state file" in line]
    assert len([line for line in lines if "cannot be created" in line]) == 1
