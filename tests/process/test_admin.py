"""The admin API and the verbs that use it, against the real daemon."""

import json
import re
import socket
import subprocess

import pytest

from gateway import PATIENCE, Gateway, binary, run, until

ITEM = b'{"ip":"10.20.30.40","status":"online"}\n'


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as made:
        yield made


@pytest.fixture
def device(gateway):
    """Returns a device that has sent one item, and its connection's id."""
    with socket.create_connection(gateway.address, timeout=30) as sock:
        sock.sendall(ITEM)
        record = gateway.connected("%s:%d" % sock.getsockname())
        assert gateway.events.wait(lambda: record.items, PATIENCE), gateway.tail()
        yield sock, record.conn


def holdfast(gateway, *words, stdin=None):
    command = [binary(), *words, "--admin", gateway.admin_flag()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, input=stdin or "")


def expect_error(answer, status, code):
    assert answer[0] == status, answer
    assert set(answer[1]) == {"error"} and set(answer[1]["error"]) == {"code", "message"}, answer
    assert answer[1]["error"]["code"] == code and answer[1]["error"]["message"], answer


def raw(gateway, request):
    """Returns the whole answer of the admin address to these bytes."""
    with socket.create_connection(gateway.admin, timeout=30) as sock:
        sock.sendall(request)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        return answer


def test_health_and_readiness(gateway):
    assert gateway.ask("GET", "/healthz") == {"status": "ok"}
    assert gateway.ask("GET", "/readyz") == {"status": "ready"}


def test_status_has_the_documented_fields(gateway, device):
    status = gateway.status()
    assert status["connections"] >= 1 and status["accepted"] >= 1 and status["items"] >= 1
    assert status["refused"] == dict.fromkeys(("max_connections", "max_connections_per_peer", "max_connections_per_prefix",
                                              "buffer_budget", "untrusted_proxy", "max_handshakes", "handshake_wait",
                                              "descriptors"), 0)
    assert {"peer_closed", "keepalive_expired", "internal_error"} <= set(status["closed"])
    assert set(status["bad_items"]) == {"not_json", "not_object", "no_key", "bad_utf8", "too_deep", "too_large",
                                        "bad_hello", "bad_seq", "malformed"}
    assert status["detect_within"] == "30s" and status["detect_within_ms"] == 30000
    assert status["plan"]["idle_s"] > 0 and status["plan"]["count"] >= 5
    assert max(status["plan"]["worst_case_ms"].values()) <= 30000
    assert status["pid"] == gateway.process.pid and status["uptime_s"] >= 0
    assert status["sink"]["type"] == "stdout" and status["sink"]["error"] is None
    assert [one["name"] for one in status["listeners"]] == ["devices"]
    assert status["listeners"][0]["address"] == "%s:%d" % gateway.address
    assert not status["draining"] and not status["reading_paused"]


def test_the_plan_equals_the_kernels_options(gateway, device):
    plan, ends = gateway.status()["plan"], (gateway.address[1], device[0].getsockname()[1])
    sockets = subprocess.run(["ss", "-tnoH", "state", "established", "sport = :%d and dport = :%d" % ends],
                             capture_output=True, text=True, check=True).stdout
    left = re.search(r"timer:\(keepalive,(?:(\d+)min)?(?:([\d.]+)(ms|sec))?,0\)", sockets)
    assert left, f"no keep-alive timer: {sockets}"
    assert plan["idle_s"] < 60 and not left[1]
    seconds = float(left[2]) / (1000 if left[3] == "ms" else 1)
    assert seconds <= plan["idle_s"], (sockets, plan)


def test_list_filters_sorts_and_pages(gateway, device):
    _, conn = device
    rows = gateway.ask("GET", "/v1/connections?peer=127.0.0.0/8&key=10.20.30.40&listener=devices")["connections"]
    row, = [one for one in rows if one["conn"] == conn]
    assert row["key"] == "10.20.30.40" and row["items"] == 1 and row["bytes_in"] == len(ITEM), row
    assert gateway.ask("GET", "/v1/connections?peer=10.99.0.0/16") == {"total": 0, "connections": []}
    assert gateway.ask("GET", "/v1/connections?key=nobody")["total"] == 0
    assert gateway.ask("GET", "/v1/connections?limit=0")["connections"] == []
    assert until(lambda: gateway.ask("GET", f"/v1/connections/{conn}")["age_s"] >= 0.3), "ages are told in tenths"
    with socket.create_connection(gateway.address, timeout=30) as younger:
        record = gateway.connected("%s:%d" % younger.getsockname())
        for query, order in (("sort=age", [conn, record.conn]), ("sort=age&order=asc", [record.conn, conn]),
                             ("sort=items", [conn, record.conn])):
            listed = [one["conn"] for one in gateway.ask("GET", f"/v1/connections?{query}")["connections"]]
            assert [one for one in listed if one in order] == order, query


def test_show(gateway, device):
    _, conn = device
    shown = gateway.ask("GET", f"/v1/connections/{conn}")
    assert shown["conn"] == conn and shown["evidence"]["peer_window"] > 0 and shown["plan"]["idle_s"] > 0, shown


