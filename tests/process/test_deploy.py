"""The environment of the daemon in production: the service manager, the unit's restrictions, log rotation."""

import contextlib
import gzip
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from conftest import ROOT
from gateway import Gateway, run, until
from service_manager import ServiceManager
from stopped_thread import stopped

DEPLOY = ROOT / "deploy"


# The service manager

def test_ready_follows_listening_and_stopping_precedes_the_end():
    with ServiceManager() as manager, Gateway(env=manager.env) as gateway:
        ready = manager.wait_for("READY")
        assert gateway.ports and gateway.admin, "READY=1 before the ports were known"
        assert ready.variables == {"READY": "1", "STATUS": "0 connections on 1 listener"}
        with socket.create_connection(gateway.address):
            until(lambda: gateway.status()["connections"])
            gateway.process.send_signal(signal.SIGTERM)
            stopping = manager.wait_for("STOPPING")
            assert int(stopping.variables["EXTEND_TIMEOUT_USEC"]) > 5_000_000, "less than drain_time"
        gateway.wait_exit()
        assert [set(m.variables) for m in manager.messages if "READY" in m.variables] == [{"READY", "STATUS"}]


def test_a_gateway_that_cannot_start_is_never_ready():
    with ServiceManager() as manager:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = run("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--admin", "off", env={**os.environ, **manager.env})
        assert done.returncode == 2 and "READY" not in str(manager.messages)


def test_a_reload_is_notified_and_ends_ready():
    with ServiceManager() as manager, Gateway(env=manager.env) as gateway:
        manager.wait_for("READY")
        before = time.monotonic()
        gateway.process.send_signal(signal.SIGHUP)
        reloading = manager.wait_for("RELOADING")
        assert before - 1 < int(reloading.variables["MONOTONIC_USEC"]) / 1e6 <= time.monotonic()
        manager.wait_for("READY", since=reloading.at)


def test_the_status_counts_connections():
    with ServiceManager() as manager, Gateway(env=manager.env) as gateway:
        manager.wait_for("READY")
        with socket.create_connection(gateway.address), socket.create_connection(gateway.address):
            until(lambda: any(m.variables["STATUS"].startswith("2 connections on") for m in manager.all_of("STATUS")))
            assert manager.messages[-1].variables == {"STATUS": "2 connections on 1 listener"}


def test_pings_continue_as_long_as_every_reactor_turns():
    """WATCHDOG_USEC 6 s: a ping every three seconds. One reactor of two is stopped; the gateway itself still answers."""
    with ServiceManager(watchdog_s=6) as manager, Gateway("--reactors", "2", env=manager.env) as gateway:
        assert until(lambda: len(manager.all_of("WATCHDOG")) >= 5), manager.messages
        pings = manager.all_of("WATCHDOG")
        assert max(b.at - a.at for a, b in zip(pings, pings[1:])) < 6, "later than the manager allows"
        with stopped(gateway.process.pid, "reactor-1"):
            since = time.monotonic()
            assert until(lambda: gateway.log_lines("error a reactor stopped turning")), gateway.tail()
            hung = time.monotonic()
            assert hung - since < 8, "a silence of half the time-out is too long"
            gateway.ask("GET", "/healthz")
            # Longer than the manager would wait; the admin API still answers, and reports so after 10 s.
            assert until(lambda: gateway.request("GET", "/healthz")[0] == 503, every=0.2)
            assert 8 < time.monotonic() - since < 15
            assert not manager.all_of("WATCHDOG", since=hung), "a ping although a reactor hangs"
        manager.wait_for("WATCHDOG", since=hung)
        gateway.ask("GET", "/healthz")
        gateway.wait_for_log("info all reactors resumed")


def test_unusual_values_are_in_the_log_at_the_start():
    with Gateway("--detect-within", "5s") as gateway:
        line, = gateway.log_lines(" warn configuration: ")
        assert '--detect-within: listener "devices": detect_within 5s tolerates ' in line, line


def test_a_notify_socket_without_a_reader_is_reported_and_prevents_no_start():
    with Gateway(env={"NOTIFY_SOCKET": "/run/holdfast-test/nobody"}) as gateway:
        gateway.wait_for_log("warn NOTIFY_SOCKET \"/run/holdfast-test/nobody\": No such file or directory")
        gateway.ask("GET", "/healthz")


# Under the unit's restrictions

class AsTheUnit:
    """Takes the place of a network namespace for a Gateway: under the unit's restrictions, on this host's network."""

    def __init__(self, writable):
        self._writable = writable

    def command(self, *words):
        # A system call outside the filter kills, so that none goes unnoticed.
        return [sys.executable, str(ROOT / "tests" / "process" / "as_the_unit.py"), "--kill", "--writable", str(self._writable), "--", *words]

    def entered(self):
        return contextlib.nullcontext()


