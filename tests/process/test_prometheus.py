"""The alert rules and the dashboard against a real Prometheus that scrapes a real gateway: every metric, label and label value
that a query names must exist, and every query must be answered."""

import json
import re
import socket
import struct
import subprocess
import tempfile

import pytest

from certificates import own_listener
from gateway import Gateway, listener, until
from nats import NatsServer
from prometheus import DEPLOY, Prometheus, grouping_labels, legend_labels, selectors

RULES = DEPLOY / "prometheus" / "holdfast.rules.yml"
WINDOW = "1m"  # a scrape that a busy machine misses leaves it enough samples
DASHBOARD = json.loads((DEPLOY / "grafana" / "holdfast.json").read_text())


def promtool(*words):
    done = subprocess.run(["promtool", *words], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scraped():
    """A gateway with some life behind it, and a Prometheus that has scraped it before and after. Its events go to NATS by
    a spool, so that it has every metric there is."""
    with tempfile.TemporaryDirectory() as directory, NatsServer() as nats, \
            Gateway("--max-connections", "3", config=f'[sink]\ntype = "nats"\nurl = "{nats.url}"\npath = "{directory}/spool"\n'
                    + listener() + listener("secret", **own_listener())) as gateway, Prometheus(gateway.admin) as prometheus:
        assert until(lambda: prometheus.query('up{job="holdfast"} == 1')), prometheus.log()
        live_a_little(gateway)
        closed = 'sum(holdfast_connections_closed_total{reason="peer_reset"}) > 0'
        # rate() needs two samples, and increase() something between them.
        rate = f'rate(holdfast_connections{{job="holdfast"}}[{WINDOW}])'
        assert until(lambda: prometheus.query(closed) and prometheus.query(rate)), prometheus.why_nothing()
        yield prometheus


def live_a_little(gateway):
    """Items, a bad one, a close, a reset, a refusal, a probe."""
    with socket.create_connection(gateway.address) as device:
        device.sendall(b'{"ip":"10.0.0.1"}\nno item\n')
        assert until(lambda: "holdfast_items_total{listener=\"devices\"} 1\n" in gateway.ask("GET", "/metrics"))
    with socket.create_connection(gateway.address) as device:
        device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert until(lambda: gateway.status()["connections"] == 0)
    crowd = [socket.create_connection(gateway.address) for _ in range(4)]
    gateway.probe_all()
    for device in crowd:
        device.close()
    assert until(lambda: gateway.status()["connections"] == 0)


def rules():
    """Name and expression of each, as promtool has parsed them."""
    return re.findall(r"- alert: (\w+)\n(?:\s+#.*\n)*\s+expr: (?:>-\n((?:\s{10,}.*\n)+)|(.*)\n)", RULES.read_text())


def panel_targets():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel, target


def as_grafana_asks(expression):
    for variable, value in {"$__rate_interval": WINDOW, "$instance": ".*", "$listener": ".*"}.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, f"an unknown variable: {expression}"
    return expression


# promtool

def test_promtool_accepts_the_scrape_configuration_and_the_rules():
    promtool("check", "config", "scrape.yml")
    assert f"{len(rules())} rules found" in promtool("check", "rules", "holdfast.rules.yml")


def test_every_alert_fires_and_stays_quiet_as_it_should():
    promtool("test", "rules", "holdfast.rules.test.yml")
    cases = (DEPLOY / "prometheus" / "holdfast.rules.test.yml").read_text()
    untested = [name for name, *_ in rules() if f'ALERTS{{alertname="{name}",alertstate="firing"' not in cases]
    assert not untested, f"alerts that no case makes fire: {untested}"


def test_every_alert_says_what_happened_what_it_means_and_what_to_do():
    blocks = RULES.read_text().split("- alert: ")[1:]
    assert len(blocks) == len(rules())
    for block in blocks:
        for part in ("summary", "description", "action"):
            assert re.search(rf'^\s+{part}: "\S.{{8,}}"$', block, re.M), f"{block.split()[0]} has no {part}"
        assert re.search(r"severity: (critical|warning)\}", block), block


# Against the gateway

def missing(prometheus, expression):
    return [selector for selector in selectors(expression) if not prometheus.series(selector)]


def test_every_alert_asks_for_what_there_is(scraped):
    faults = []
    for name, folded, plain in rules():
        expression = folded or plain
        assert selectors(expression), f"{name}: no metric is seen in {expression!r}"
        faults += [f"{name}: no such series: {selector}" for selector in missing(scraped, expression)]
        scraped.query(expression)
    assert not faults, "\n".join(faults)


def test_prometheus_evaluates_every_rule(scraped):
    def health():
        groups = scraped.ask("rules")["groups"]
        return {rule["name"]: rule.get("lastError") or rule["health"] for group in groups for rule in group["rules"]}

    assert until(lambda: set(health().values()) == {"ok"}), health()
    assert set(health()) == {name for name, *_ in rules()}


def test_the_dashboard_asks_for_what_there_is(scraped):
    faults = []
    for panel, target in panel_targets():
        expression = as_grafana_asks(target["expr"])
        where = f"{panel['title']}: {expression}"
        faults += [f"{where}: no such series: {selector}" for selector in missing(scraped, expression)]
        result = scraped.query(expression)
        if not result:
            faults.append(f"{where}: an empty answer")
        wanted = grouping_labels(expression) | legend_labels(target.get("legendFormat", ""))
        for series in result:
            if absent := wanted - set(series["metric"]):
                faults.append(f"{where}: no label {sorted(absent)} in {series['metric']}")
                break
    assert not faults, "\n".join(faults)


def test_the_dashboards_variables_have_values(scraped):
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
        values = scraped.ask(f"label/{label}/values", **{"match[]": as_grafana_asks(selector)})
        assert values, f"{variable['name']} has no values"


def test_the_dashboard_shows_every_metric_of_the_gateway(scraped):
    """A metric that no panel shows is one that nobody looks at."""
    asked = " ".join(target["expr"] for _, target in panel_targets())
    names = scraped.ask("label/__name__/values", **{"match[]": '{job="holdfast"}'})
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names if name.startswith(("holdfast_", "process_"))}
    unseen = sorted(name for name in names if name not in asked)
    assert not unseen, f"on no panel: {unseen}"


def test_the_dashboard_is_sound():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    cells = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        area = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not area & cells, f"{panel['title']} lies over another"
        cells |= area
        assert panel["type"] == "row" or (panel["title"] and panel["description"]), panel