@pytest.mark.parametrize("conn", ["nope", "0-1", "ffffffff-ffffffffffffffff", "%00", "%ff", "f" * 4000, "7f2c91a0-"])
def test_an_unknown_connection_is_404(gateway, conn):
    expect_error(gateway.request("GET", f"/v1/connections/{conn}"), 404, "not_found")
    expect_error(gateway.request("DELETE", f"/v1/connections/{conn}"), 404, "not_found")
    expect_error(gateway.request("POST", f"/v1/connections/{conn}/probe"), 404, "not_found")
    expect_error(gateway.request("POST", f"/v1/connections/{conn}/messages", {}), 404, "not_found")


def test_bad_questions(gateway):
    for path in ("/v1/connections?limit=-1", "/v1/connections?sort=x", "/v1/connections?nonsense=1",
                 "/v1/closed?reason=x", "/v1/connections?peer=10.0.0.1/8", "/v1/closed?limit=99999999999999999999",
                 "/v1/status?x=1"):
        expect_error(gateway.request("GET", path), 400, "bad_query")
    expect_error(gateway.request("GET", "/v1/connections?key=%zz"), 400, "bad_request")
    expect_error(gateway.request("GET", "/nowhere"), 404, "not_found")
    expect_error(gateway.request("PUT", "/v1/status"), 405, "method_not_allowed")
    expect_error(gateway.request("POST", "/v1/probe"), 400, "bad_query")
    expect_error(gateway.request("DELETE", "/v1/connections"), 400, "bad_query")


def test_messages_reach_the_device_as_one_item(gateway, device):
    sock, conn = device
    path = f"/v1/connections/{conn}/messages"
    assert gateway.ask("POST", path, 202, b'{ "cmd" :\n "reboot", "n": 1.50 }') == {"conn": conn, "queued": True}
    assert sock.makefile("rb").readline() == b'{"cmd":"reboot","n":1.50}\n'
    expect_error(gateway.request("POST", path, b"nope"), 400, "not_json")
    expect_error(gateway.request("POST", path, b'{"a":"\xff"}'), 400, "not_json")
    expect_error(gateway.request("POST", path, b"[1]"), 400, "not_object")
    expect_error(gateway.request("POST", path, b'{"a":"' + b"x" * 65536 + b'"}'), 413, "too_large")
    expect_error(gateway.request("POST", path, b" " * (10 << 20)), 413, "too_large")


def test_a_device_that_does_not_read_fills_its_queue(gateway, device):
    _, conn = device
    message = b'{"a":"' + b"x" * 60000 + b'"}'
    statuses = [gateway.request("POST", f"/v1/connections/{conn}/messages", message)[0] for _ in range(400)]
    assert statuses[0] == 202 and statuses[-1] == 429 and set(statuses) == {202, 429}, set(statuses)


def test_a_closed_connection_is_in_the_history(gateway, device):
    sock, conn = device
    assert gateway.ask("DELETE", f"/v1/connections/{conn}") == {"conn": conn, "closed": True}
    assert sock.recv(1) == b""
    life = gateway.ask("GET", "/v1/closed?reason=kicked&peer=127.0.0.1&limit=1")["closed"][0]
    assert life["conn"] == conn and life["kind"] == "policy" and life["items"] == 1 and "evidence" in life, life
    expect_error(gateway.request("GET", f"/v1/connections/{conn}"), 404, "not_found")


