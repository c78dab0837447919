"""Each listener's connections are swept and probed at their own listener's pace; a gateway without connections sleeps."""

import pathlib
import re
import time

from gateway import Gateway, listener
from lab import device

DEVICES = 20


def reactor_wakes(gateway):
    """Returns how often the only reactor's thread went to sleep, which equals its wakes."""
    for task in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir():
        if (task / "comm").read_text(encoding="ascii").startswith("reactor"):
            status = (task / "status").read_text(encoding="ascii")
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1])
    raise AssertionError("no thread is a reactor")


def test_a_listener_of_an_hour_keeps_its_pace_beside_one_of_ten_seconds():
    patient, hasty = (listener(name, detect_within=bound, read_idle="off") for name, bound in (("patient", "1h"), ("hasty", "10s")))
    with Gateway("--reactors", 1, config=patient + hasty) as gateway:
        idle_from = reactor_wakes(gateway)
        time.sleep(2)
        idle = reactor_wakes(gateway) - idle_from
        # The watch queries each reactor 5 times a second, the supervision once.
        assert idle <= 30, f"the reactor woke {idle} times in 2 s, and has no connection"

        socks = [device.connect(gateway.ports["patient"]) for _ in range(DEVICES)]
        assert gateway.wait_status(lambda status: status["connections"] == DEVICES)
        time.sleep(8)
        found = re.search(r"^holdfast_asked_ahead_total (\d+)", gateway.ask("GET", "/metrics"), re.MULTILINE)
        # Its own round is longer than 4 minutes: 20 connections are probed once in 12 s at most.
        assert int(found[1]) <= 2, f"{found[1]} probes ahead of time in 8 s"
        for sock in socks:
            sock.close()
