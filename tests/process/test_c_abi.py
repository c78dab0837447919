"""The C interface of the library (include/holdfast/c.h), from Python and from Go, and as C99."""

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from build import build_target
from conftest import ROOT
from gateway import PATIENCE

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def library():
    return build_target("holdfast_shared").parent / "libholdfast.so"


@pytest.fixture(scope="module")
def programs(library, tmp_path_factory):
    made = tmp_path_factory.mktemp("go")
    go = {**os.environ, "CGO_CFLAGS": f"-I{ROOT}/include", "CGO_LDFLAGS": f"-L{library.parent} -Wl,-rpath,{library.parent} -lholdfast",
          "GOCACHE": str(made / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    done = subprocess.run(["go", "build", "-o", made / "gateway", "."], cwd=EXAMPLES / "go_cgo", env=go, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"python": ["/usr/bin/python3", EXAMPLES / "python_ctypes.py", library], "go": [made / "gateway"]}


@contextlib.contextmanager
def running(command):
    with subprocess.Popen([*command, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        late = threading.Timer(2 * PATIENCE, process.kill)  # a line that does not come is empty then
        late.start()
        try:
            host, _, port = process.stdout.readline().split()[-1].rpartition(":")
            yield process, (host, int(port))
        finally:
            late.cancel()
            process.kill()


@pytest.mark.parametrize("language", ["python", "go"])
def test_a_gateway_in_another_language(language, programs):
    with running(programs[language]) as (process, address):
        heard = lambda: process.stdout.readline().strip()
        with socket.create_connection(address, timeout=PATIENCE) as device, device.makefile("r") as lines:
            device.sendall(b'{"hello":{"id":"door-1"}}\n{"ip":"10.0.0.1","text":"\xc3\xbc"}\n{"ip":"10.0.0.2"}\n')
            assert heard() == "door-1 is here"
            assert heard() == '10.0.0.1 sent {"ip":"10.0.0.1","text":"ü"}'
            assert heard() == '10.0.0.2 sent {"ip":"10.0.0.2"}'
            assert [lines.readline() for _ in range(2)] == ['{"received":1}\n', '{"received":2}\n']
        assert heard() == "closed: peer_closed after 2 items"
        with socket.create_connection(address, timeout=PATIENCE) as device:
            device.sendall(b'{"ip":"10.0.0.3"}\n')
            assert heard() == '10.0.0.3 sent {"ip":"10.0.0.3"}'
            process.send_signal(signal.SIGTERM)
            with device.makefile("rb") as rest:
                rest.read()  # to the gateway's FIN
        assert heard() == "closed: shutdown after 1 items"
        assert heard() == "" and process.wait(PATIENCE) == 0


@pytest.mark.parametrize("language", ["python", "go"])
def test_an_error_has_its_text(language, programs):
    done = subprocess.run([*programs[language], "nowhere"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and "write e.g. 127.0.0.1:7000" in done.stderr.splitlines()[-1], done.stderr


# Version 1 of the interface: each struct with its size, and each member with its offset, on 64-bit Linux. A change of these is another
# version. New functions, kinds of events and errors are not.
LAYOUT = {
    "hf_conn": (16, {"number": 0, "run": 8, "reserved": 12}),
    "hf_text": (16, {"data": 0, "size": 8}),
    "hf_event": (184, {"kind": 0, "authenticated": 4, "conn": 8, "at_ms": 24, "listener": 32, "peer": 48, "id": 64, "session": 80, "key": 96,
                       "body": 112, "reason": 128, "detail": 144, "number": 160, "seq": 168, "error": 176, "code": 180}),
    "hf_probe": (16, {"alive": 0, "waited_ms": 4, "rtt_us": 8, "reserved": 12}),
    "hf_stats": (80, {"connections": 0, "accepted": 8, "closed": 16, "items": 24, "bad_items": 32, "bytes_in": 40, "bytes_out": 48,
                      "uptime_ms": 56, "waiting_events": 64, "waiting_bytes": 72}),
}
VALUES = {"HF_ABI_VERSION": 1, "HF_SUCCESS": 0, "HF_ERR_OTHER": -1, "HF_ERR_INVALID_ARGUMENT": -2, "HF_ERR_INVALID_CONFIG": -3,
          "HF_ERR_INVALID_FILE": -4, "HF_ERR_ADDRESS_IN_USE": -5, "HF_ERR_ADDRESS_UNAVAILABLE": -6, "HF_ERR_NOT_PERMITTED": -7,
          "HF_ERR_OUT_OF_RESOURCES": -8, "HF_ERR_SYSTEM": -9, "HF_ERR_STOPPING": -10, "HF_ERR_MISUSE": -11, "HF_ERR_NO_CONNECTION": -12,
          "HF_ERR_QUEUE_FULL": -13, "HF_ENDED": -14, "HF_ERR_UNENCODABLE": -15, "HF_CONNECTED": 1, "HF_IDENTIFIED": 2, "HF_ITEM": 3,
          "HF_BAD_ITEM": 4, "HF_CLOSED": 5, "HF_HELLO": 6, "HF_REFUSED": 7, "HF_LOOK_UP": 8}


def test_the_layout_has_every_struct_member_and_value_of_the_header():
    header = (ROOT / "include/holdfast/c.h").read_text()
    structs = re.findall(r"^typedef struct (\w+) \{\n(.*?)^\} \w+;", header, re.M | re.S)
    assert {name: re.findall(r"^    [\w* ]+?\b(\w+);", body, re.M) for name, body in structs} == \
        {name: list(members) for name, (_, members) in LAYOUT.items()}
    assert set(re.findall(r"\b(HF_\w+) = -?\d+|#define (HF_ABI_VERSION) ", header)) == \
        {(name, "") for name in VALUES if name != "HF_ABI_VERSION"} | {("", "HF_ABI_VERSION")}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_header_is_c99_and_keeps_the_layout_of_its_version(compiler, tmp_path):
    facts = [f"{name} == {value}" for name, value in VALUES.items()]
    for name, (size, members) in LAYOUT.items():
        facts += [f"sizeof({name}) == {size}", *(f"offsetof({name}, {member}) == {offset}" for member, offset in members.items())]
    source = tmp_path / "user.c"
    source.write_text("#include <holdfast/c.h>\n" + "".join(f"typedef char fact_{i}[{fact} ? 1 : -1];\n" for i, fact in enumerate(facts)) +
                      "int main(void) { return hf_abi_version() != HF_ABI_VERSION; }\n")
    subprocess.run([compiler, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only", f"-I{ROOT}/include", source],
                   check=True)


def test_the_library_exports_each_function_of_the_header(library):
    words = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout.split()
    header = (ROOT / "include/holdfast/c.h").read_text()
    declared = {line.split("(")[0].split()[-1] for line in header.splitlines() if line.startswith("HF_API ")}
    assert len(declared) == 24 and declared == {word for word in words if word.startswith("hf_")}


@pytest.fixture(scope="module")
def ctypes_gateway(library):
    spec = importlib.util.spec_from_file_location("python_ctypes", EXAMPLES / "python_ctypes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.start = lambda **options: contextlib.closing(module.Gateway(str(library), reactors="2", **options))
    return module


class Events:
    """The events of a gateway, one by one."""

    def __init__(self, gateway):
        self.gateway, self.waiting, self.count = gateway, [], 0

    def next(self, kind):
        until = time.monotonic() + PATIENCE
        while not self.waiting and time.monotonic() < until:
            self.waiting = list(self.gateway.events())
        event = self.waiting.pop(0)
        self.count += 1
        assert event.kind == kind, event.kind
        return event


@contextlib.contextmanager
def device(gateway, *messages):
    host, _, port = gateway.address().rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection, connection.makefile("r") as lines:
        say = lambda *all_of_them: connection.sendall("".join(json.dumps(each) + "\n" for each in all_of_them).encode())
        say(*messages)
        yield say, lambda: json.loads(lines.readline() or "null")


def test_the_structs_of_python_are_those_of_the_header(ctypes_gateway):
    for name, struct in (("hf_conn", ctypes_gateway.Conn), ("hf_text", ctypes_gateway.Text), ("hf_event", ctypes_gateway.Event)):
        assert (ctypes.sizeof(struct), {field: getattr(struct, field).offset for field, _ in struct._fields_}) == LAYOUT[name]


def test_a_program_in_python_decides_who_comes_in(ctypes_gateway):
    with ctypes_gateway.start(listener__address="127.0.0.1:0", authenticate=True) as gateway:
        events = Events(gateway)
        with device(gateway, {"hello": {"id": "door-1", "token": "red-fox"}}, {"ip": "10.0.0.1"}):
            hello = events.next(ctypes_gateway.HELLO)
            assert (str(hello.id), str(hello.body)) == ("door-1", "red-fox")
            gateway.accept(hello, "north/door-1", detect_within_ms=10_000)
            connected = events.next(ctypes_gateway.CONNECTED)
            assert (str(connected.id), connected.authenticated) == ("north/door-1", 1)
            assert str(events.next(ctypes_gateway.ITEM).key) == "10.0.0.1"
            with pytest.raises(RuntimeError, match="no hello of the connection waits"):
                gateway.accept(hello)
        events.next(ctypes_gateway.CLOSED)
        with device(gateway, {"hello": {"id": "door-1", "token": "wrong"}}) as (_, heard):
            gateway.reject(events.next(ctypes_gateway.HELLO), 401, b'{"error":"unknown token"}\n')
            assert heard() == {"error": "unknown token"}
            assert heard() is None
        events.next(ctypes_gateway.CONNECTED)
        closed = events.next(ctypes_gateway.CLOSED)
        assert (str(closed.reason), closed.code) == ("unauthenticated", 401)


def test_a_program_in_python_acknowledges_what_it_has_stored(ctypes_gateway):
    with ctypes_gateway.start(listener__address="127.0.0.1:0", listener__acks="true", durable=True) as gateway:
        events, stored = Events(gateway), 0
        for expected in (0, 2):
            with device(gateway, {"hello": {"id": "meter-1", "session": "boot-1"}}) as (say, heard):
                events.next(ctypes_gateway.CONNECTED)
                question = events.next(ctypes_gateway.LOOK_UP)
                assert (str(question.id), str(question.session)) == ("meter-1", "boot-1")
                gateway.answer(question, stored)
                assert heard() == {"resume": expected}
                say({"ip": "a", "seq": expected + 1}, {"ip": "a", "seq": expected + 2})
                for _ in range(2):
                    stored = events.next(ctypes_gateway.ITEM).seq
                gateway.durable(events.count)
                assert heard() == {"ack": expected + 2}
            events.next(ctypes_gateway.CLOSED)


def test_a_program_in_python_changes_options_of_the_running_server(ctypes_gateway):
    with ctypes_gateway.start(listener__address="127.0.0.1:0") as gateway:
        events = Events(gateway)
        with device(gateway, {"ip": "a"}) as (say, _):
            report = gateway.apply(listener__max_bad_items="2", reactors="4")
            assert [line.partition(":")[0] for line in report] == ["applied", "needs a restart"], report
            say({}, {})
            for kind in (ctypes_gateway.CONNECTED, ctypes_gateway.ITEM, ctypes_gateway.BAD_ITEM, ctypes_gateway.BAD_ITEM):
                events.next(kind)
            assert str(events.next(ctypes_gateway.CLOSED).reason) == "too_many_bad_items"
        with pytest.raises(RuntimeError, match="detect_within"):
            gateway.apply(listener__detect_within="1ms")
