"""`holdfast doctor` on this host: its report without and with a gateway, and planted faults that it must find. The
network settings are planted in namespaces of the test's own."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from certificates import self_signed
from gateway import PATIENCE, Gateway, binary, listener, run
from lab import device
from lab.netlab import GATEWAY4
from lab.nft import Nft
from open_sockets import accepted_socket
from ports import free_address

ALWAYS = {"descriptors", "nr_open", "file_max", "epoll_watches", "memory", "tcp_mem", "cgroup_memory", "cgroup_pids",
          "somaxconn", "syn_backlog", "netdev_backlog", "mtu_probing", "invalid_ratelimit", "retries2", "port_range",
          "clock", "clocksource", "kernel", "plan_kept", "safe_outage", "admin_address", "listeners"}
OF_A_GATEWAY = {"live_sockets", "accepting", "sink", "reconciliation"}


def judged(done):
    """Returns the findings of a `--json` run by id; checks the rules of every answer."""
    answer = json.loads(done.stdout)
    findings = {one["id"]: one for one in answer["findings"]}
    assert len(findings) == len(answer["findings"])
    for one in findings.values():
        assert one["verdict"] in ("ok", "warning", "wrong")
        assert one["found"] and one["why"] and one["command"], one
    for verdict, number in (("wrong", answer["wrong"]), ("warning", answer["warnings"])):
        assert number == sum(one["verdict"] == verdict for one in findings.values())
    assert done.returncode == (1 if answer["wrong"] else 0), (done.returncode, done.stderr)
    return findings


def doctor(*flags, namespace=None):
    words = [binary(), "doctor", "--json", *flags]
    done = subprocess.run(namespace.command(*words) if namespace else words, capture_output=True, text=True,
                          timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    return judged(done)


@contextlib.contextmanager
def as_nobody():
    """Copies the binary to a place where every user may read it."""
    with tempfile.TemporaryDirectory(prefix="holdfast-nobody-") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(binary(), folder)
        os.chmod(copy, 0o755)
        yield ["runuser", "-u", "nobody", "--", copy]


@pytest.fixture
def nobody_there(tmp_path):
    """Returns flags that address the defaults where no gateway runs, whatever else this machine does."""
    path = tmp_path / "alone.toml"
    path.write_text(f'[admin]\naddress = "{free_address()}"\n')
    return "--config", str(path)


# The host alone


def test_the_host_without_a_gateway(nobody_there):
    findings = doctor(*nobody_there)
    assert set(findings) >= ALWAYS
    assert not set(findings) & OF_A_GATEWAY


def test_the_text_has_a_line_for_each_check_and_the_command_for_each_fault(nobody_there):
    done = run("doctor", *nobody_there)
    findings = judged(run("doctor", *nobody_there, "--json"))
    lines = done.stdout.splitlines()
    for name, one in findings.items():
        assert any(line.split()[:2] == [name, one["verdict"]] for line in lines), name
        if one["verdict"] != "ok":
            assert f"  command {one['command']}" in lines


def test_a_gateway_that_was_named_and_does_not_answer():
    address = free_address()
    done = run("doctor", "--admin", address)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"no gateway answers at {address}" in done.stderr


def test_wrong_usage(tmp_path):
    assert run("doctor", "--admin", "nonsense").returncode == 2
    assert run("doctor", "--config", str(tmp_path / "absent.toml")).returncode == 2
    (tmp_path / "bad.toml").write_text("[limits]\nmax_connections = -1\n")
    done = run("doctor", "--config", str(tmp_path / "bad.toml"))
    assert done.returncode == 1 and "bad.toml:2: " in done.stderr


def test_a_configuration_beyond_this_host(tmp_path):
    path = tmp_path / "large.toml"
    path.write_text('[limits]\nmax_connections = 90000000\n'
                    + listener(address="0.0.0.0:40000", backlog=60000))
    findings = doctor("--config", str(path))
    for name in ("descriptors", "nr_open", "memory", "epoll_watches"):
        assert findings[name]["verdict"] == "wrong", findings[name]
    assert "LimitNOFILE=90000128" in findings["descriptors"]["command"]
    assert findings["somaxconn"]["verdict"] == "warning"
    assert "40000" in findings["port_range"]["found"]


# Settings planted in a namespace


def test_planted_settings_of_the_network_are_found(lab):
    healthy = doctor("--config", "/dev/null", namespace=lab.gateway)
    assert healthy["somaxconn"]["verdict"] == healthy["conntrack_timeout"]["verdict"] == "ok"
    for name, value in (("net.core.somaxconn", 16), ("net.ipv4.tcp_syncookies", 0), ("net.ipv4.tcp_mtu_probing", 0),
                        ("net.ipv4.tcp_invalid_ratelimit", 3000), ("net.netfilter.nf_conntrack_tcp_loose", 0),
                        ("net.netfilter.nf_conntrack_tcp_timeout_established", 9)):
        lab.gateway.sysctl(name, value)
    found = doctor("--config", "/dev/null", namespace=lab.gateway)
    assert found["somaxconn"]["verdict"] == "wrong" and found["somaxconn"]["found"].startswith("16,")
    for name in ("syn_backlog", "mtu_probing", "invalid_ratelimit", "conntrack_loose", "conntrack_timeout"):
        assert found[name]["verdict"] == "warning", found[name]
    # Facts of the host alone are invisible inside, and the answer says so.
    assert found["tcp_mem"]["verdict"] == found["netdev_backlog"]["verdict"] == "warning"
    assert "on the host" in found["tcp_mem"]["command"]


def test_the_commands_repair_planted_faults(lab):
    for name, value in (("net.core.somaxconn", 16), ("net.ipv4.tcp_syncookies", 0), ("net.ipv4.tcp_mtu_probing", 0)):
        lab.gateway.sysctl(name, value)
    found = doctor("--config", "/dev/null", namespace=lab.gateway)
    for name in ("somaxconn", "syn_backlog", "mtu_probing"):
        assert found[name]["verdict"] != "ok"
        subprocess.run(lab.gateway.command("sh", "-c", found[name]["command"]), check=True, capture_output=True)
    mended = doctor("--config", "/dev/null", namespace=lab.gateway)
    assert {mended[name]["verdict"] for name in ("somaxconn", "syn_backlog", "mtu_probing")} == {"ok"}


def test_a_firewall_that_forgets_living_connections_is_wrong_once_it_tracks_them(lab):
    Nft(lab.gateway).run("table inet tracking {\n chain arriving {\n type filter hook input priority 0\n"
                         "ct state established accept\n }\n}\n")
    lab.gateway.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", 9)
    with Gateway(config=listener(address=f"{GATEWAY4}:0", detect_within="30s"), namespace=lab.gateway) as gateway:
        with device.connect(gateway.address, lab=lab):
            found = doctor("--admin", gateway.admin_flag(), namespace=lab.gateway)
    assert found["conntrack_timeout"]["verdict"] == "wrong", found["conntrack_timeout"]
    assert "9 s" in found["conntrack_timeout"]["found"]


# A running gateway


def test_a_sound_gateway():
    with Gateway() as gateway, contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(device.connect(gateway.address))
        assert gateway.events.wait(lambda: len(gateway.events.open_ids()) == 20, PATIENCE)
        found = doctor("--admin", gateway.admin_flag())
        assert set(found) >= ALWAYS | OF_A_GATEWAY
        assert found["live_sockets"]["verdict"] == "ok"
        assert found["live_sockets"]["found"] == "20 of 20 checked: all as planned"
        for name in ("accepting", "sink", "admin_address", "descriptors"):
            assert found[name]["verdict"] == "ok", found[name]
        assert found["reconciliation"]["verdict"] == "ok", found["reconciliation"]
        assert found["reconciliation"]["found"].startswith("registry 20, kernel 20; ")
        # The diagnosis has ended no connection, and holds no socket open.
        assert len(gateway.events.open_ids()) == 20
        stack.close()
        assert gateway.events.wait(lambda: not gateway.events.open_ids(), 5)


def test_a_living_socket_without_keepalive_is_found():
    with Gateway() as gateway, device.connect(gateway.address) as sound, device.connect(gateway.address) as planted:
        gateway.connected(device.name_of(sound))
        gateway.connected(device.name_of(planted))
        with accepted_socket(gateway, planted.getsockname()) as victim:
            victim.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
        found = doctor("--admin", gateway.admin_flag())["live_sockets"]
        assert found["verdict"] == "wrong"
        assert found["found"] == "1 of 2 checked differ from the plan"
        assert f"{device.name_of(planted)} has SO_KEEPALIVE off (planned on)" in found["why"]
        # Without the right to open the sockets, the timer that does not run shows it.
        with as_nobody() as command:
            done = subprocess.run([*command, "doctor", "--json", "--admin", gateway.admin_flag()], capture_output=True,
                                  text=True, timeout=PATIENCE, check=False)
        found = judged(done)["live_sockets"]
        assert found["verdict"] == "wrong" and "1 of 2 connections have a running timer" in found["found"]
        assert "not permitted" in found["why"]


def test_an_open_admin_address_and_another_namespace_are_found(lab, tmp_path):
    certificate, key = self_signed(tmp_path, names=f"IP:{GATEWAY4}")
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("0123456789abcdef\n", encoding="ascii")
    config = (listener(address=f"{GATEWAY4}:0")
              + f'[admin]\ntoken_file = "{tokens}"\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    with Gateway("--admin", f"{GATEWAY4}:0", config=config, namespace=lab.gateway) as gateway:
        found = doctor("--admin", "https://" + gateway.admin_flag(), "--admin-ca", str(certificate), "--admin-token-file",
                       str(tokens), namespace=lab.device)
    assert found["admin_address"]["verdict"] == "warning"
    assert found["admin_address"]["found"] == gateway.admin_flag()
    assert found["namespace"]["verdict"] == "warning"
    assert f"nsenter -t {gateway.process.pid} -n" in found["namespace"]["command"]


def test_a_small_descriptor_limit_is_that_of_the_gateway():
    with Gateway(descriptors=300) as gateway:
        found = doctor("--admin", gateway.admin_flag())["descriptors"]
    assert found["verdict"] == "warning"
    assert found["found"].startswith("300 soft, 300 hard, for 172 connections")
    assert f"prlimit --pid {gateway.process.pid} --nofile=" in found["command"]


@contextlib.contextmanager
def planted_answers(gateway, reconciliation):
    """Yields an admin address that answers as the gateway's does, except for (status, body) on the reconciliation."""
    answers = {"/v1/status": (200, gateway.status()), "/v1/reconciliation": reconciliation}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers[self.path]
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "127.0.0.1:%d" % server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


