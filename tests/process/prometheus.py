"""A Prometheus of the test's own, on loopback with its own directory, and queries to it."""

import json
import pathlib
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from conftest import ROOT
from gateway import until
from ports import free_address

DEPLOY = ROOT / "deploy"
# Selector of one of the gateway's metrics; `up` is Prometheus's own.
SELECTOR = re.compile(r"\b((?:holdfast|process)_\w+|up\b)(\{[^}]*\})?")


class Prometheus:
    """Runs `prometheus` with deploy/prometheus/scrape.yml, with another target and interval; ended by its pid."""

    def __init__(self, target):
        self._directory = tempfile.TemporaryDirectory(prefix="holdfast-prometheus-")
        directory = pathlib.Path(self._directory.name)
        text = (DEPLOY / "prometheus" / "scrape.yml").read_text()
        assert '"127.0.0.1:7080"' in text and "15s" in text
        text = text.replace("127.0.0.1:7080", f"{target[0]}:{target[1]}").replace("15s", "1s")
        (directory / "scrape.yml").write_text(text)
        (directory / "holdfast.rules.yml").write_text((DEPLOY / "prometheus" / "holdfast.rules.yml").read_text())
        self.address = free_address()
        self._log = open(directory / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/scrape.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address={self.address}", "--log.level=warn"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def __enter__(self):
        if not until(self._answers):
            text = self.log()
            self.__exit__()
            raise AssertionError(f"prometheus did not come up:\n{text}")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self._log.close()
        self._directory.cleanup()

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def _answers(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
                return True
        except OSError:
            assert self.process.poll() is None, f"prometheus ended:\n{self.log()}"
            return False

    def why_nothing(self):
        """Returns what Prometheus reports about its last scrape, and its log."""
        return f"{self.ask('targets')['activeTargets']}\n{self.log()}"

    def ask(self, path, **query):
        """Returns the answer's data; an error of the query is an AssertionError with Prometheus's own words."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {json.load(error)}") from None
        assert body["status"] == "success", body
        return body["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def series(self, selector):
        return self.ask("series", **{"match[]": selector})


def selectors(expression):
    """Returns each metric of an expression with its matchers, as Prometheus would select it; of alternatives (=~"a|b")
    each alone."""
    found = []
    for name, matchers in SELECTOR.findall(expression):
        alternatives = [(label, words.split("|")) for label, words in re.findall(r'(\w+)=~"([^"]*\|[^"]*)"', matchers)]
        found.append(name + matchers)
        for label, words in alternatives:
            found += [name + re.sub(rf'\b{label}=~"[^"]*"', f'{label}="{word}"', matchers) for word in words]
    return found


def grouping_labels(expression):
    """Returns the labels of `by (...)`, without the `le` of histograms."""
    names = {name.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", expression) for name in group.split(",")}
    return names - {"le"}


def legend_labels(legend):
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))
