"""A read error of the disk under the spool is no damage: the read is repeated, reported and alarmed, and no consumer
skips the events."""

import contextlib
import errno
import json

import pytest

from disk_faults import Disk
from gateway import PATIENCE, Gateway, run, until
from lab import device
from nats import NatsServer
from spool_files import read_all, segments, shell, spool_flags, status

EVENTS = 302
EVERY_READ = f"read {errno.EIO} chance 1 events-"


@pytest.fixture
def directory(tmp_path):
    """Yields a spool with 300 items in a file that no process has read yet."""
    spool = tmp_path / "spool"
    with Gateway(*spool_flags(spool)) as gateway:
        fill(gateway, 1, 300)
    return spool


def fill(gateway, first, last):
    before = status(gateway)["last_position"]
    with contextlib.closing(device.connect(gateway.address)) as sock:
        sock.sendall(b"".join(b'{"ip":"1.2.3.4","number":%d}\n' % n for n in range(first, last + 1)))
    assert until(lambda: status(gateway)["last_position"] == before + last - first + 3)


def consume(gateway):
    done = run("consume", "--admin", gateway.admin_flag(), "--group", "g")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return done, [event["item"]["number"] for event in events if event["event"] == "item"]


def position(gateway):
    groups = gateway.ask("GET", "/v1/spool/groups")["groups"]
    return {row["name"]: row["position"] for row in groups}.get("g", 0)


def alarms(gateway):
    return {alarm["alarm"]: alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"]}


def expect_no_damage(gateway):
    assert status(gateway)["quarantined_events"] == 0
    assert "spool_damaged" not in alarms(gateway)


@pytest.mark.parametrize("reads", (1, 2, 3))
def test_a_passing_error_costs_a_consumer_nothing(reads, directory, tmp_path):
    disk = Disk(tmp_path)
    with Gateway(*spool_flags(directory), env=disk.environment) as gateway:
        disk.fail(f"read {errno.EIO} count {reads} events-")
        done, numbers = consume(gateway)
        assert disk.hits() == reads
        assert (done.returncode, done.stderr, numbers) == (0, "", list(range(1, 301)))
        assert position(gateway) == EVENTS and status(gateway)["read_errors"] >= 1
        expect_no_damage(gateway)


def test_an_error_that_lasts_is_named_and_moves_no_consumer(directory, tmp_path):
    disk = Disk(tmp_path)
    with Gateway(*spool_flags(directory), env=disk.environment) as gateway:
        disk.fail(EVERY_READ)
        done, numbers = consume(gateway)
        assert done.returncode == 3 and not numbers and "Input/output error" in done.stderr
        assert position(gateway) == 0
        assert "Input/output error" in status(gateway)["read_error"]
        assert until(lambda: "spool_unreadable" in alarms(gateway), PATIENCE)
        assert "consumers wait" in run("status", "--admin", gateway.admin_flag()).stdout
        expect_no_damage(gateway)
        disk.mend()
        assert until(lambda: "spool_unreadable" not in alarms(gateway), PATIENCE), "with nobody reading"
        assert status(gateway)["read_error"] is None
        assert consume(gateway)[1] == list(range(1, 301))
        assert position(gateway) == EVENTS
        expect_no_damage(gateway)
    assert any("cannot be read" in line for line in gateway.stderr)
    assert any("reading from the spool resumed" in line for line in gateway.stderr)


def test_an_error_while_it_starts_renumbers_nothing(tmp_path):
    spool, disk = tmp_path / "spool", Disk(tmp_path)
    with Gateway(*spool_flags(spool)) as gateway:
        fill(gateway, 1, 300)
        identity = status(gateway)["id"]
        gateway.ask("POST", "/v1/spool/groups/g", body={"position": 17})
        gateway.kill()
    for name in ("events-", "spool.db", ""):
        for reads in (1, 5, 20):
            disk.fail(f"read {errno.EIO} count {reads} {name}")
            with Gateway(*spool_flags(spool), env=disk.environment) as gateway:
                disk.mend()
                assert (status(gateway)["id"], position(gateway)) == (identity, 17)
                last = status(gateway)["last_position"]
                events, missing = read_all(gateway)
                assert not missing and len(events) == last < 400
                gateway.kill()
    assert not list(spool.glob("*.damaged*"))


def test_forwarding_to_nats_skips_nothing(directory, tmp_path):
    disk = Disk(tmp_path)
    with NatsServer() as server:
        config = (f'[[listener]]\nname = "devices"\naddress = "127.0.0.1:0"\n[sink]\ntype = "nats"\n'
                  f'path = "{directory}"\nurl = "{server.url}"\n')
        disk.fail(EVERY_READ)
        with Gateway(config=config, env=disk.environment) as gateway:
            forwarding = lambda: gateway.status()["sink"]["nats"]
            assert until(lambda: "Input/output error" in (forwarding()["error"] or ""), PATIENCE), gateway.tail()
            assert (forwarding()["published_position"], forwarding()["lag_events"]) == (0, EVENTS)
            assert until(lambda: "spool_unreadable" in alarms(gateway), PATIENCE)
            disk.mend()
            assert until(lambda: forwarding()["published_position"] == EVENTS, PATIENCE), forwarding()
            expect_no_damage(gateway)
        with server.client() as client:
            assert [event[1] for event in client.events()] == list(range(1, EVENTS + 1))


def test_damage_raises_an_alarm_until_it_can_be_read(directory, tmp_path):
    file = segments(directory)[0]
    offset = file.read_bytes().rindex(b'"number":150}') + 3
    keep = file.read_bytes()

    def write(data):
        with open(file, "r+b") as out:
            out.seek(offset)
            out.write(data)

    with Gateway(*spool_flags(directory)) as gateway:
        write(b"X")
        done, _ = consume(gateway)
        assert done.returncode == 0 and "missing" in done.stderr
        assert status(gateway)["quarantined_events"] > 0
        assert until(lambda: "spool_damaged" in alarms(gateway), PATIENCE)
        assert until(lambda: shell(directory / "spool.db", "SELECT count(*) FROM quarantine").strip() == "1", PATIENCE)
        write(keep[offset:offset + 1])
        assert until(lambda: status(gateway)["quarantined_events"] == 0, PATIENCE)
        assert until(lambda: "spool_damaged" not in alarms(gateway), PATIENCE)
        assert until(lambda: shell(directory / "spool.db", "SELECT count(*) FROM quarantine").strip() == "0", PATIENCE)
        events, missing = read_all(gateway)
        assert not missing and len(events) >= EVENTS
