"""The dashboard's charts, prefixes and links, and its sentences while the gateway is not known."""

import contextlib
import signal

import pytest

import nats
from browser import Browser
from fleet import gateways
from gateway import Gateway, listener
from lab import device
from population import connect_all, disconnect_all
from test_dashboard import check_manners, ink, opened, reset, variable

CONFIG = listener(detect_within="3s") + "[alarm]\ndrop_least = 10\nwindow = \"10s\"\n"
LONG_ID = "building-7-floor-12-rack-3-sensor-of-the-second-cooling-loop-00042"


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


def labels(page, chart):
    return [float(text.replace(",", "")) for text in page.texts(f"#{chart} .dygraph-axis-label-y") if text]


def shown_peers(page, body):
    return page.texts(f"#{body} a")


def test_every_chart_begins_at_zero(page, gateway):
    members = connect_all(gateway, 30, first_item=True)
    members[0].sock.sendall(b"this is not JSON\n")
    page.wait_text("#tile-connections", "30")
    page.wait(lambda: "bad ones: 1." in (page.text("#charts-sum") or ""), "the trend has the bad item")
    for chart in ("connections", "ended", "accepted", "items", "bad"):
        page.wait(lambda name=chart: labels(page, f"chart-{name}") and min(labels(page, f"chart-{name}")) == 0, f"{chart} begins at zero")
    for chart, color in (("accepted", "--accent"), ("items", "--good"), ("bad", "--bad")):
        assert page.wait(lambda c=chart, v=color: ink(page, f"#chart-{c}", variable(page, v)) > 3, f"{chart} has a bar")
    page.find("#charts").click()
    page.wait(lambda: "items" in page.text("#readout-text"), "the line below the heading has items")
    disconnect_all(members)


def test_alarms_are_marked_in_the_charts_and_lead_to_rows(page, gateway):
    lost = connect_all(gateway, 30, sources=["127.0.1.1"])
    kept = connect_all(gateway, 10, sources=["127.0.2.1"])
    page.wait_text("#tile-connections", "40")
    reset(lost)
    page.wait(lambda: page.text("#alarms-active .kind"), "an alarm is active")
    page.wait(lambda: page.texts("#alarm-marks .mark"), "the alarm has a mark")
    assert "population drop, raised at " in page.find("#alarm-marks .mark").get_attribute("title")
    assert page.wait(lambda: ink(page, "#chart-connections", variable(page, "--bad")) > 20, "a line marks the alarm")
    page.wait(lambda: "Alarms raised: population drop at " in page.text("#charts-sum"), "the mark is read out")

    page.wait(lambda: page.find("#alarms-active .prefixes a"), "the alarm has prefixes")
    page.click("#alarms-active .prefixes a")
    page.wait(lambda: page.text("#ended-range").startswith("1 to 10"), "the link leads to the closed connections")
    assert all(peer.startswith("127.0.1.1:") for peer in shown_peers(page, "ended-body"))
    assert set(page.texts("#ended-body .reason")) == {"peer_reset"}
    disconnect_all(kept)


