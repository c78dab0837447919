"""Files of a spool that are removed while the gateway runs: detected within a second, and no acknowledged item is lost."""

import contextlib
import json
import pathlib
import shutil
import signal
import time

import pytest

from gateway import Gateway, listener, run, until
from lab import device
from spool_files import read_all, spool_flags


class Numbered:
    """A device that waits for the acknowledgement of each item."""

    def __init__(self, gateway):
        self.sock = device.connect(gateway.address)
        self.stream = self.sock.makefile("rb")
        self.acked = 0
        self.sock.sendall(json.dumps({"hello": {"id": "device-17", "session": "boot-42"}}).encode() + b"\n")
        assert json.loads(self.stream.readline()) == {"resume": 0}

    def send_until(self, last):
        for seq in range(self.acked + 1, last + 1):
            self.sock.sendall(json.dumps({"ip": "10.0.0.1", "seq": seq}).encode() + b"\n")
        while self.acked < last:
            self.acked = json.loads(self.stream.readline()).get("ack", self.acked)

    def close(self):
        self.stream.close()
        self.sock.close()


@contextlib.contextmanager
def stopped(process):
    """Stops the process: until it ends, the gateway creates no removed file again."""
    process.send_signal(signal.SIGSTOP)
    threads = pathlib.Path(f"/proc/{process.pid}/task")
    assert until(lambda: all((thread / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
                             for thread in threads.iterdir()))
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def remove_events(directory):
    for path in directory.glob("events-*"):
        path.unlink()


def remove_all(directory):
    for path in directory.iterdir():
        path.unlink()


def remove_control(directory):
    for path in directory.glob("spool.db*"):
        path.unlink()


def remove_directory(directory):
    shutil.rmtree(directory)


def rename_directory(directory):
    directory.rename(directory.with_name("moved"))


@pytest.mark.parametrize("remove", [remove_events, remove_control, remove_all, remove_directory, rename_directory])
def test_no_acknowledged_item_is_lost(tmp_path, remove):
    directory = tmp_path / "spool"
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{directory}"\n'
    with Gateway(config=config) as gateway:
        numbered = Numbered(gateway)
        numbered.send_until(200)
        assert gateway.request("GET", "/healthz")[0] == 200
        with stopped(gateway.process):
            remove(directory)
        since = time.monotonic()
        assert until(lambda: gateway.request("GET", "/healthz")[0] == 503), gateway.status()["sink"]
        assert time.monotonic() - since < 10, "noticed within a second; the rest is a busy machine's"
        numbered.send_until(400)
        code, answer = gateway.request("GET", "/readyz")
        assert code == 503 and "removed" in answer["error"]["message"], answer
        assert until(lambda: [alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"]
                              if alarm["alarm"] == "sink_lag" and "removed" in alarm["summary"]])
        gateway.wait_for_log("were removed while in use")
        gateway.process.kill()  # only what is in a file outlives it
        gateway.wait_exit()
        numbered.close()
    with Gateway(config=config) as gateway:
        events, missing = read_all(gateway)
        assert not missing and gateway.status()["sink"]["spool"]["quarantined_events"] == 0
        seqs = [event["seq"] for _, event in events if event["event"] == "item"]
        assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) >= 400, seqs[-3:]
        assert gateway.request("GET", "/healthz")[0] == 200


def test_a_removed_lock_lets_no_second_gateway_in(tmp_path):
    directory = tmp_path / "spool"
    with Gateway(*spool_flags(directory)) as gateway:
        with contextlib.closing(device.connect(gateway.address)) as sock:
            sock.sendall(b'{"ip":"10.0.0.1"}\n')
            (directory / "lock").unlink()
            second = run("serve", "--listen", "127.0.0.1:0", "--admin", "off", *spool_flags(directory))
            assert second.returncode == 2 and "uses the spool in" in second.stderr, second.stderr
            assert until(lambda: (directory / "lock").exists() and (directory / "lock").read_bytes())
            second = run("serve", "--listen", "127.0.0.1:0", "--admin", "off", *spool_flags(directory))
            assert f"process {gateway.process.pid} uses the spool in {directory}" in second.stderr, second.stderr
