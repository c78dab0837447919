"""The dashboard in headless Chromium, against the real daemon and real devices.

HOLDFAST_SCREENSHOTS=docs writes docs/dashboard.png and docs/dashboard-phone.png from the same run."""

import contextlib
import os
import re
import signal
import subprocess

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from colors import contrast, difference
from conftest import ROOT
from gateway import PATIENCE, Gateway, binary, listener
from lab import device
from lab.netlab import GATEWAY4, device_address
from population import connect_all, disconnect_all
from ports import free_address

PICTURES = os.environ.get("HOLDFAST_SCREENSHOTS")  # folder of the pictures; without it, none are kept
CONFIG = listener() + listener("meters", read_idle="off") + '[alarm]\ndrop_least = 20\n'


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
    """Yields the dashboard of `gateway`, live. At the end, the log must be empty and no foreign address requested."""
    opened(browser, gateway)
    yield browser
    check_manners(browser, gateway)


def check_manners(browser, gateway, missing="connections/"):
    # A page may request its connection, or its device, just as that ends: the browser logs the 404.
    faults = [line for line in browser.complaints() if not re.search(rf"/v1/({missing}|connections/)\S+ .*404", line)]
    assert not faults
    origin = origin_of(gateway)
    asked = [url for url in browser.requested() if url != "about:blank"]
    assert len(asked) > 10 and all(url.startswith(origin) for url in asked), asked


def origin_of(gateway):
    return "http://%s:%d/" % gateway.admin


def opened(browser, gateway, path="", **options):
    browser.open(origin_of(gateway) + path, **options)
    browser.wait_text("#feed-text", "Live")


def name_item(member, key):
    member.sock.sendall(device.item(key))


def reset(members):
    for member in members:
        device.reset(member.sock)


def open_one(page, member):
    """Opens the page of a member's connection, through the table."""
    page.fill("#filter-peer", member.record.peer.rsplit(":", 1)[0])
    page.click("#filter button[type=submit]")
    link = f'tr[data-key="{member.record.conn}"] a'
    page.wait(lambda: page.find(link), f"the row of {member.record}")
    page.click(link)
    page.wait_text("#one-state", "open")
    assert page.text("#one-title") == member.record.peer


def read_line(sock):
    sock.settimeout(PATIENCE)
    return sock.makefile("rb").readline()


def ink(page, chart, color):
    """Counts the pixels of a chart's canvases that have this colour."""
    return page.js("""
        const wanted = arguments[1].match(/[0-9a-f]{2}/gi).map((h) => parseInt(h, 16));
        let count = 0;
        for (const canvas of document.querySelectorAll(`${arguments[0]} canvas`)) {
          const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] > 200 && wanted.every((w, k) => Math.abs(data[i + k] - w) < 12)) ++count;
          }
        }
        return count;""", chart, color)


def variable(page, name):
    return page.js("return getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()", name)


def test_numbers_follow_devices_that_connect_and_die(page, gateway):
    page.wait_text("#tile-connections", "0")
    page.wait_text("#connections-empty", "No device is connected.")
    members = connect_all(gateway, 12, first_item=True)
    page.wait_text("#tile-connections", "12")
    page.wait_text("#connections-range", "1 to 12 of 12")
    page.wait_text("#tile-items-note", "12 since start")
    assert len(page.texts("#connections-body tr")) == 12
    page.wait(lambda: page.driver.title.startswith("12 connections"), "the title says 12")

    reset(members[:5])
    disconnect_all(members[5:7])
    page.wait_text("#tile-connections", "5")
    page.wait_text("#tile-ended-note", "7 since start")
    page.wait_text("#connections-range", "1 to 5 of 5")
    page.wait(lambda: len(page.texts("#ended-body tr")) == 7, "seven that ended")
    assert sorted(page.texts("#ended-body .reason")) == ["peer_closed"] * 2 + ["peer_reset"] * 5
    # The charts show it: the fall, and the reasons in their colours.
    page.wait(lambda: "most 12" in page.text("#charts-sum") and "5 connections at the end" in page.text("#charts-sum")
              and "5 peer reset, 2 peer closed" in page.text("#charts-sum"), "the trend has it")
    page.wait_text('#legend [data-kind="peer"] strong', "7")
    assert page.wait(lambda: ink(page, "#chart-connections", variable(page, "--accent")) > 30, "a line is drawn")
    assert page.wait(lambda: ink(page, "#chart-ended", variable(page, "--reason-peer_reset")) > 5, "a bar is drawn")
    assert not re.search(r"\bended\b", page.js("return document.body.textContent"), re.IGNORECASE), "the word is closed"
    disconnect_all(members[7:])