def test_prefixes_divide_and_lead_to_rows(page, gateway):
    first = connect_all(gateway, 6, sources=["127.1.1.1", "127.1.2.1", "127.1.2.2"])
    second = connect_all(gateway, 3, sources=["127.2.1.1"])
    page.wait(lambda: page.texts("#prefixes-body td:first-child") == ["127.1.0.0/16", "127.2.0.0/16"], "by prefix")
    assert page.texts("#prefixes-body tr:first-child td.right") == ["6", "0", "0"]
    reset(second[:2])
    page.wait(lambda: page.texts("#prefixes-body td:first-child") == ["127.2.0.0/16", "127.1.0.0/16"], "trouble comes first")
    assert page.texts("#prefixes-body tr:first-child td")[-1] == "2 peer_reset"

    page.click("#prefixes-body tr:last-child a")
    page.wait(lambda: page.texts("#prefixes-body td:first-child") == ["127.1.2.0/24", "127.1.1.0/24"], "the prefix is divided")
    assert page.texts("#prefixes-trail > *") == ["all", "127.1.0.0/16"] and "#/prefixes/127.1.0.0%2F16" in page.driver.current_url
    page.click("#prefixes-body tr:first-child a")
    page.wait(lambda: page.texts("#prefixes-body td:first-child") == ["127.1.2.1", "127.1.2.2"], "down to addresses")
    page.click("#prefixes-trail a")
    page.wait(lambda: page.texts("#prefixes-body td:first-child") == ["127.2.0.0/16", "127.1.0.0/16"], "back to all")

    page.click("#prefixes-body tr:last-child td:nth-child(2) a")
    page.wait_text("#connections-range", "1 to 6 of 6")
    assert all(peer.startswith("127.1.") for peer in shown_peers(page, "connections-body"))
    page.click("#prefixes-body tr:first-child td:nth-child(4) a")
    page.wait(lambda: len(page.texts("#ended-body tr")) == 2, "the closed connections of the prefix")
    assert page.find("#ended-peer").get_attribute("value") == "127.2.0.0/16"
    page.fill("#ended-peer", "127.9.0.0/16")
    page.click("#ended-filter button[type=submit]")
    page.wait_text("#ended-empty", "No closed connection in the history matches the search.")
    page.click("#ended-clear")
    page.wait_text("#ended-range", "1 to 2, newest first")
    disconnect_all(first + second[2:])


def test_a_lost_feed_leaves_no_sentence_that_all_is_well(browser):
    with Gateway(config=CONFIG) as gateway:
        opened(browser, gateway)
        browser.wait_text("#alarms-active .quiet", "No alarm is active.")
        assert not browser.shown("#alarms-unknown")
        gateway.process.send_signal(signal.SIGSTOP)
        try:
            browser.wait_text("#feed-text", "Lost")
            browser.wait(lambda: browser.shown("#alarms-unknown"), "the alarms are not known")
            assert browser.text("#alarms-unknown").startswith("Not known since ") and not browser.shown("#alarms-active .quiet")
            assert browser.js("return getComputedStyle(document.querySelector('#connections-empty'), '::after').content") == \
                '"Not known while the live feed is lost."'
        finally:
            gateway.process.send_signal(signal.SIGCONT)
        browser.wait_text("#feed-text", "Live")
        browser.wait(lambda: not browser.shown("#alarms-unknown"), "the alarms are known again")
        assert browser.shown("#alarms-active .quiet")


def test_a_gateway_of_the_fleet_that_is_gone_is_not_known(browser):
    with nats.NatsServer() as server, gateways(["east", "west"], server.url) as (east, west):
        opened(browser, east)
        browser.wait(lambda: len(browser.texts("#fleet-body tr")) == 2, "both gateways")
        browser.wait_text("#alarms-active .quiet", "No alarm is active.")
        west.process.send_signal(signal.SIGSTOP)
        try:
            browser.wait(lambda: "Gateway west is " in browser.text("#alarms-unknown"), "the silent gateway is named")
            assert "its alarms and devices are not known since " in browser.text("#alarms-unknown")
            # Later, the lost gateway is an alarm.
            alarms = browser.text("#alarms-active").lower()
            assert "no alarm is active at this gateway." in alarms or "fleet gateway lost" in alarms, alarms
            browser.wait(lambda: any("not known since" in text for text in browser.texts("#fleet-body td")), "its devices are not known")
        finally:
            west.process.send_signal(signal.SIGCONT)
        browser.wait(lambda: not browser.shown("#alarms-unknown"), "the gateway is back")


def test_ids_stand_whole_on_a_phone(browser, gateway):
    with contextlib.ExitStack() as stack:
        for i in range(3):
            sock = stack.enter_context(device.connect(gateway.address))
            sock.sendall(b'{"hello":{"id":"%s-%d"}}\n' % (LONG_ID.encode(), i) + device.item("2001:db8:1234:5678:9abc:def0:1234:5678"))
        opened(browser, gateway, width=390, height=844)
        browser.wait_text("#connections-range", "1 to 3 of 3")
        browser.wait(lambda: all(LONG_ID in text for text in browser.texts("#connections-body td:nth-child(2)")), "the ids")
        cut = browser.js("""return [...document.querySelectorAll('#connections-body td, #prefixes-body td, #alarms td')]
            .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent);""")
        assert not cut, f"cut off on a phone: {cut}"