RECONCILED = {"at": "2026-11-22T08:00:00.000Z", "took_ms": 200, "registry": 3, "kernel": 4, "drift": 0, "ghosts": 0,
              "orphans": 0, "stuck_close_wait": 0, "examples": [], "error": None}


@pytest.mark.parametrize("answer, verdict, said", [
    ((200, RECONCILED | {"drift": 1, "orphans": 1, "examples": [{"kind": "orphan", "listener": "devices", "conn": None,
                                                                  "peer": "10.2.0.9:51514", "descriptor": 17}]}),
     "wrong", "E.g. orphan 10.2.0.9:51514."),
    ((200, RECONCILED | {"drift": 2, "ghosts": 2}), "wrong", "2 ghosts"),
    ((200, RECONCILED | {"drift": 1, "stuck_close_wait": 1}), "wrong", "1 stuck in CLOSE_WAIT"),
    ((200, RECONCILED | {"error": "the kernel refuses"}), "warning", "the kernel refuses"),
    ((404, {"error": {"code": "not_found", "message": "no such path"}}), "warning", "unknown to this gateway"),
    ((503, {"error": {"code": "busy", "message": "a reactor hangs"}}), "warning", "a reactor hangs")])
def test_the_result_of_the_reconciliation_is_shown(answer, verdict, said):
    with Gateway() as gateway, planted_answers(gateway, answer) as address:
        found = doctor("--admin", address)["reconciliation"]
    assert found["verdict"] == verdict
    assert said in found["found"] + " " + found["why"]


def test_a_stranger_at_the_admin_address():
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        done = subprocess.Popen([binary(), "doctor", "--admin", "127.0.0.1:%d" % stranger.getsockname()[1]],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peer, _ = stranger.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        out, error = done.communicate(timeout=PATIENCE)
    assert (done.returncode, out) == (3, "")
    assert "is not a holdfast gateway" in error
