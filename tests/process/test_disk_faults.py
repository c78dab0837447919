"""A failing or slow disk costs time, and no acknowledged item: docs/explanation/delivery.md. Devices send with
acks and a consumer's group reads, while the fault begins and ends several times, once during a start. At the end the disk works,
and the oracle compares the events with the acknowledgements."""

import errno
import pathlib
import random
import signal
import threading
import time

import pytest

import oracle
from disk_faults import Disk
from gateway import BINARY, until
from oracle_devices import Fleet

CYCLES = 3
EIO, ENOSPC = errno.EIO, errno.ENOSPC
# Each fault with its lines in the control file (lab/faults/disk_fault_shim.c).
FAULTS = {
    "one read": [f"read {EIO} count 1 events-"],
    "reads now and then": [f"read {EIO} chance 0.05"],
    "every read": [f"read {EIO} chance 1"],
    "every read of spool.db": [f"read {EIO} chance 1 spool.db"],
    "one write": [f"write {EIO} count 1"],
    "writes now and then": [f"write {EIO} chance 0.05"],
    "every write": [f"write {EIO} after 20"],
    "a full disk": [f"write {ENOSPC} after 50"],
    "one sync": [f"sync {EIO} count 1"],
    "syncs now and then": [f"sync {EIO} chance 0.1"],
    "every sync": [f"sync {EIO} later 0.2"],
    "slow syncs": ["sync 150ms chance 1"],
    "all at once": [f"read {EIO} chance 0.02", f"write {EIO} chance 0.02", f"sync {EIO} chance 0.02", "sync 50ms chance 0.2"],
}


def start_on_a_failing_disk(daemon, disk):
    """Starts the gateway during the fault, and again if it exits, as a service manager does."""
    disk.fail()
    mend = threading.Timer(0.7, disk.mend)
    mend.start()
    gateway = daemon.start(wait=False)
    until(lambda: gateway.admin or gateway.process.poll() is not None)
    mend.join()
    if gateway.process.poll() is not None:
        assert gateway.wait_exit() == 2, gateway.tail()
        daemon.kill()
        gateway = daemon.start(wait=False)
    gateway.wait_ready()


def wait_for_acks(fleet, more):
    wanted = fleet.acks + more
    assert until(lambda: fleet.acks >= wanted), f"{fleet.acks} items acknowledged"


def run_cycles(daemon, disk, fleet, chance):
    for cycle in range(CYCLES):
        wait_for_acks(fleet, 100)
        before = disk.hits()
        disk.fail()
        assert until(lambda: disk.hits() > before), "no operation has failed"
        time.sleep(chance.uniform(0.2, 0.8))
        if cycle == 1:
            daemon.kill()
            start_on_a_failing_disk(daemon, disk)
        disk.mend()
    wait_for_acks(fleet, 100)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_disk_loses_nothing_acked(fault, tmp_path, seed, record_property):
    disk = Disk(tmp_path, FAULTS[fault])
    daemon = oracle.Daemon(tmp_path, BINARY, disk.environment, oracle.spool_sink(tmp_path))
    daemon.start()
    judge = oracle.Judge()
    identity = daemon.gateway.status()["sink"]["spool"]["id"]
    fleet = Fleet(daemon.address, 8, seed, window=8)
    consumer = oracle.Consumer(daemon, BINARY, {}, seed)
    try:
        run_cycles(daemon, disk, fleet, random.Random(f"{seed}/{fault}"))
        fleet.finish()
        daemon.wait_quiet()
        consumer.finish()
        truth, missing = oracle.read_all(daemon)
        spool = daemon.gateway.status()["sink"]["spool"]
        daemon.gateway.check_reports()
    finally:
        daemon.kill()
    judge.judge_items(fleet.sessions(), truth, "spool")
    judge.judge_consumer(truth, consumer.lines)
    violations = fleet.violations + judge.violations
    print(f"{fault}: {disk.hits()} faults, {fleet.acks} items acked, {judge.items} delivered, {len(violations)} violations "
          f"{violations[:5]}")
    record_property("faults of the disk", disk.hits())
    record_property("items acknowledged", fleet.acks)
    record_property("violations", len(violations))
    assert not violations, violations[:5]
    assert not missing and spool["quarantined_events"] == 0, (missing, spool)
    assert spool["id"] == identity and spool["last_position"] == len(truth), (identity, spool)
    assert not list(pathlib.Path(tmp_path / "spool").glob("*.damaged*")), "no file is damaged"


def test_a_start_that_waits_for_the_disk_ends_on_sigterm(tmp_path):
    """Like any stop: a service manager must neither wait for the start's timeout nor see a failure."""
    disk = Disk(tmp_path, [f"read {EIO} chance 1 spool.db"])
    daemon = oracle.Daemon(tmp_path, BINARY, disk.environment, oracle.spool_sink(tmp_path))
    daemon.start().stop()
    daemon.kill()
    disk.fail()
    try:
        gateway = daemon.start(wait=False)
        assert until(lambda: gateway.log_lines("reads are retried") or gateway.process.poll() is not None)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_exit() == 0, gateway.tail()
        gateway.check_reports()
    finally:
        disk.mend()
        daemon.kill()
