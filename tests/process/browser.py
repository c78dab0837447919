"""Headless Chromium, driven by WebDriver, with queries for tests of a page."""

import base64
import contextlib
import json
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from gateway import PATIENCE

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--no-first-run", "--lang=en-US")


class Browser:
    """Owns one Chromium and its driver; `with` ends both. All waits are for conditions, up to PATIENCE seconds."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        self._profile = tempfile.TemporaryDirectory(prefix="holdfast-chromium-", ignore_cleanup_errors=True)
        for flag in (*FLAGS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self._requested = []
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        self._profile.cleanup()

    # Page and window

    def open(self, url, width=1440, height=900, scheme="light"):
        """Loads `url` afresh, and forgets the earlier log."""
        self.driver.get("about:blank")
        self.forget_logs()
        self.size(width, height)
        self.scheme(scheme)
        self.driver.get(url)

    def size(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def js_async(self, expression):
        """Returns the value of an expression that may await."""
        answer = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {expression})().then((value) => done({{value}}), (error) => done({{error: String(error)}}));")
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css):
        """Returns the element's text, visible or not; None if there is no such element."""
        return self.js("return document.querySelector(arguments[0])?.textContent ?? null", css)

    def texts(self, css):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", css)

    def shown(self, css):
        return self.js("const e = document.querySelector(arguments[0]); return !!e && e.checkVisibility()", css)

    # Waiting

    def wait(self, condition, what, timeout=PATIENCE):
        """Waits until condition() is true; returns its value."""
        end = time.monotonic() + timeout
        while True:
            with contextlib.suppress(NoSuchElementException, StaleElementReferenceException):
                if value := condition():
                    return value
            assert time.monotonic() < end, f"not within {timeout} s: {what}\n{self.state()}"
            time.sleep(0.05)

    def wait_text(self, css, wanted, timeout=PATIENCE):
        """Waits until the element's text is `wanted`, or contains it if it ends in an ellipsis."""
        part = wanted.removesuffix("…")
        return self.wait(lambda: (self.text(css) or "") == wanted or (part != wanted and part in (self.text(css) or "")),
                         f"{css} says {wanted!r}", timeout)

    def state(self):
        """Returns the state of the page for a failure's message."""
        return self.js("return document.title + '\\n' + document.body.innerText").replace("\n\n", "\n")[:3000]

    # Acting

    def click(self, css):
        self.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", css)
        self.find(css).click()

    def fill(self, css, text):
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def mouse(self):
        return ActionChains(self.driver, duration=50)

    def press(self, *keys):
        """Sends keys to the focused element."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        """Returns the id, or else the tag and text, of the focused element."""
        return self.js("const e = document.activeElement; return e.id || `${e.tagName} ${e.textContent}`.trim()")

    # Observations

    def forget_logs(self):
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self._requested.clear()

    def complaints(self):
        """Returns errors and warnings of the console, since the page was opened or since the last call."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING")]

    def requested(self):
        """Returns every address that the page requested since it was opened."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        self._requested += [message["params"]["request"]["url"] for message in messages
                            if message["method"] == "Network.requestWillBeSent"]
        return self._requested

    def screenshot(self, path):
        """Writes a PNG of the window."""
        answer = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(answer["data"]))
