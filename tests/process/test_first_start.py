"""The first starts of a gateway with a spool, killed at any moment: the next start continues."""

import contextlib
import json
import os
import signal
import subprocess
import time

from gateway import Gateway, binary
from lab import device
from spool_files import read_all, spool_flags, status, wait_durable

DIRECTORIES = 10
KILLS = 3  # of each directory, before it may start


def begin(directory):
    words = [binary(), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *spool_flags(directory)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def time_of_a_start(directory):
    since = time.monotonic()
    with Gateway(*spool_flags(directory)):
        return time.monotonic() - since


def use(gateway):
    before = status(gateway)["last_position"]
    with contextlib.closing(device.connect(gateway.address)) as sock:
        sock.sendall(b"".join(json.dumps({"ip": f"10.0.0.{n}"}).encode() + b"\n" for n in range(10)))
        wait_durable(gateway, before + 11)


def test_a_start_after_a_killed_first_start_continues(tmp_path):
    whole = time_of_a_start(tmp_path / "timed")
    kills = [(step + 0.5) / (DIRECTORIES * KILLS) * whole for step in range(DIRECTORIES * KILLS)]
    interrupted = 0
    for number in range(DIRECTORIES):
        directory = tmp_path / f"spool-{number}"
        for delay in kills[number::DIRECTORIES]:
            process = begin(directory)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL, "it had ended before it was killed"
            interrupted += not (directory / "spool.db").exists()
        with Gateway(*spool_flags(directory)) as gateway:
            use(gateway)
            events, missing = read_all(gateway)
            assert not missing and status(gateway)["quarantined_events"] == 0
            assert [position for position, _ in events] == list(range(1, len(events) + 1))
        assert not [name for name in os.listdir(directory) if name.startswith("making")]
    assert interrupted > 0, "no kill came before the spool was made"