def test_everything_works_under_the_units_restrictions(short_directory):
    """Its user has no rights, its files are read-only, /proc is its own, its system calls are filtered."""
    events = short_directory / "events.ndjson"
    with ServiceManager() as manager:
        os.chmod(pathlib.Path(manager.env["NOTIFY_SOCKET"]).parent, 0o755)
        os.chmod(manager.env["NOTIFY_SOCKET"], 0o777)
        with Gateway("--sink", f"file:{events}", env=manager.env, namespace=AsTheUnit(short_directory)) as gateway:
            manager.wait_for("READY")
            assert status_of(gateway.process.pid, "NoNewPrivs") == "1" and status_of(gateway.process.pid, "Seccomp") == "2"
            with socket.create_connection(gateway.address) as device:
                device.sendall(b'{"ip":"10.0.0.1"}\n')
                assert until(lambda: events.exists() and '"event":"item"' in events.read_text())
                conn = gateway.ask("GET", "/v1/connections")["connections"][0]["conn"]
                assert gateway.send(conn, {"do": "it"}) == 202
                assert device.recv(100) == b'{"do":"it"}\n'
                assert gateway.probe_all()["alive"] == 1
                metrics = gateway.ask("GET", "/metrics")
                assert re.search(r"^process_open_fds [1-9]", metrics, re.M), "it cannot see its own descriptors"
                assert re.search(r"^process_resident_memory_bytes [1-9]", metrics, re.M)
                gateway.process.send_signal(signal.SIGHUP)
                manager.wait_for("RELOADING")
            assert until(lambda: '"event":"closed"' in events.read_text())
        manager.wait_for("STOPPING")
    assert events.stat().st_mode & 0o777 == 0o640


def test_the_restrictions_are_there_at_all(short_directory):
    """Proves that the test above can fail: the unit's restrictions apply to another program."""
    words = AsTheUnit(short_directory).command("/usr/bin/ionice", "-c", "3", "true")
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGSYS
    words = [word for word in AsTheUnit(short_directory).command("/bin/sh", "-c", f"touch {ROOT}/x /etc/x; ionice -c 3 true") if word != "--kill"]
    refused = subprocess.run(words, check=False, capture_output=True, text=True).stderr
    assert refused.count("touch: cannot touch") == 2 and "ionice: ioprio_set failed" in refused, refused


def status_of(pid, field):
    return re.search(rf"^{field}:\s+(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


@pytest.fixture
def short_directory():
    """Yields a directory that another user may receive: pytest's own are closed to all but root."""
    with tempfile.TemporaryDirectory(prefix="holdfast-deploy-") as made:
        os.chmod(made, 0o755)
        yield pathlib.Path(made)


# Device bytes, shown

def test_the_bytes_of_a_device_reach_no_terminal():
    """A key that would clear the screen, in both ways to write a control sequence, start a line and ring the bell."""
    key = "\x1b[2Ja\x9b31mb\r\nc\x07\x7f"
    with Gateway("--log-level", "debug") as gateway:
        with socket.create_connection(gateway.address) as device:
            device.sendall(json.dumps({"ip": key}).encode() + b"\n")
            assert until(lambda: gateway.ask("GET", "/v1/connections")["connections"][0]["key"] == key)
            conn = gateway.ask("GET", "/v1/connections")["connections"][0]["conn"]
            shown = [run(*words, "--admin", gateway.admin_flag()) for words in
                     (["list"], ["list", "--json"], ["show", conn], ["show", conn, "--json"], ["status"])]
        assert until(lambda: gateway.ask("GET", "/v1/closed")["closed"])
        shown += [run(*words, "--admin", gateway.admin_flag()) for words in (["closed"], ["closed", "--json"])]
        assert sum("[2Ja" in each.stdout for each in shown) >= 6, "the key is not shown at all"
        texts = [text for each in shown for text in (each.stdout, each.stderr)] + list(gateway.stderr)
        assert all(each.returncode == 0 for each in shown)
    for text in texts:
        bad = [c for c in text if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) < 0xa0]
        assert not bad, f"{bad} in {text!r}"


# Log rotation

def test_logrotate_loses_no_event(short_directory):
    """The installed file with other paths, another user and another process to signal."""
    events = short_directory / "events.ndjson"
    with ServiceManager() as manager, Gateway("--sink", f"file:{events}", env=manager.env) as gateway:
        configuration = short_directory / "logrotate.conf"
        configuration.write_text(for_a_test((DEPLOY / "logrotate.d" / "holdfast").read_text(), short_directory, gateway.process.pid))
        for number in range(1, 4):
            if number > 1:
                reloads = len(manager.all_of("RELOADING"))
                done = subprocess.run(["logrotate", "--force", "--state", str(short_directory / "state"), str(configuration)],
                                      capture_output=True, text=True, check=False)
                assert done.returncode == 0 and not done.stderr, done.stderr
                assert until(lambda: len(manager.all_of("RELOADING")) > reloads), "it was not signalled"
                manager.wait_for("READY", since=manager.all_of("RELOADING")[-1].at)
            with socket.create_connection(gateway.address) as device:
                device.sendall(f'{{"ip":"10.0.0.{number}"}}\n'.encode())
                assert until(lambda: events.exists() and f'"key":"10.0.0.{number}"' in events.read_text()), "not in the new file"
            assert until(lambda: '"event":"closed"' in events.read_text())
            time.sleep(1.1)  # a rotated file's name ends in its second
    files = sorted(short_directory.glob("events.ndjson*"))
    assert len(files) == 3 and [path.suffix for path in files].count(".gz") == 1, files
    lines = [line for path in files for line in (gzip.open(path) if path.suffix == ".gz" else open(path, "rb"))]
    assert [sum(b'"event":"%s"' % kind in line for line in lines) for kind in (b"connected", b"item", b"closed")] == [3, 3, 3]


def for_a_test(text, directory, pid):
    """logrotate's file with the places, the user and the signalled process of a test."""
    for old, new in {"/var/log/holdfast/": f"{directory}/", "su holdfast holdfast": "su root root",
                     "/bin/systemctl kill --kill-whom=main --signal=HUP holdfast.service": f"kill -HUP {pid}"}.items():
        assert old in text
        text = text.replace(old, new)
    return text