def test_windows_and_zoom(page, gateway):
    members = connect_all(gateway, 3)
    page.wait(lambda: "most 3" in (page.text("#charts-sum") or ""), "the trend has three connections")
    for window, seconds in (("1h", 3600), ("6h", 21600), ("2d", 172800), ("10m", 600)):
        page.js("document.querySelector(`input[value='${arguments[0]}']`).click()", window)
        page.wait(lambda: any(f"/v1/trend?window={seconds}s" in url for url in page.requested()), window)
        page.wait(lambda: "most 3" in page.text("#charts-sum"), f"three connections within {window}")
    assert page.find("#zoom-reset").get_attribute("disabled")
    page.click("#zoom-in")
    page.wait(lambda: not page.find("#zoom-reset").get_attribute("disabled"), "zoomed")
    page.click("#zoom-reset")
    page.wait(lambda: page.find("#zoom-reset").get_attribute("disabled"), "the whole window")

    chart = page.find("#chart-connections")
    width = chart.size["width"]
    mouse = page.mouse()
    mouse.move_to_element_with_offset(chart, -width // 4, 0).click_and_hold()
    mouse.move_by_offset(width // 4, 5).move_by_offset(width // 8, 0).release().perform()
    page.wait(lambda: not page.find("#zoom-reset").get_attribute("disabled"), "zoomed by dragging")
    # Two presses would have to follow within half a second, also on a busy machine.
    page.js("""const {left, top, width, height} = arguments[0].getBoundingClientRect();
        const target = document.elementFromPoint(left + width / 2, top + height / 2);
        target.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}));""", chart)
    page.wait(lambda: page.find("#zoom-reset").get_attribute("disabled"), "a double click shows the whole window")
    page.click("#zoom-in")
    half = r"From [\d:]+ to ([\d:]+)"
    end = page.wait(lambda: re.match(half, page.text("#charts-sum")), "the latest half")[1]
    page.mouse().key_down(Keys.SHIFT).drag_and_drop_by_offset(chart, width, 0).key_up(Keys.SHIFT).perform()
    # The half before may begin before the gateway's start: only its end differs from the latest.
    page.wait(lambda: page.text("#charts-sum").startswith("No data for this time")
              or re.match(half, page.text("#charts-sum"))[1] < end, "the half before")
    page.click("#zoom-reset")
    # The first sample was taken before there was any device: the cursor at the far left is on it.
    page.mouse().move_to_element_with_offset(chart, 70 - width // 2, 0).perform()
    page.wait_text("#readout-text", " 0 connections…")
    page.mouse().move_to_element(page.find("#alarms-title")).perform()
    page.wait_text("#readout-text", " 3 connections…")
    disconnect_all(members)


def test_search_sort_and_pages(page, gateway):
    near = connect_all(gateway, 4, sources=["127.0.1.1"], to=gateway.ports["devices"])
    far = connect_all(gateway, 18, sources=["127.0.2.1"], to=gateway.ports["meters"])
    name_item(near[0], "10.20.30.40")
    page.wait_text("#connections-range", "1 to 15 of 22")
    page.click("#page-next")
    page.wait_text("#connections-range", "16 to 22 of 22")
    assert len(page.texts("#connections-body tr")) == 7

    page.fill("#filter-peer", "127.0.1.0/24")
    page.click("#filter button[type=submit]")
    page.wait_text("#connections-range", "1 to 4 of 4")
    assert all(peer.startswith("127.0.1.1:") for peer in page.texts("#connections-body td:first-child"))
    assert "peer=127.0.1.0%2F24" in page.driver.current_url, "a search can be handed on as a link"

    page.fill("#filter-peer", "10.2.0.0/99")
    page.click("#filter button[type=submit]")
    page.wait(lambda: "is not a prefix" in page.text("#connections-trouble"), "the gateway's words about the prefix")
    assert page.find("#filter-peer").get_attribute("aria-invalid") == "true"
    assert page.complaints(), "the browser notes that the search was refused"  # expected: not a fault of the page

    page.click("#filter-clear")
    page.wait_text("#connections-range", "1 to 15 of 22")
    assert all("10.2.0.0%2F99" in line for line in page.complaints()), "the search was repeated until it was changed"
    page.fill("#filter-key", "10.20.30.40")
    page.press(Keys.ENTER)
    page.wait_text("#connections-range", "1 to 1 of 1")
    assert page.texts("#connections-body td:nth-child(2)") == ["10.20.30.40"]

    page.click("#filter-clear")
    page.js("const s = document.getElementById('filter-listener'); s.value = 'meters';"
            "s.dispatchEvent(new Event('change', {bubbles: true}))")
    page.wait_text("#connections-range", "1 to 15 of 18")
    page.click('th[data-sort="peer"] button')
    page.wait(lambda: page.find('th[data-sort="peer"]').get_attribute("aria-sort") == "ascending", "sorted")

    def ports():
        return [int(peer.rsplit(":", 1)[1]) for peer in page.texts("#connections-body td:first-child")]

    wanted = sorted(member.sock.getsockname()[1] for member in far)
    page.wait(lambda: ports() == wanted[:15], "by peer")
    page.click('th[data-sort="peer"] button')
    page.wait(lambda: ports() == wanted[::-1][:15], "by peer, the other way round")
    disconnect_all(near + far)


def test_a_connection_is_probed_sent_to_and_closed(page, gateway):
    member, = connect_all(gateway, 1, sources=["127.0.3.1"], first_item=True)
    open_one(page, member)
    facts = dict(zip(page.texts("#one-facts dt"), page.texts("#one-facts dd")))
    assert facts["Key"] == "10.0.0.1" and facts["Connection"] == member.record.conn and facts["Items"] == "1", facts
    assert "Round trip" in page.texts("#one-evidence dt") and "30 s" in page.texts("#one-plan dd")

    page.click("#one-probe")
    page.wait_text("#one-outcome", "Alive: …")

    page.fill("#send-json", '["not an object"]')
    page.click("#send button")
    page.wait_text("#send-outcome", "The text is JSON but not an object…")
    page.fill("#send-json", '{"cmd": ')
    page.click("#send button")
    page.wait_text("#send-outcome", "The text is not JSON…")
    page.fill("#send-json", '{"cmd": "reboot", "n": 1.50}')
    page.click("#send button")
    page.wait_text("#send-outcome", "Queued at …")
    assert read_line(member.sock) == b'{"cmd":"reboot","n":1.50}\n', "that, and nothing of what was refused"

    page.click("#one-close")
    page.wait(lambda: page.shown("#confirm"), "the question")
    assert member.record.peer in page.text("#confirm-text")
    page.click('#confirm button[value="no"]')
    page.wait(lambda: not page.shown("#confirm"), "the question is gone")
    assert gateway.ask("GET", f"/v1/connections/{member.record.conn}")["conn"], "it lives"
    page.click("#one-close")
    page.click("#confirm-yes")
    assert member.sock.recv(1) == b"", "the device sees the end"
    page.wait_text("#one-state", "closed: kicked")
    assert page.find("#one-probe").get_attribute("disabled") and not page.shown("#one-sending")
    assert gateway.closed(member.record).reason == "kicked"
    member.sock.close()

    # The address is used again: its last life is on the new connection's page.
    again, = connect_all(gateway, 1, sources=["127.0.3.1"])
    page.click(".back a")
    open_one(page, again)
    page.wait(lambda: page.texts("#lives-body .reason") == ["kicked"], "the last life")
    page.click("#lives-body a")
    page.wait_text("#one-state", "closed: kicked")
    disconnect_all([again])


def test_bytes_of_devices_are_shown_as_text(page, gateway):
    member, = connect_all(gateway, 1)
    key = '<img src=x onerror="document.title=1"><b>&amp;\u001b[31m\u202e'
    name_item(member, key)
    shown = '<img src=x onerror="document.title=1"><b>&amp;\\u001b[31m\\u202e'
    page.wait(lambda: page.texts("#connections-body td:nth-child(2)") == [shown], "the key as text")
    open_one(page, member)
    assert shown in page.texts("#one-facts dd")
    assert page.js("return document.querySelectorAll('main img, main b').length") == 0
    member.sock.close()
    page.wait_text("#one-state", "closed: peer_closed")
    assert not re.search(r"\bended\b", page.js("return document.title + document.body.textContent"), re.IGNORECASE)
    assert shown in page.texts("#one-facts dd")


def test_a_lost_feed_is_noticed_and_resumed(browser):
    admin = free_address()  # that both gateways can have
    with Gateway("--admin", admin, config=CONFIG) as gateway:
        opened(browser, gateway)
        members = connect_all(gateway, 2)
        browser.wait_text("#tile-connections", "2")
        assert not browser.shown("#lost")
        disconnect_all(members)
    browser.wait_text("#feed-text", "Lost")
    assert browser.shown("#lost") and "lost at" in browser.text("#lost-text")
    assert browser.driver.title.startswith("lost")
    assert float(browser.find("#tile-connections").value_of_css_property("opacity")) < 1
    with Gateway("--admin", admin, config=CONFIG) as gateway:
        browser.click("#retry")
        browser.wait_text("#feed-text", "Live")
        assert not browser.shown("#lost")
        members = connect_all(gateway, 3)
        browser.wait_text("#tile-connections", "3")
        browser.wait_text("#connections-range", "1 to 3 of 3")
        disconnect_all(members)


def test_the_page_prompts_for_a_required_token(browser, tmp_path):
    write, read = tmp_path / "write", tmp_path / "read"
    for path, token in ((write, "write-0123456789abcdef"), (read, "read-0123456789abcdef")):
        path.touch(mode=0o600)
        path.write_text(token + "\n", encoding="ascii")
    config = CONFIG + f'[admin]\ntoken_file = "{write}"\nread_token_file = "{read}"\n'
    with Gateway(config=config) as gateway:
        members = connect_all(gateway, 2)
        browser.open(origin_of(gateway))
        browser.wait(lambda: browser.shown("#login"), "the page requires a token")
        browser.wait_text("#feed-text", "Locked")
        if PICTURES:
            browser.screenshot(ROOT / PICTURES / "dashboard-login.png")
        enter(browser, "wrong-0123456789abcdef")
        browser.wait_text("#login-trouble", "The gateway does not know this token.")
        assert browser.text("#tile-connections") == "–"
        enter(browser, "read-0123456789abcdef")
        browser.wait_text("#feed-text", "Live")
        browser.wait_text("#tile-connections", "2")
        assert not browser.shown("#login") and browser.shown("#lock")
        more = connect_all(gateway, 1)  # the feed has the token too
        browser.wait_text("#tile-connections", "3")
        browser.driver.refresh()  # it stays in this tab
        browser.wait_text("#feed-text", "Live")
        open_one(browser, members[0])
        browser.click("#one-probe")
        browser.wait_text("#one-outcome", "this token has the right to read only…")
        browser.click("#lock")
        browser.wait(lambda: browser.shown("#login"), "the token is forgotten")
        enter(browser, "write-0123456789abcdef")
        browser.wait_text("#feed-text", "Live")
        browser.click("#one-probe")
        browser.wait_text("#one-outcome", "Alive: …")
        assert not [url for url in browser.requested() if "0123456789abcdef" in url]
        complaints = [line for line in browser.complaints() if " 401 " not in line and " 403 " not in line]
        assert not complaints, complaints
        disconnect_all(members + more)


def enter(browser, token):
    browser.fill("#login-token", token)
    browser.click("#login-form button[type=submit]")


def test_a_gateway_that_hangs_is_noticed(page, gateway):
    """Its sockets stay open without data: the missing samples show it."""
    page.click("#filter-clear")
    page.wait_text("#connections-empty", "No device is connected.")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        page.wait_text("#feed-text", "Lost")
        assert page.shown("#lost")
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    page.wait_text("#feed-text", "Live")
    assert not page.shown("#lost")


def test_by_keyboard_alone(page, gateway):
    members = connect_all(gateway, 2, sources=["127.0.4.1"])
    page.wait_text("#connections-range", "1 to 2 of 2")
    page.wait(lambda: page.texts("#prefixes-body a"), "the last table has its rows")
    page.press(Keys.TAB)
    assert page.focused() == "skip" and page.find("#skip").rect["y"] >= 0, "the skip link is the first and shows itself"
    page.press(Keys.ENTER)
    assert page.focused() == "main"
    reached = tab_through(page)
    missing = page.js("""
        return [...document.querySelectorAll('a, button, input, select, textarea, summary')]
          .filter((e) => e.checkVisibility() && !e.disabled && !arguments[0].includes(e) && !e.closest('header, .skip'))
          .filter((e) => e.type !== 'radio' || e.checked).map((e) => e.outerHTML);""", reached)
    assert not missing, f"not reached by Tab: {missing}"

    page.js("document.activeElement.blur()")
    page.press("/")
    assert page.focused() == "filter-peer"
    page.press("127.0.4.0/24", Keys.ENTER)
    page.wait_text("#connections-range", "1 to 2 of 2")
    conn = members[0].record.conn
    tab_to(page, lambda: page.js("return document.activeElement.closest('tr')?.dataset.key") == conn)
    page.press(Keys.ENTER)
    page.wait_text("#one-state", "open")
    assert page.focused() == "one-title"
    tab_to(page, lambda: page.focused() == "one-probe")
    page.press(Keys.ENTER)
    page.wait_text("#one-outcome", "Alive: …")

    page.press("/")
    page.wait(lambda: page.focused() == "filter-peer", "the slash leads back to the search")
    page.driver.back()
    page.wait_text("#one-state", "open")

    tab_to(page, lambda: page.focused() == "one-close")
    page.press(Keys.ENTER)
    page.wait(lambda: page.shown("#confirm"), "the question")
    inside = set()
    for _ in range(6):
        inside.add(page.js("return document.activeElement.closest('dialog') !== null || document.activeElement === document.body"))
        page.press(Keys.TAB)
    assert inside == {True}, "the question keeps the focus"
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.shown("#confirm"), "Escape is no")
    assert page.focused() == "one-close", "and the focus is where it was"
    page.press(Keys.ENTER)
    tab_to(page, lambda: page.focused() == "confirm-yes")
    page.press(Keys.ENTER)
    page.wait_text("#one-state", "closed: kicked")
    assert members[0].sock.recv(1) == b""

    page.driver.back()
    tab_to(page, lambda: page.focused() == "charts")
    page.press(Keys.END)
    page.wait(lambda: page.text("#charts-spoken"), "the chart is read out")
    page.press("+")
    page.wait(lambda: not page.find("#zoom-reset").get_attribute("disabled"), "zoomed by key")
    disconnect_all(members)


def tab_to(page, arrived, most=80):
    for _ in range(most):
        if arrived():
            return
        page.press(Keys.TAB)
    raise AssertionError(f"Tab does not lead there: {page.focused()}\n{page.state()}")


def tab_through(page, most=80):
    """Yields the elements that Tab stops at, each of which must show that it has the focus."""
    reached = []
    for _ in range(most):
        page.press(Keys.TAB)
        element = page.driver.switch_to.active_element
        if element in reached or element.tag_name == "body":
            break
        ring = page.js("""
            const e = document.activeElement.type === 'radio' ? document.activeElement.nextElementSibling : document.activeElement;
            const style = getComputedStyle(e);
            return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;""")
        assert ring, f"no ring around {element.get_attribute('outerHTML')}"
        reached.append(element)
    return reached


def test_words_for_people(browser, gateway):
    opened(browser, gateway)
    said = browser.js_async("""{
        const f = await import('/dashboard/format.js');
        const {objectFault} = await import('/dashboard/connection.js');
        return [f.number(1234567), f.duration(0.4023), f.duration(9.19), f.duration(59.96), f.duration(250), f.duration(7980),
          f.duration(93600), f.duration(86400), f.milliseconds(22750), f.microseconds(310), f.microseconds(1500), f.bytes(1023),
          f.bytes(12595), f.bytes(5 * 2 ** 30), f.rate(0.5), f.rate(1234.5), f.percent(3813, 4100),
          f.ago('2026-11-22T08:00:09Z', Date.parse('2026-11-22T08:01:19Z')), f.ago(Date.now() + 5000),
          f.when('2026-11-22T08:00:09.123Z', Date.parse('2026-11-22T23:59:59Z')),
          f.when('2026-11-21T08:00:09.123Z', Date.parse('2026-11-22T00:00:01Z')),
          ['{}', ' {"a":1}\\n', '[]', 'null', '"x"', '1', '', '{"a":}', '{} {}'].map((text) => objectFault(text) === '').join()];
    }""")
    assert said == ["1,234,567", "402 ms", "9.1 s", "59.9 s", "4 min 10 s", "2 h 13 min", "1 d 2 h", "1 d", "22.7 s", "310 µs",
                    "1.5 ms", "1,023 B", "12.3 KiB", "5 GiB", "0.5", "1,235", "93 %", "1 min 10 s ago", "just now", "08:00:09", "21 Nov 08:00",
                    "true,true,false,false,false,false,false,false,false"]


@pytest.mark.parametrize("width", [390, 768, 1024])
def test_narrow_screens_scroll_one_way_only(browser, gateway, width):
    members = connect_all(gateway, 16, first_item=True)
    opened(browser, gateway, width=width, height=844)
    browser.wait_text("#connections-range", "1 to 15 of 16")
    too_wide = "return document.documentElement.scrollWidth - arguments[0]"
    assert browser.js(too_wide, width) <= 0
    assert browser.js("return innerWidth") == width
    browser.click("#connections-body a")
    browser.wait_text("#one-state", "open")
    assert browser.js(too_wide, width) <= 0
    if width < 600:
        for path in ("", "#/connections"):
            opened(browser, gateway, path, width=width, height=844)
            small = browser.js("""
                return [...document.querySelectorAll('button, input:not([type=radio]), select, .choice span')]
                  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML);""")
            assert not small, f"too small for a finger (WCAG 2.5.8): {small}"
    disconnect_all(members)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_are_distinguishable(browser, gateway, scheme):
    opened(browser, gateway, scheme=scheme)
    status = gateway.status()
    known = browser.js_async("{ const m = await import('/dashboard/reasons.js');"
                             " return [m.kinds, Object.fromEntries(m.reasons.map((r) => [r, m.kindOf(r)]))]; }")
    kinds, kind_of = known
    assert set(status["closed"]) <= set(kind_of), "the page knows every reason of the gateway"
    panel = variable(browser, "--panel")
    dark = contrast(panel, "#ffffff") > contrast(panel, "#000000")
    assert dark == (scheme == "dark")
    assert browser.find(".panel").value_of_css_property("background-color") == "rgba(%d, %d, %d, 1)" % tuple(
        int(panel[i:i + 2], 16) for i in (1, 3, 5)), "the scheme is used"
    for name in ("--text", "--muted", "--accent", "--good", "--bad", *(f"--kind-{kind}" for kind in kinds)):
        for ground in ("--panel", "--raised"):
            assert contrast(variable(browser, name), variable(browser, ground)) >= 4.5, f"WCAG 1.4.3: {name} on {ground}"
    for name in ("--text", "--muted", "--bad", "--kind-network", "--kind-peer"):
        assert contrast(variable(browser, name), variable(browser, "--bad-ground")) >= 4.5, f"{name} in an alarm"
    assert contrast(variable(browser, "--control"), panel) >= 3, "WCAG 1.4.11: edges of fields"
    uncolored = [reason for reason in status["closed"] if not variable(browser, f"--reason-{reason}")]
    assert not uncolored, f"reason_colors.css has no --reason- of {uncolored}"
    for reason in status["closed"]:
        assert contrast(variable(browser, f"--reason-{reason}"), panel) >= 3, f"WCAG 1.4.11: {reason}"
    colors = {kind: variable(browser, f"--kind-{kind}") for kind in kinds}
    for one in kinds:
        for other in kinds:
            assert one == other or difference(colors[one], colors[other]) > 0.07, f"{one} looks like {other}"


def test_nothing_jumps(page, gateway):
    """Cumulative layout shift from the first paint on, while devices connect and close; the whole page is visible."""
    opened(page, gateway, height=2200)
    page.js("window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shift += e.value; })"
            ".observe({type: 'layout-shift', buffered: true})")
    members = connect_all(gateway, 20, first_item=True)
    page.wait_text("#connections-range", "1 to 15 of 20")
    reset(members[:10])
    page.wait_text("#connections-range", "1 to 10 of 10")
    page.wait(lambda: len(page.texts("#ended-body tr")) == 10, "ten that ended")
    assert page.js("return innerHeight") == 2200
    assert page.js("return window.shift") < 0.01
    disconnect_all(members[10:])


class Fleet:
    """`holdfast load` on the device side of a lab: devices of a prefix that send items, until the block ends."""

    def __init__(self, lab, gateway, prefix, count, *flags):
        words = ["load", "--to", "%s:%d" % gateway.address, "--connections", str(count), "--source", prefix, "--duration", "300s",
                 "--items-per-second", str(count // 6), "--seed", "1", *flags]
        self._process = subprocess.Popen(lab.device.command(binary(), *words), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def test_a_partition_explains_itself(lab):
    """A whole prefix goes silent, and the alarm's text names the prefix. The probe of a device without network reports
    silence. HOLDFAST_SCREENSHOTS=docs writes the pictures for the docs."""
    config = listener(address=f"{GATEWAY4}:0", detect_within="20s") + "[alarm]\ndrop_least = 20\n"
    quiet, lost = ("10.128.0.0/16", "10.130.4.0/22", "10.131.7.0/24"), "10.129.0.0/16"
    with contextlib.ExitStack() as scene:
        gateway = scene.enter_context(Gateway(config=config, namespace=lab.gateway))
        scene.enter_context(lab.gateway.entered())
        page = scene.enter_context(Browser())
        opened(page, gateway)
        for prefix in quiet:
            scene.enter_context(Fleet(lab, gateway, prefix, 300, "--reset", "0.02", "--reconnect", "--fault-within", "75s"))
        scene.enter_context(Fleet(lab, gateway, lost, 300))
        page.wait(lambda: number(page.text("#tile-connections")) >= 1195, "all fleets are here")
        page.wait_text("#alarms-active .quiet", "No alarm is active.")
        single, = connect_all(gateway, 1, lab=lab, sources=["10.140.0.7"])
        page.wait(lambda: number(page.text("#tile-ended-note").split()[0]) >= 3, "ordinary ends")

        open_one(page, single)
        lab.silence(single.sock.getsockname())
        page.wait(lambda: gateway.ask("GET", f"/v1/connections/{single.record.conn}")["evidence"]["last_heard_ms"] > 1100,
                  "it has been silent for a second")
        page.click("#one-probe")
        page.wait_text("#one-outcome", "Silent: no answer…")
        page.click(".back a")

        settle(page, gateway, 80)
        lab.silence(hosts=[lost])
        page.wait(lambda: page.text("#alarms-active .kind") == "peers silent", "the alarm of the silence")
        # The first sentence may name a part of the prefix: the sweep finds its suspects over a second.
        page.wait(lambda: lost in page.text("#alarms-active .summary"), "the whole prefix is named")
        page.wait(lambda: number(page.text("#tile-connections")) < 910, "the lost are cleaned up")
        page.wait(lambda: [alarm["alarm"] for alarm in gateway.ask("GET", "/v1/alarms")["active"]] == ["population_drop"],
                  "the alarm of the drop stands alone")
        page.wait(lambda: alarm_card(page) == told_alarm(gateway), "the page says what the gateway says")
        card = alarm_card(page)
        assert lost in card["text"] and card["prefixes"][0] == lost, card
        assert page.text("#alarm-count") == "1" and page.driver.title.startswith("(1!)")
        assert "population drop" in page.text("#announce"), "it is read out"
        page.wait(lambda: number(page.text('#legend [data-kind="network"] strong')) >= 290, "the chart has the dead")
        keep_pictures(page, gateway)

        page.click("#alarms-active .prefixes a")
        page.wait(lambda: page.find("#ended-peer").get_attribute("value") == lost, "the closed connections of the prefix")
        page.wait(lambda: set(page.texts("#ended-body .reason")) == {"keepalive_expired"}, "the link leads to rows")
        assert len(page.texts("#ended-body tr")) == 10
        lab.restore()


def number(text):
    return int(text.replace(",", "")) if text and text[0].isdigit() else -1


def alarm_card(page):
    return {"text": page.text("#alarms-active .summary"), "cause": page.text("#alarms-active .cause"),
            "advice": page.text("#alarms-active .advice"), "prefixes": page.texts("#alarms-active .prefixes td:first-child"),
            "reasons": page.texts("#alarms-active .shares .reason")}


def told_alarm(gateway):
    alarm, = gateway.ask("GET", "/v1/alarms")["active"]
    prefixes = [one["prefix"] for one in alarm["prefixes"]] + ["elsewhere"] * (alarm["elsewhere"] > 0)
    return {"text": alarm["summary"], "cause": "Likely cause: " + alarm["cause"], "advice": "What to do: " + alarm["advice"],
            "prefixes": prefixes, "reasons": [*alarm["reasons"]]}


def settle(page, gateway, uptime):
    """Creates some ordinary traffic for a picture."""
    if PICTURES:
        page.wait(lambda: gateway.status()["uptime_s"] > uptime, "ordinary life", uptime + PATIENCE)


def keep_pictures(page, gateway):
    if not PICTURES:
        return
    settle(page, gateway, gateway.status()["uptime_s"] + 12)
    for name, width, height, scheme in (("dashboard", 1440, 1180, "light"), ("dashboard-phone", 390, 1500, "dark")):
        opened(page, gateway, width=width, height=height, scheme=scheme)
        page.wait(lambda: page.text("#alarms-active .kind") and "/s" in page.text("#tile-items"), "the alarm, and a sample")
        page.wait(lambda: len(page.texts("#connections-body tr")) == 15 and len(page.texts("#ended-body tr")) == 10, "tables")
        page.wait(lambda: ink(page, "#chart-ended", variable(page, "--reason-keepalive_expired")) > 20, "the charts")
        path = ROOT / PICTURES / f"{name}.png"
        page.screenshot(path)
        assert path.stat().st_size < 200_000, f"{path} is too large for a repository"
