"""Many devices that go silent together are not probed together. No living one is lost to a full queue, and the dead are
found.

The kernel's timers would probe all of them in the same quarter of a second. Loopback and veth queue 1,000 packets for a
core and drop the rest silently (docs/decisions/0006)."""

import json
import pathlib
import re
import subprocess
import time

from gateway import BINARY, Gateway, until

DEVICES = 12_000
SILENT = 0.02


def memory_that_stays(gateway):
    """Returns the bytes that three reconciliations leave allocated."""
    before = anonymous_bytes(gateway.process.pid)
    for _ in range(3):
        assert gateway.ask("POST", "/v1/reconciliation")["registry"] > DEVICES / 2
    return anonymous_bytes(gateway.process.pid) - before


def anonymous_bytes(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return 1024 * int(re.search(r"^Anonymous: +(\d+) kB", rollup, re.MULTILINE)[1])


def test_a_herd_that_falls_silent_together_stays_and_its_dead_are_found():
    with Gateway("--detect-within", "15s", "--sink", "none", "--reactors", 1) as gateway:
        load = subprocess.Popen(
            [str(BINARY), "load", "--to", f"{gateway.address[0]}:{gateway.address[1]}", "--connections", str(DEVICES),
             "--source", "127.2.0.0/16", "--hold", "--duration", "120s", "--silence", str(SILENT), "--fault-within", "100ms",
             "--seed", "7", "--json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert load.stdout.readline().startswith(f"ready connections={DEVICES}"), gateway.tail()
            began = time.monotonic()
            time.sleep(18 - (time.monotonic() - began))  # the last fault, the bound, and a busy machine
            status = gateway.status()
            expired = status["closed"]["keepalive_expired"]
            assert memory_that_stays(gateway) < 1 << 20, "comparing registry and kernel left it"
            # One more bound later the same must hold: the dead were found within the first.
            time.sleep(12)
            later = gateway.status()
            assert later["closed"]["keepalive_expired"] == expired, (status["closed"], later["closed"])
            summary = gateway.probe_all()
            assert summary["asked"] == summary["alive"] == DEVICES - expired, summary
        finally:
            told = json.loads(load.communicate(timeout=60)[0].splitlines()[-1])  # closes its input, which ends it
        silenced = told["faults"]["silence"]
        assert expired == silenced > DEVICES * SILENT / 2, f"{expired} closed, {silenced} silenced"
        assert until(lambda: gateway.status()["connections"] == 0)
