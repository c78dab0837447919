"""A drill of the person on call: half of a fleet is cut off. The test walks from the alarm to its members, to one device
and to the exported file. Command line, API and dashboard show the same."""

import contextlib
import csv
import io
import json
import subprocess

import pytest

from browser import Browser
from gateway import BINARY, Gateway, listener, run, until
from lab.netlab import GATEWAY4

LOST, OTHERS = 1_400, 1_200
MOST = 1_372  # the alarm leaves out ends that come long after the others
LOST_PREFIX, OTHER_PREFIX = "10.129.0.0/16", "10.131.0.0/16"


class Devices:
    """`holdfast load` on the device side: devices with ids, which reconnect, until the block ends."""

    def __init__(self, lab, gateway, prefix, count, name):
        host, port = gateway.address
        self._process = subprocess.Popen(
            lab.device.command(str(BINARY), "load", "--to", f"{host}:{port}", "--connections", str(count), "--source", prefix,
                               "--ids", name, "--reconnect", "--items-per-second", str(count // 6), "--duration", "600s",
                               "--seed", "1"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def alarm_of(gateway, kind, among="active"):
    return next((alarm for alarm in gateway.ask("GET", "/v1/alarms")[among] if alarm["alarm"] == kind), None)


@pytest.fixture
def scene(lab):
    """Yields a gateway whose alarm says that the lost devices are silent."""
    config = listener(address=f"{GATEWAY4}:0", detect_within="30s")
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Gateway(config=config, namespace=lab.gateway))
        stack.enter_context(Devices(lab, gateway, OTHER_PREFIX, OTHERS, "here"))
        stack.enter_context(Devices(lab, gateway, LOST_PREFIX, LOST, "lost"))
        identified = until(lambda: gateway.status()["identified"] == LOST + OTHERS, 60, 0.2)
        assert identified, f"{gateway.status()['identified']} devices are here{gateway.tail()}"
        assert until(lambda: gateway.status()["items"] >= 2 * (LOST + OTHERS), 60, 0.2), "each device sends items"
        lab.silence(hosts=[LOST_PREFIX])
        silent = until(lambda: alarm_of(gateway, "peers_silent") and gateway.status()["suspects"] >= 0.9 * LOST, 60, 0.1)
        assert silent, f"{gateway.ask('GET', '/v1/alarms')}{gateway.tail()}"
        yield gateway


def cli(gateway, lab, *words):
    return run(*words, "--admin", gateway.admin_flag(), command=lab.gateway.command())


def whole_drop(gateway):
    """Returns the alarm of the drop with its members, once it has most of the lost devices."""
    alarm = alarm_of(gateway, "population_drop")
    detail = alarm and gateway.ask("GET", f"/v1/alarms/{alarm['id']}?limit=10000")
    return detail if detail and MOST <= detail["members"]["total"] == detail["members"]["listed"] else None


def ids_of(rows):
    return {row["id"] for row in rows}


LOST_IDS = {f"lost-{n}" for n in range(LOST)}


def are_most(rows):
    """Returns whether the rows are lost devices, each once, and most of them."""
    return len(rows) == len(ids_of(rows)) >= MOST and ids_of(rows) <= LOST_IDS


def test_the_way_from_the_alarm_to_the_devices(scene, lab):
    gateway = scene
    silence = alarm_of(gateway, "peers_silent")
    members = gateway.ask("GET", f"/v1/alarms/{silence['id']}?limit=10000")["members"]
    assert members["back"] == 0 and members["total"] == members["listed"] and ids_of(members["rows"]) <= LOST_IDS

    drop = until(lambda: whole_drop(gateway), 90, 0.2)
    assert drop, f"{gateway.ask('GET', '/v1/alarms')}{gateway.tail()}"
    rows = drop["members"]["rows"]
    assert are_most(rows) and drop["members"]["back"] == 0
    assert all(row["peer"].startswith("10.129.") and row["key"] for row in rows)
    assert {row["reason"] for row in rows} <= {"keepalive_expired", "retransmit_expired"}
    commands_lead_to_rows(gateway, lab, drop)
    the_files_have_every_member(gateway, lab, drop["id"])
    one_device_is_found(gateway, lab, rows[0])
    an_acknowledgement_is_seen(gateway, lab, drop["id"])
    the_dashboard_shows_them(gateway, lab, drop)

    lab.restore()
    assert until(lambda: all_are_back(gateway, drop["id"]), 60, 0.2), gateway.tail()
    missing = gateway.ask("GET", f"/v1/alarms/{drop['id']}?state=missing")["members"]
    assert missing["matching"] == 0 and missing["rows"] == []
    assert f"{missing['total']:,}, {missing['total']:,} back" in cli(gateway, lab, "alarms", str(drop["id"])).stdout


def all_are_back(gateway, alarm):
    members = gateway.ask("GET", f"/v1/alarms/{alarm}?limit=0")["members"]
    return members["back"] == members["total"] >= MOST


def commands_lead_to_rows(gateway, lab, drop):
    """Asserts that each command of the advice is complete and prints rows."""
    closes = f"holdfast closed --reason {next(iter(drop['reasons']))} --peer {LOST_PREFIX} --since "
    assert any(command.startswith(closes) for command in drop["commands"]), drop["commands"]
    for command in drop["commands"]:
        words = command.split(" > ")[0].split()
        assert words[0] == "holdfast", command
        shown = cli(gateway, lab, *words[1:])
        assert shown.returncode == 0 and "10.129." in shown.stdout, (command, shown)


def the_files_have_every_member(gateway, lab, alarm):
    text = cli(gateway, lab, "alarms", str(alarm), "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert are_most(rows) and {row["back"] for row in rows} == {"no"}
    assert gateway.ask("GET", f"/v1/alarms/{alarm}/members?format=csv").count("\r\n") > MOST
    exported = gateway.ask("GET", f"/v1/alarms/{alarm}/members?format=json")
    assert are_most(exported["members"]["rows"])


def one_device_is_found(gateway, lab, member):
    """Asserts that the history has the end of the lost device."""
    closed = json.loads(cli(gateway, lab, "closed", "--id", member["id"], "--json").stdout)["closed"]
    assert [(life["conn"], life["reason"]) for life in closed] == [(member["conn"], member["reason"])]


def an_acknowledgement_is_seen(gateway, lab, alarm):
    assert cli(gateway, lab, "alarms", str(alarm), "--note", "Anna: calls the carrier").returncode == 0
    assert alarm_of(gateway, "population_drop")["acknowledged"]["note"] == "Anna: calls the carrier"
    assert "Anna: calls the carrier" in cli(gateway, lab, "alarms").stdout
    assert cli(gateway, lab, "alarms", str(alarm), "--withdraw").returncode == 0
    assert until(lambda: alarm_of(gateway, "population_drop")["acknowledged"] is None)


def the_dashboard_shows_them(gateway, lab, drop):
    with lab.gateway.entered(), Browser() as page:
        page.open(f"http://{gateway.admin_flag()}/#/alarms")
        shown = f'#alarms-active [data-id="{drop["id"]}"] '
        page.wait(lambda: LOST_PREFIX in page.texts(shown + ".prefixes td:first-child"), "the dashboard has the alarm")
        page.click(shown + ".summary a")
        page.wait(lambda: " in all: 0 back" in (page.text("#member-sum") or ""), "the alarm's page has them")
        assert page.texts("#alarm-commands code") == drop["commands"]
        member = page.wait(lambda: next(iter(page.texts("#member-body td:first-child")), None), "a row for each member")
        assert member in LOST_IDS
        page.click("#member-body td:first-child a")
        page.wait_text("#device-title", member)
        page.wait(lambda: page.texts("#device-lives .reason")[:1] == [drop["members"]["rows"][0]["reason"]], "why it is gone")
