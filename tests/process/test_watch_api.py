"""The admin API's view of the whole population: the live feed, trend, alarms, reconciliation, metrics, and access.
Against the real daemon."""

import contextlib
import http.client
import json
import os
import time

import pytest

from gateway import PATIENCE, Gateway, listener, run, until
from lab import device
from sse import Follower

FOLLOWERS = 100
MOST_WORKERS = 8


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as made:
        yield made


@pytest.fixture
def devices(gateway):
    """Connects so many devices, closes them at the end and waits for their `closed`."""
    records = []
    with contextlib.ExitStack() as stack:
        def connect(count):
            made = [stack.enter_context(device.connect(gateway.address)) for _ in range(count)]
            records.extend(gateway.connected(device.name_of(sock)) for sock in made)
            return made

        yield connect
    for record in records:
        gateway.closed(record)


def headers_of(gateway, path, **headers):
    connection = http.client.HTTPConnection(*gateway.admin, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


# --- the live feed


@pytest.mark.asan
@pytest.mark.tsan
def test_the_feed_has_exactly_the_sinks_lines(tmp_path):
    path = tmp_path / "events.ndjson"
    config = listener() + f'[sink]\ntype = "file"\npath = {json.dumps(str(path))}\n[admin]\naddress = "127.0.0.1:0"\n'
    with Gateway(config=config) as gateway, Follower(gateway, "connected,item,closed") as follower:
        for number in range(5):
            with device.connect(gateway.address) as sock:
                sock.sendall(device.item(f"10.0.0.{number}", text="ä\"\\"))
        assert follower.wait(lambda: len(follower.messages) >= 15), follower.messages
        lines = until(lambda: (read := path.read_bytes().splitlines()) and len(read) >= 15 and read)
        assert sorted(line for _, line in follower.messages) == sorted(lines)
        assert all(json.loads(line)["event"] == kind for kind, line in follower.messages)


def test_samples_follow_the_population(gateway, devices):
    with Follower(gateway, "sample") as follower:
        before = gateway.status()["connections"]
        made = devices(7)
        assert follower.wait(lambda: any(one["connections"] == before + 7 for one in follower.of("sample")))
        sample = follower.of("sample")[-1]
        assert sample["listeners"] == {"devices": before + 7}
        assert sample["alarms_active"] == 0 and not sample["reading_paused"] and not sample["accept_paused"]
        made[0].sendall(device.item("10.0.0.1") + b"no item\n")
        assert follower.wait(lambda: sum(one["items"] for one in follower.of("sample")) == 1)
        assert follower.wait(lambda: sum(one["bad_items"] for one in follower.of("sample")) == 1)
        device.reset(made[1])
        assert follower.wait(lambda: any(one["closed"] == {"peer_reset": 1} for one in follower.of("sample")))
        assert follower.wait(lambda: follower.of("sample")[-1]["connections"] == before + 6)
        # One a second, with some room for a busy machine.
        count, since = len(follower.messages), time.monotonic()
        assert follower.wait(lambda: len(follower.messages) >= count + 3)
        assert time.monotonic() - since < 12.0


def test_a_flood_is_skipped_and_counted(gateway, devices):
    count = 3000
    with Follower(gateway, "item") as follower:
        sock, = devices(1)
        sock.sendall(b"".join(device.item("10.0.0.1", n=n) for n in range(count)))

        def told():
            return len(follower.of("item")) + sum(one["skipped"] for one in follower.of("skipped"))

        assert follower.wait(lambda: told() == count), told()
        assert follower.of("skipped") and 200 <= len(follower.of("item")) < count
        assert [one["n"] for one in follower.of("item")[:200]] == list(range(1, 201))


def test_followers_cost_no_thread():
    with Gateway() as gateway:
        _many_followers(gateway)


def threads_of(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/task"))


def _many_followers(gateway):
    with contextlib.ExitStack() as stack:
        before = threads_of(gateway)
        followers = [stack.enter_context(Follower(gateway)) for _ in range(FOLLOWERS)]
        assert threads_of(gateway) <= before + MOST_WORKERS
        for _ in range(20):
            assert gateway.ask("GET", "/healthz") == {"status": "ok"}
        for follower in followers:
            assert follower.wait(lambda one=follower: one.of("sample"))
    # The gateway notices that they have left.
    with until(lambda: _follow(gateway)) as follower:
        assert follower.wait(lambda: follower.of("sample"))


def _follow(gateway):
    try:
        return Follower(gateway)
    except AssertionError:
        return None


@pytest.mark.asan
@pytest.mark.tsan
def test_a_stop_ends_the_feeds():
    with Gateway() as gateway, Follower(gateway) as one, Follower(gateway, "item") as other:
        took = gateway.stop()
        assert one.wait(lambda: one.ended) and other.wait(lambda: other.ended)
        assert took < 10.0


# --- knowledge of the population


def test_the_trend_counts_events(gateway, devices):
    before = gateway.ask("GET", "/v1/trend?window=1h&step=10s")
    assert before["window_s"] == 3600 and before["step_s"] == 10
    made = devices(9)
    device.reset(made[0])

    def latest():
        trend = gateway.ask("GET", "/v1/trend?window=1m&step=1s&listener=devices")
        point = trend["points"][-1]
        return trend if point["connections"] == gateway.status()["connections"] and sum(
            one["closed"].get("peer_reset", 0) for one in trend["points"]) >= 1 else None

    trend = until(latest)
    assert trend, "the trend does not show what the status says"
    assert sum(one["accepted"] for one in trend["points"]) >= 9
    for point in trend["points"]:
        assert set(point) == {"at", "connections", "fewest", "most", "accepted", "refused", "closed", "items",
                              "bad_items"}
        assert point["fewest"] <= point["connections"] <= point["most"]
    assert [one["at"] for one in trend["points"]] == sorted(one["at"] for one in trend["points"])
    assert gateway.request("GET", "/v1/trend?listener=nobody")[0] == 404
    assert gateway.request("GET", "/v1/trend?window=100d")[0] == 400


def test_no_alarm_on_a_quiet_gateway(gateway):
    assert gateway.ask("GET", "/v1/alarms") == {"total": 0, "active": [], "recent": []}
    shown = run("alarms", "--admin", gateway.admin_flag())
    assert (shown.returncode, shown.stdout) == (0, "no alarm is active\n")
    status = gateway.status()
    assert status["alarms_active"] == 0


def test_registry_and_kernel_compared_on_demand(gateway, devices):
    devices(5)
    compared = gateway.ask("POST", "/v1/reconciliation")
    assert compared["error"] is None and compared["drift"] == 0 and compared["examples"] == []
    assert compared["registry"] == compared["kernel"] == gateway.status()["connections"] >= 5
    assert set(compared) == {"at", "took_ms", "registry", "kernel", "drift", "ghosts", "orphans", "stuck_close_wait",
                             "examples", "error"}
    assert gateway.ask("GET", "/v1/reconciliation")["at"] >= compared["at"]
    assert gateway.status()["registry_drift"] == 0
    shown = run("status", "--admin", gateway.admin_flag())
    assert "alarms         0 active, registry drift 0\n" in shown.stdout


def test_metrics_of_the_watch_and_of_the_process(gateway, devices):
    gateway.ask("POST", "/v1/reconciliation")
    devices(3)

    def metrics():
        lines = gateway.ask("GET", "/metrics").splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    values = metrics()
    for kind in ("population_drop", "reconnect_storm", "bad_items", "accept_paused", "sink_lag",
                 "keepalive_ineffective", "registry_drift", "buffer_pressure", "peers_silent", "link_down",
                 "duplicate_device", "session_budget", "stream_loss", "twin_gateway", "dead_letter",
                 "fleet_cut_off", "fleet_gateway_lost", "presence_budget", "spool_unreadable", "spool_damaged",
                 "idle_timeout", "worker_restarted"):
        assert values[f'holdfast_alarm_active{{alarm="{kind}"}}'] == "0"
    assert values["holdfast_registry_drift"] == "0"
    assert {"holdfast_suspicions_total", 'holdfast_suspicion_probes_total{outcome="alive"}',
            'holdfast_suspicion_probes_total{outcome="silent"}'} <= set(values)
    assert values["holdfast_reading_paused"] == values["holdfast_sink_failed"] == "0"
    assert values['holdfast_accept_paused{listener="devices"}'] == "0"
    # The request's own connection is one descriptor more than an outside view, or has just closed.
    assert abs(float(values["process_open_fds"]) - gateway.descriptors()) <= 2
    assert abs(float(values["process_start_time_seconds"]) - os.stat(f"/proc/{gateway.process.pid}").st_ctime) < 60
    assert abs(float(values["process_resident_memory_bytes"]) / 1024 - gateway.resident_kib()) < 20 * 1024
    assert abs(float(values["process_cpu_seconds_total"]) - gateway.cpu_seconds()) < 1.0


# --- access, and the pages


def test_a_page_of_another_site_cannot_steer_the_gateway(gateway, devices):
    sock, = devices(1)
    conn = gateway.connected(device.name_of(sock)).conn
    own = gateway.admin_flag()

    def ask(method, path, **headers):
        connection = http.client.HTTPConnection(*gateway.admin, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            return connection.getresponse().status

    evil = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
            {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
            {"Host": "evil.example"}]
    for headers in evil:
        assert ask("DELETE", f"/v1/connections/{conn}", **headers) == 403, headers
        assert ask("POST", f"/v1/connections/{conn}/probe", **headers) == 403, headers
        assert ask("POST", "/v1/reload", **headers) == 403, headers
        assert ask("POST", "/v1/reconciliation", **headers) == 403, headers
    assert not gateway.connected(device.name_of(sock)).closed
    same = {"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}
    assert ask("POST", f"/v1/connections/{conn}/probe", **same) == 200
    assert ask("DELETE", f"/v1/connections/{conn}") == 200  # as curl does


def test_the_pages_are_guarded_and_kept_by_their_tag(gateway):
    status, headers, body = headers_of(gateway, "/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in headers["content-security-policy"] and "unsafe" not in headers[
        "content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-cache"
    assert headers_of(gateway, "/", **{"If-None-Match": headers["etag"]})[0::2] == (304, b"")
    assert headers_of(gateway, "/", **{"If-None-Match": '"other"'})[2] == body
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert headers_of(gateway, "/", **link)[0] == 200  # a user follows a link
    assert "GET    /v1/events" in gateway.ask("GET", "/v1")


# --- an alarm, on every way that reports it


def test_a_drop_is_reported_everywhere():
    with Gateway() as gateway, Follower(gateway, "alarm,sample") as follower, contextlib.ExitStack() as stack:
        made = [stack.enter_context(device.connect(gateway.address)) for _ in range(120)]
        assert follower.wait(lambda: sum(one["connections"] == 120 for one in follower.of("sample")) >= 3)
        for sock in made[:60]:
            device.reset(sock)
        alarm = follower.wait(lambda: _drop(follower.of("alarm")))
        assert alarm and alarm["cleared_at"] is None, gateway.tail()
        # Evaluated once a second: it may be raised from the 20th end on, and reports more later.
        assert 20 <= alarm["count"] <= 60 and alarm["reasons"] == {"peer_reset": alarm["count"]}
        assert alarm["population_before"] == 120 and 60 <= alarm["population_now"] < 120
        assert alarm["summary"] and alarm["cause"] and alarm["advice"]
        # Such short lives may count as a reconnect storm, too.
        # Growth by less than three is reported a minute later.
        active = until(lambda: (now := gateway.ask("GET", "/v1/alarms")["active"]) and _drop(now)["count"] >= 58 and now)
        assert active and _drop(active)["id"] == alarm["id"] and _drop(active)["raised_at"] == alarm["raised_at"]
        assert follower.wait(lambda: follower.of("sample")[-1]["alarms_active"] >= 1)
        assert gateway.status()["alarms_active"] >= 1
        assert 'holdfast_alarm_active{alarm="population_drop"} 1\n' in gateway.ask("GET", "/metrics")
        shown = run("alarms", "--admin", gateway.admin_flag())
        assert shown.returncode == 1 and "population_drop" in shown.stdout
        assert all(_drop(active)[field] in shown.stdout for field in ("raised_at", "summary", "cause", "advice"))
        frame = run("top", "--once", "--admin", gateway.admin_flag()).stdout
        assert "! population_drop" in frame


def _drop(alarms):
    return next((one for one in alarms if one["alarm"] == "population_drop"), None)
