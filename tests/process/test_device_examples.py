"""The device clients in examples/: every item arrives once and in order, whichever process is killed."""

import contextlib
import json
import random
import subprocess
import threading
import time

import pytest

import oracle
from conftest import ROOT
from fake_gateway import FakeGateway
from gateway import BINARY

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    built = tmp_path_factory.mktemp("device") / "device"
    subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-O1", EXAMPLES / "device.cc", "-o", built],
                   check=True)
    return {"python": lambda port, *rest: ["/usr/bin/python3", EXAMPLES / "device.py", f"127.0.0.1:{port}", *rest],
            "c++": lambda port, *rest: [built, "127.0.0.1", str(port), *rest]}


def texts(first, count):
    return [{"ip": f"10.0.0.{n % 250}", "n": n, "text": "ü \\ \"" * (n % 40)} for n in range(first, first + count)]


class Device:
    """One run of a client. Feeds it on a thread of its own; ends it by its pid."""

    def __init__(self, command, feed, pause=0.0):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self._threads = [threading.Thread(target=self._feed, args=(feed, pause)),
                         threading.Thread(target=self._read_stderr)]
        self.stderr = b""
        for thread in self._threads:
            thread.start()

    def _feed(self, feed, pause):
        with contextlib.suppress(OSError), self.process.stdin as stdin:
            for item in feed:
                stdin.write(json.dumps(item, ensure_ascii=False).encode() + b"\n")
                stdin.flush()
                time.sleep(pause)

    def _read_stderr(self):
        self.stderr = self.process.stderr.read()

    def finish(self, within=30):
        try:
            code = self.process.wait(within)
        finally:
            self.kill()
        assert code == 0, self.stderr.decode()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        self.process.stderr.close()


def kept_in(path):
    """Counts the items that the file has received. Items that a device took and had not kept when it was killed are
    sent again."""
    if not path.exists():
        return 0
    head, *items = path.read_bytes().split(b"\n")[:-1]
    return json.loads(head)["from"] - 1 + len(items)


def without_seq(items):
    return [{name: value for name, value in item.items() if name != "seq"} for item in items]


@pytest.mark.parametrize("file", ["device.py", "device.cc"])
def test_it_is_under_a_hundred_lines(file):
    lines = (EXAMPLES / file).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 100 and max(map(len, lines)) <= 120


@pytest.mark.parametrize("language", ["python", "c++"])
def test_every_item_arrives_once_and_in_order_after_any_crash(language, programs, tmp_path, seed):
    chance, gateway, kept = random.Random(seed), FakeGateway(seed), tmp_path / "kept.ndjson"
    items = texts(1, 1500)
    for _ in range(6):
        device = Device(programs[language](gateway.port, "device-17", kept), items[kept_in(kept):], pause=0.001)
        time.sleep(chance.random() * 0.5)
        gateway.crash()
        time.sleep(chance.random() * 0.1)
        if chance.random() < 0.5:
            device.kill()
            gateway.start()
        else:
            gateway.start()
            time.sleep(chance.random() * 0.5)
            device.kill()
    Device(programs[language](gateway.port, "device-17", kept), items[kept_in(kept):]).finish()
    gateway.crash()
    assert without_seq(gateway.items()) == items
    assert [item["seq"] for item in gateway.items()] == list(range(1, 1501))
    assert len({session for _, session, _ in gateway.safe}) == 1


@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_real_gateway_that_is_killed_loses_nothing(language, programs, tmp_path, seed):
    chance, kept, items = random.Random(seed), tmp_path / "kept.ndjson", texts(1, 1200)
    daemon = oracle.Daemon(tmp_path, BINARY, {}, oracle.spool_sink(tmp_path))
    daemon.start()
    try:
        device = Device(programs[language](daemon.address[1], "device-17", kept), items, pause=0.002)
        for _ in range(4):
            time.sleep(chance.uniform(0.2, 0.6))
            daemon.kill()
            time.sleep(chance.uniform(0, 0.2))
            daemon.start()
        device.finish()
        events = [json.loads(line) for line in oracle.read_all(daemon)[0]]
    finally:
        daemon.kill()
    taken = [event["item"] for event in events if event["event"] == "item"]
    assert without_seq(taken) == items
    assert {(event["id"], event["seq"] - event["item"]["seq"]) for event in events if event["event"] == "item"} == {("device-17", 0)}


def test_each_client_continues_with_the_file_of_the_other(programs, tmp_path, seed):
    gateway, kept = FakeGateway(seed), tmp_path / "kept.ndjson"
    items = texts(1, 90)
    for turn, language in enumerate(["python", "c++", "python"]):
        device = Device(programs[language](gateway.port, "device-17", kept), items[30 * turn:30 * turn + 30])
        device.finish()
    gateway.crash()
    assert without_seq(gateway.items()) == items and kept_in(kept) == 90


@pytest.mark.parametrize("language", ["python", "c++"])
def test_after_a_gap_the_client_repeats(language, programs, tmp_path, seed):
    gateway = FakeGateway(seed)
    gateway.lose(20)
    Device(programs[language](gateway.port, "device-17", tmp_path / "kept"), texts(1, 60)).finish()
    gateway.crash()
    assert without_seq(gateway.items()) == texts(1, 60) and gateway.nacks > 0


@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_torn_end_of_its_file_is_none(language, programs, tmp_path, seed):
    gateway, kept = FakeGateway(seed), tmp_path / "kept"
    kept.write_bytes(b'{"session":"s","from":8}\n{"ip":"a","seq":8}\n{"ip":"b","se')
    Device(programs[language](gateway.port, "device-17", kept), [{"ip": "c"}]).finish()
    gateway.crash()
    assert gateway.items() == [{"ip": "a", "seq": 8}, {"ip": "c", "seq": 9}]


@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_file_older_than_the_gateways_numbers_loses_nothing_silently(language, programs, tmp_path, seed):
    gateway, kept = FakeGateway(seed), tmp_path / "kept"
    gateway.know(("device-17", "s"), 50)
    kept.write_bytes(b'{"session":"s","from":8}\n{"ip":"a","seq":8}\n')
    done = subprocess.run(programs[language](gateway.port, "device-17", kept), input=b"", capture_output=True, timeout=60, check=False)
    gateway.crash()
    assert done.returncode == 1 and b"is older than" in done.stderr
    assert b'{"ip":"a","seq":8}' in kept.read_bytes()


@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_line_that_is_no_object_is_reported(language, programs, tmp_path, seed):
    gateway = FakeGateway(seed)
    done = subprocess.run(programs[language](gateway.port, "device-17", tmp_path / "kept"), input=b'no object\n{}\n{"ip":"a"}\n',
                          capture_output=True, timeout=60, check=False)
    gateway.crash()
    assert done.returncode == 0 and b"no object" in done.stderr, done.stderr.decode()
    assert gateway.items() == [{"seq": 1}, {"ip": "a", "seq": 2}]
