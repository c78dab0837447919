"""Steps of the wall clock, while a gateway with a spool runs or is away, delete no event and no session."""

import contextlib
import json
import time

import pytest

from gateway import Gateway, listener, until
from lab import device
from shims import WallClock
from spool_files import read_all

YEAR = 365 * 24 * 3600


@pytest.fixture
def steps(tmp_path):
    return WallClock(tmp_path)


def numbered(gateway, first, last):
    """Opens one connection of a device with a session. Returns the first answer, once the last item is acknowledged."""
    with contextlib.closing(device.connect(gateway.address)) as sock, sock.makefile("rb") as stream:
        sock.sendall(json.dumps({"hello": {"id": "device-17", "session": "boot-42"}}).encode() + b"\n")
        resume = json.loads(stream.readline())["resume"]
        for seq in range(first, last + 1):
            sock.sendall(json.dumps({"ip": "10.0.0.1", "seq": seq}).encode() + b"\n")
        while last >= first and json.loads(stream.readline()).get("ack", 0) < last:
            pass
        return resume


def wait_for_retention(gateway):
    """Waits for retention and sessions, which are checked once a second."""
    gateway.wait_for_log("the system clock was stepped")
    time.sleep(2.5)


def items(gateway):
    events, missing = read_all(gateway)
    assert not missing, missing
    return [event["seq"] for _, event in events if event["event"] == "item"]


def test_a_clock_that_learns_the_time_deletes_nothing(steps, tmp_path):
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path / "spool"}"\n'
    steps.to(-56 * YEAR)  # a machine without a battery-backed clock has just started
    with Gateway(config=config, env=steps.env) as gateway:
        assert numbered(gateway, 1, 5) == 0
        steps.to(0)
        wait_for_retention(gateway)
        assert items(gateway) == [1, 2, 3, 4, 5]
        assert numbered(gateway, 6, 7) == 5
        assert len(gateway.wait_for_log("the system clock was stepped")) == 1, gateway.tail()
    for away in (YEAR, -3 * YEAR):
        steps.to(away)
        with Gateway(config=config, env=steps.env) as gateway:
            wait_for_retention(gateway)
            assert items(gateway) == [1, 2, 3, 4, 5, 6, 7]
            assert numbered(gateway, 8, 7) == 7, "the session is known"
            assert gateway.status()["sink"]["error"] is None
