"""The device clients in sdk/: unit tests, and runs against a gateway that is killed."""

import ast
import collections
import contextlib
import importlib.util
import json
import os
import random
import socket
import subprocess
import threading
import time

import pytest

import certificates
import oracle
from conftest import ROOT
from fake_gateway import FakeGateway
from gateway import BINARY, Gateway, listener
from test_device_examples import Device, texts, without_seq

SDK = ROOT / "sdk"
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compile_c(compiler, output, *sources, flags=()):
    done = subprocess.run([compiler, *WARNINGS, *flags, *sources, "-o", output], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Returns the command of each client for a port and an id. Each item is a line of its standard input."""
    made = tmp_path_factory.mktemp("sdk")
    compile_c("gcc", made / "c", SDK / "c/device_posix.c", SDK / "c/holdfast_device.c", flags=[*SANITIZERS, "-DHF_DEVICE_POSIX"])
    go = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(made / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", made / "go", "./cmd/device"], cwd=SDK / "go", env=go, check=True)
    programs = {"c": [made / "c"], "go": [made / "go"], "micropython": ["/usr/bin/python3", SDK / "micropython/main.py"],
                "node": ["node", SDK / "node/main.js"]}
    return {language: lambda port, *rest, words=words: [*words, "127.0.0.1", str(port), *rest] for language, words in programs.items()}


LANGUAGES = ["c", "go", "micropython", "node"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("test", ["holdfast_device_test", "holdfast_device_random_test"])
def test_the_c_client_passes_its_unit_tests(compiler, test, tmp_path, seed):
    program = compile_c(compiler, tmp_path / test, SDK / f"c/test/{test}.c", SDK / "c/holdfast_device.c", flags=SANITIZERS)
    done = subprocess.run([program], env={**os.environ, "HOLDFAST_SEED": str(seed)}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_c_client_needs_memory_functions_only(tmp_path):
    """Without its POSIX part, the file needs no allocation, no output, no clock and no socket."""
    compile_c("gcc", tmp_path / "device.o", SDK / "c/holdfast_device.c", flags=["-c", "-Os", "-fno-stack-protector"])
    names = subprocess.run(["nm", "-u", tmp_path / "device.o"], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in names if name != "U"} <= {"memcpy", "memset", "memcmp", "strlen", "strcmp", "strcpy", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_real_gateway_that_is_killed_loses_nothing(language, clients, tmp_path, seed):
    chance, items = random.Random(seed), texts(1, 1200)
    daemon = oracle.Daemon(tmp_path, BINARY, {}, oracle.spool_sink(tmp_path))
    daemon.start()
    try:
        device = Device(clients[language](daemon.address[1], "device-17"), items, pause=0.002)
        for _ in range(4):
            time.sleep(chance.uniform(0.2, 0.6))
            daemon.kill()
            time.sleep(chance.uniform(0, 0.2))
            daemon.start()
        device.finish(90)  # the back-off may have grown
        events = [json.loads(line) for line in oracle.read_all(daemon)[0]]
    finally:
        daemon.kill()
    taken = collections.OrderedDict()  # by (id, session, seq): a repetition has the numbers of the first
    for event in (event for event in events if event["event"] == "item"):
        item = taken.setdefault((event["id"], event["session"], event["seq"]), event["item"])
        assert item == event["item"] and item["seq"] == event["seq"]
    assert without_seq(taken.values()) == items
    assert {name for name, _, _ in taken} == {"device-17"} and len({session for _, session, _ in taken}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_item_arrives_in_order_over_crashes_and_losses(language, clients, seed):
    chance, gateway, items = random.Random(seed), FakeGateway(seed), texts(1, 1000)
    gateway.lose(20)
    device = Device(clients[language](gateway.port, "device-17"), items, pause=0.001)
    for _ in range(4):
        time.sleep(chance.random() * 0.5)
        gateway.crash()
        time.sleep(chance.random() * 0.1)
        gateway.start()
    device.finish()
    gateway.crash()
    assert without_seq(gateway.items()) == items and gateway.nacks > 0
    assert [item["seq"] for item in gateway.items()] == list(range(1, 1001))


@pytest.mark.parametrize("language", ["go", "micropython", "node"])
def test_a_client_speaks_tls(language, clients, tmp_path):
    certificate, key = certificates.self_signed(tmp_path)
    config = listener(acks=True, tls_certificate=str(certificate), tls_key=str(key)) + oracle.spool_sink(tmp_path)
    items = texts(1, 300)
    with Gateway(config=config, stdout=subprocess.DEVNULL) as gateway:
        device = Device(clients[language](gateway.address[1], "device-17", "lines", "-", str(certificate)), items)
        device.finish()
        gateway.wait_status(lambda all_: all_["listeners"][0]["items"] == len(items))


def test_the_micropython_client_imports_what_micropython_has():
    """Debian 12 has no MicroPython for hosts. These modules and words are of both."""
    for name in ("holdfast_device.py", "main.py"):
        tree = ast.parse((SDK / "micropython" / name).read_text())
        nodes = list(ast.walk(tree))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert imported <= {"json", "select", "socket", "time", "os", "random", "sys", "ssl", "holdfast_device"}
        newer = (ast.JoinedStr, ast.NamedExpr, ast.Match, ast.AnnAssign, ast.AsyncFunctionDef, ast.Nonlocal)
        assert not [node for node in nodes if isinstance(node, newer)]
        calls = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        assert not calls & {"removeprefix", "removesuffix", "create_connection", "makefile", "fromkeys", "translate", "maketrans"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_that_is_no_item_is_reported_and_the_last_needs_no_end(language, clients, seed):
    gateway = FakeGateway(seed)
    done = subprocess.run(clients[language](gateway.port, "device-17"), input=b'no object\n\n{"ip":"a"}\n{"ip":"b"}',
                          capture_output=True, timeout=60, check=False)
    gateway.crash()
    assert done.returncode == 0, done.stderr.decode()
    assert b"no object" in done.stderr
    assert without_seq(gateway.items()) == [{"ip": "a"}, {"ip": "b"}]


class Refuser:
    """A hostile gateway: answers each hello with a notice of no time, and closes."""

    def __init__(self):
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(b'{"resume":0}\n{"retry_after_ms":0}\n')

    def close(self):
        self._listener.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notice_of_no_time_makes_no_loop(language, clients):
    refuser = Refuser()
    device = Device(clients[language](refuser.port, "device-17"), texts(1, 1))
    time.sleep(2)
    device.kill()
    refuser.close()
    assert 1 <= refuser.connections <= 2 / 0.125 + 1  # half of the least back-off


def micropython_module():
    spec = importlib.util.spec_from_file_location("holdfast_device", SDK / "micropython/holdfast_device.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def poll_until_acked(device):
    end = time.monotonic() + 30
    while device.pending() and time.monotonic() < end:
        device.poll(20)
    assert device.pending() == 0


def test_the_micropython_client_tries_each_address_of_a_host(monkeypatch, seed):
    gateway, module = FakeGateway(seed), micropython_module()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (dead, ("127.0.0.1", gateway.port))]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_: places)
    device = module.Device("gateway", gateway.port, "device-17")
    device.add({"ip": "a"})
    poll_until_acked(device)
    device.close()
    gateway.crash()


def test_the_micropython_client_keeps_a_connection_over_a_pause(monkeypatch, seed):
    gateway, module = FakeGateway(seed), micropython_module()
    ends = []
    device = module.Device("127.0.0.1", gateway.port, "device-17", ack_timeout_ms=400)
    monkeypatch.setattr(device, "_lose", lambda *_, lose=device._lose: (ends.append(1), lose()))
    for n in range(3):
        device.add({"n": n, "ip": "a"})
        poll_until_acked(device)
        time.sleep(0.6)  # longer than the time for an ack, while none is due
    assert not ends
    device.close()
    gateway.crash()
