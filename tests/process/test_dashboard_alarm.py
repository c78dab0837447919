"""The dashboard's page of an alarm: its members, commands, acknowledgement and export."""

import contextlib
import csv

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from gateway import Gateway, listener
from lab import device
from population import connect_all, disconnect_all
from test_dashboard import check_manners, opened, reset

CONFIG = listener(detect_within="3s") + "[alarm]\ndrop_least = 10\nwindow = \"10s\"\n"


@pytest.fixture(scope="module")
def browser():
    with Browser() as made:
        yield made


@pytest.fixture
def gateway():
    with Gateway(config=CONFIG) as made:
        yield made


@pytest.fixture
def page(browser, gateway):
    opened(browser, gateway)
    yield browser
    check_manners(browser, gateway)


def identified(gateway, stack, name):
    sock = stack.enter_context(device.connect(gateway.address))
    sock.sendall(b'{"hello":{"id":"%s"}}\n' % name.encode() + device.item("10.0.0.1"))
    return sock


def drop_of(gateway):
    return next((alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == "population_drop"), None)


def seconds_with(gateway, connections):
    points = gateway.ask("GET", "/v1/trend?window=10s&step=1s")["points"]
    return sum(point["fewest"] == connections for point in points)


def members_of(gateway, alarm):
    return [row["id"] for row in gateway.ask("GET", f"/v1/alarms/{alarm['id']}")["members"]["rows"]]


def test_the_page_of_an_alarm(page, gateway, tmp_path):
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    kept = connect_all(gateway, 10, sources=["127.0.2.1"])
    with contextlib.ExitStack() as stack:
        lost = [identified(gateway, stack, f"meter-{i}") for i in range(20)]
        page.wait(lambda: seconds_with(gateway, 30) >= 3, "a steady population")
        for sock in lost:
            device.reset(sock)
        alarm = page.wait(lambda: drop_of(gateway), "the alarm")
        page.click(f'#alarms-active [data-id="{alarm["id"]}"] .summary a')
        page.wait_text("#alarm-title", "population drop")
        page.wait(lambda: page.text("#alarm-text .summary") == gateway.ask("GET", f"/v1/alarms/{alarm['id']}")["summary"], "its summary")
        page.wait(lambda: (page.text("#member-sum") or "").startswith("20 in all: 0 back (0 %), 20 missing"), "its members")
        listed = page.wait(lambda: (rows := members_of(gateway, alarm)) == page.texts("#member-body td:first-child") and rows,
                           "a row for each that the gateway lists")
        assert set(listed) <= {f"meter-{i}" for i in range(20)}
        assert set(page.texts("#member-body td:nth-child(5)")) == {"peer_reset"}
        assert page.texts("#alarm-commands code") == gateway.ask("GET", f"/v1/alarms/{alarm['id']}")["commands"]
        assert all(command.startswith("holdfast ") for command in page.texts("#alarm-commands code"))

        back = identified(gateway, stack, listed[0])
        page.wait(lambda: (page.text("#member-sum") or "").startswith("20 in all: 1 back (5 %), 19 missing"), "one is back")
        page.js("const s = document.getElementById('member-state'); s.value = 'back'; s.dispatchEvent(new Event('change'))")
        page.wait_text("#member-range", "1 to 1 of 1")
        assert page.texts("#member-body td:first-child") == [listed[0]]
        back.close()

        page.click("#export-csv")
        saved = tmp_path / f"holdfast-alarm-{alarm['id']}.csv"
        page.wait(saved.exists, "the export")
        page.wait(lambda: len(list(csv.DictReader(saved.open(encoding="utf-8")))) >= len(listed), "all members are in it")

    page.fill("#acknowledge-note", "link of the second hall, on it")
    page.press(Keys.ENTER)
    page.wait(lambda: "link of the second hall, on it" in page.text("#acknowledged-note"), "the note")
    assert page.shown("#acknowledged") and not page.shown("#acknowledge")
    assert gateway.ask("GET", f"/v1/alarms/{alarm['id']}")["acknowledged"]["note"] == "link of the second hall, on it"
    page.click("#withdraw")
    page.wait(lambda: page.shown("#acknowledge"), "withdrawn")
    page.click("#alarm-page .back a")
    page.wait(lambda: page.shown("#alarms"), "back at the overview")
    disconnect_all(kept)


def test_an_unknown_alarm_says_so(browser, gateway):
    opened(browser, gateway, "#/alarms/777")
    browser.wait(lambda: "unknown alarm" in browser.text("#alarm-outcome"), "the gateway's words")


def test_the_marks_lead_to_the_page(page, gateway):
    lost = connect_all(gateway, 30, sources=["127.0.1.1"])
    page.wait_text("#tile-connections", "30")
    reset(lost)
    page.wait(lambda: page.find("#alarm-marks .mark"), "the mark")
    alarm = page.wait(lambda: drop_of(gateway), "the alarm")
    page.click(f'#alarm-marks .mark[href$="/{alarm["id"]}"]')
    page.wait_text("#alarm-title", "population drop")