def test_malformed_requests(gateway):
    post = b"POST /v1/probe?all=true HTTP/1.1\r\nHost: localhost\r\n"
    assert raw(gateway, post + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert raw(gateway, post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").startswith(b"HTTP/1.1 411 ")
    assert raw(gateway, b"\x16\x03\x01 nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert raw(gateway, b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert raw(gateway, good).startswith(b"HTTP/1.1 200 ")


def test_slow_clients_do_not_starve_a_health_check(gateway):
    slow = [socket.create_connection(gateway.admin, timeout=30) for _ in range(40)]
    for sock in slow:
        sock.sendall(b"GET /heal")
    assert gateway.ask("GET", "/healthz", timeout=20) == {"status": "ok"}
    for sock in slow:
        sock.close()


LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"((?:holdfast|process)_[a-z0-9_]+)(\{%s(?:,%s)*\})? (\S+)" % (LABEL, LABEL))
METRICS = {"connections": "gauge", "connections_accepted_total": "counter", "connections_kept_total": "counter",
           "connections_resynchronized_total": "counter", "connections_lost_output_total": "counter", "connections_refused_total": "counter",
           "connections_opening": "gauge", "health_checks_total": "counter", "health_checks_open": "gauge",
           "tls_handshakes": "gauge", "tls_handshakes_total": "counter", "tls_handshake_seconds": "histogram",
           "tls_certificate_expiry_timestamp_seconds": "gauge",
           "connections_closed_total": "counter", "connection_duration_seconds": "histogram",
           "detection_seconds": "histogram", "found_late_total": "counter", "items_total": "counter", "bad_items_total": "counter", "unfinished_items_total": "counter", "unencodable_messages_total": "counter", "left_over_bytes_total": "counter",
           "identified_connections": "gauge", "acks_total": "counter", "repeated_items_total": "counter", "gaps_total": "counter",
           "stale_claims_total": "counter", "delayed_claims_total": "counter", "accept_waiting": "gauge",
           "received_bytes_total": "counter", "sent_bytes_total": "counter", "probes_total": "counter",
           "sink_events_total": "counter", "sink_lag_events": "gauge", "sink_failed": "gauge",
           "reading_paused": "gauge", "accept_paused": "gauge", "accept_delays_total": "counter",
           "buffer_bytes": "gauge", "buffer_budget_bytes": "gauge", "buffer_stage": "gauge", "memory_exhausted_total": "counter", "alarm_active": "gauge", "registry_drift": "gauge",
           "suspect_connections": "gauge", "suspects_recovered_total": "counter",
           "reactor_turn_longest_seconds": "gauge", "reactor_long_turns_total": "counter",
           "suspicions_total": "counter", "asked_ahead_total": "counter", "suspicion_probes_total": "counter",
           "admin_requests_total": "counter", "reloads_total": "counter", "config_last_reload_successful": "gauge", "build_info": "gauge"}
PROCESS_METRICS = {"start_time_seconds": "gauge", "cpu_seconds_total": "counter", "open_fds": "gauge",
                   "max_fds": "gauge", "resident_memory_bytes": "gauge"}


def test_metrics_are_those_of_the_contract(gateway, device):
    gateway.wait_status(lambda status: status["connections"] == 1)  # the former tests' devices are gone
    types, samples = {}, {}
    lines = gateway.ask("GET", "/metrics").splitlines()
    for line in lines:
        if line.startswith("# HELP "):
            assert len(line.split(" ", 3)) == 4, line
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert f"# HELP {name} " in "\n".join(lines) and name not in types
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match[1] + (match[2] or "") not in samples, line
            samples[match[1] + (match[2] or "")] = float(match[3])
    assert types == {"holdfast_" + name: kind for name, kind in METRICS.items()} | {
        "process_" + name: kind for name, kind in PROCESS_METRICS.items()}
    status = gateway.status()
    assert samples['holdfast_connections{listener="devices"}'] == status["connections"]
    assert samples['holdfast_items_total{listener="devices"}'] == status["items"]
    for reason, count in status["closed"].items():
        assert samples[f'holdfast_connections_closed_total{{listener="devices",reason="{reason}"}}'] == count, reason
    assert samples['holdfast_connection_duration_seconds_bucket{le="+Inf"}'] == sum(status["closed"].values())


def test_verbs_and_their_exit_codes(gateway, device):
    sock, conn = device
    for words, code in ((("status",), 0), (("list", "--peer", "127.0.0.0/8", "--sort", "items", "--reverse"), 0),
                        (("show", conn), 0), (("show", "0-1"), 1), (("closed", "--limit", "5"), 0),
                        (("closed", "--reason", "x"), 2), (("probe", conn), 0),
                        (("probe", "--peer", "10.99.0.0/16"), 1), (("probe",), 2), (("list", "--nonsense"), 2),
                        (("send", conn, "[]"), 2),
                        (("close", "--peer", "10.99.0.0/16"), 1)):
        done = holdfast(gateway, *words)
        assert done.returncode == code, (words, done)
        assert bool(done.stdout) == (code == 0) or words[0] in ("probe", "close"), (words, done)
        assert len(done.stderr.splitlines()) == (1 if code and not done.stdout else 0), (words, done)
    assert json.loads(holdfast(gateway, "show", conn, "--json").stdout)["conn"] == conn
    assert holdfast(gateway, "send", conn, "-", stdin='{"a": 1}\n').returncode == 0
    assert sock.makefile("rb").readline() == b'{"a":1}\n'
    assert holdfast(gateway, "close", conn).stdout == f"closed {conn}\n"
    assert sock.recv(1) == b""


def test_a_hostile_key_does_not_reach_the_terminal(gateway):
    with socket.create_connection(gateway.address, timeout=30) as sock:
        sock.sendall(b'{"ip":"\\u001b]0;owned\\u0007\\u009b31m"}\n')
        record = gateway.connected("%s:%d" % sock.getsockname())
        assert gateway.events.wait(lambda: record.items, PATIENCE), gateway.tail()
        for words in (("list",), ("show", record.conn)):
            text = holdfast(gateway, *words).stdout
            assert "owned" in text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text


def test_without_a_gateway_the_verbs_say_so():
    done = run("status", "--admin", "127.0.0.1:1")
    assert done.returncode == 3 and not done.stdout
    assert done.stderr == ("holdfast: no gateway answers at 127.0.0.1:1: Connection refused; "
                           "start one with `holdfast serve` or name its admin address with --admin\n")


def test_an_admin_address_in_use_is_one_line(gateway):
    done = run("serve", "--listen", "127.0.0.1:0", "--admin", gateway.admin_flag())
    assert done.returncode == 2 and gateway.admin_flag() in done.stderr and "in use" in done.stderr, done
