"""The dashboard's page of a device: its state and its connections over time."""

import json

import pytest

from browser import Browser
from gateway import Gateway, listener
from lab import device
from test_dashboard import check_manners, opened

DEVICE = "pump 7/é#%?"


@pytest.fixture(scope="module")
def browser():
    with Browser() as made:
        yield made


@pytest.fixture
def gateway():
    with Gateway(config=listener()) as made:
        yield made


@pytest.fixture
def page(browser, gateway):
    opened(browser, gateway)
    yield browser
    check_manners(browser, gateway, "devices/")


def connected(gateway, items):
    sock = device.connect(gateway.address)
    sock.sendall(json.dumps({"hello": {"id": DEVICE}}).encode() + b"\n" + items)
    return sock


def test_the_page_of_a_device(page, gateway):
    first = connected(gateway, device.item("10.0.0.7"))
    page.wait(lambda: gateway.status()["items"] == 1, "its item")
    device.reset(first)
    page.wait(lambda: gateway.status()["closed"]["peer_reset"] == 1, "its end")
    with connected(gateway, device.item("10.0.0.7")):
        page.wait(lambda: DEVICE in (page.text("#connections-body td:nth-child(2)") or ""), "its row")
        page.click("#connections-body td:nth-child(2) a")
        page.wait_text("#device-state", "online")
        assert page.text("#device-title") == DEVICE and page.driver.title.startswith(f"device {DEVICE}")
        page.wait(lambda: page.texts("#device-lives .reason") == ["peer_reset"], "its closed connection")
        bars = page.js("return [...document.querySelectorAll('#device-timeline .span')].map((e) => e.dataset.kind)")
        assert bars == ["peer", "open"], "one bar for each connection"
        page.click("#device-probe")
        page.wait_text("#device-outcome", "Alive: …")
        page.click("#device-connection")
        page.wait_text("#one-state", "open")
        page.wait_text("#lives-title", f"Closed connections of device {DEVICE}")
        assert page.texts("#lives-body .reason") == ["peer_reset"]
        page.driver.back()
        page.wait_text("#device-state", "online")
        page.click("#device-lives a")
        page.wait_text("#one-state", "closed: peer_reset")
        page.driver.back()
        page.wait_text("#device-state", "online")
    page.wait_text("#device-state", "not connected")
    page.wait(lambda: page.text("#device-sentence").startswith("Not connected since "), "since when")
    assert len(page.texts("#device-lives .reason")) == 2 and not page.shown("#device-open")


def test_an_unknown_device_says_so(browser, gateway):
    opened(browser, gateway, "#/devices/nobody")
    browser.wait_text("#device-state", "unknown")
    browser.wait(lambda: "nobody" in browser.text("#device-outcome"), "the gateway's words")


def test_bad_items_are_shown_and_lead_to_their_origin(page, gateway):
    page.wait_text("#bad-empty", "No bad item has arrived since the gateway started.")
    with device.connect(gateway.address) as sock:
        sock.sendall(b"<script>document.title = 1</script>\n" + b'{"name":1}\n')
        page.wait(lambda: sorted(page.texts("#bad-body .reason")) == ["no key", "not json"], "both")
        assert any("<script>" in text for text in page.texts("#bad-body .head-bytes")), "as text"
        page.js("const s = document.getElementById('bad-kind'); s.value = 'no_key'; s.dispatchEvent(new Event('change', {bubbles: true}))")
        page.wait(lambda: page.texts("#bad-body .reason") == ["no key"], "of one kind")
        assert "kind=no_key" in page.driver.current_url
        page.click("#bad-body a")
        page.wait_text("#one-state", "open")
