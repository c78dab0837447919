"""The sink `spool` as a process: admitted events are delivered in spite of faults of the gateway and its disk."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import stat
import threading
import time

import pytest

from events import kind_in_schema
from gateway import Gateway, listener, run, until
from lab import device
from spool_files import (SmallDisk, failing_sync, items_of, read_all, segments, shell, spool_flags, status, wait_durable)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


def item(number, fill=150):
    return {"ip": f"10.0.{number // 256 % 256}.{number % 256}", "number": number, "fill": "x" * fill}


def lines(first, last, fill=150):
    return b"".join(json.dumps(item(n, fill), separators=(",", ":")).encode() + b"\n" for n in range(first, last + 1))


def send(gateway, first, last, fill=150):
    """Sends items over one connection."""
    with contextlib.closing(device.connect(gateway.address)) as sock:
        sock.sendall(lines(first, last, fill))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def numbers_of(events):
    return [event["item"]["number"] for _, event in events if event["event"] == "item"]


def check_positions(events, first=1):
    assert [position for position, _ in events] == list(range(first, first + len(events)))


def test_events_are_delivered_over_restarts(directory):
    for life in range(3):
        with Gateway(*spool_flags(directory)) as gateway:
            send(gateway, life * 1000 + 1, life * 1000 + 1000)
            wait_durable(gateway, (life + 1) * 1002)
            events, missing = read_all(gateway, limit=777)
            assert not missing
            check_positions(events)
            assert numbers_of(events) == list(range(1, (life + 1) * 1000 + 1))
            kinds = [event["event"] for _, event in events]
            assert kinds == (["connected"] + ["item"] * 1000 + ["closed"]) * (life + 1)


def test_the_sqlite_shell_reads_the_files(directory):
    with Gateway(*spool_flags(directory)) as gateway:
        send(gateway, 1, 10)
        wait_durable(gateway, 12)
        live = shell(segments(directory)[0], "SELECT lines FROM batch")  # while the gateway runs
    at_rest = shell(segments(directory)[0], "SELECT lines FROM batch")
    for text in (live, at_rest):
        events = [json.loads(line) for line in text.splitlines() if line]
        assert [event["event"] for event in events] == ["connected"] + ["item"] * 10 + ["closed"]
    assert shell(segments(directory)[0], "SELECT listeners FROM batch LIMIT 1").startswith('[["devices",')
    assert not list(directory.glob("*-wal")), "an orderly stop leaves plain files"


def test_files_are_private(directory):
    before = os.umask(0)
    try:
        with Gateway(*spool_flags(directory)) as gateway:
            send(gateway, 1, 10)
            wait_durable(gateway, 12)
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
            assert len(files) >= 7 and set(files.values()) == {0o600}, files
    finally:
        os.umask(before)


def test_a_second_gateway_is_refused(directory):
    with Gateway(*spool_flags(directory)) as gateway:
        second = run("serve", "--listen", "127.0.0.1:0", "--admin", "off", *spool_flags(directory))
        assert second.returncode == 2, second.stderr
        assert f"process {gateway.process.pid} uses the spool in {directory}" in second.stderr, second.stderr
        send(gateway, 1, 10)
        wait_durable(gateway, 12)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear", encoding="ascii")
    refused = run("serve", "--listen", "127.0.0.1:0", "--admin", "off", *spool_flags(tmp_path))
    assert refused.returncode == 2 and "letter.txt" in refused.stderr, refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.txt"]


def stream_until(sock, stop, first=1):
    """Sends items from `first` on until stopped or disconnected."""
    number = first
    with contextlib.suppress(OSError):
        while not stop.is_set():
            sock.sendall(lines(number, number + 99))
            number += 100


def test_kill_and_a_torn_tail(directory, seed):
    """Events reported as durable before a kill -9 are there after it; half a write at the end is no damage."""
    rng = random.Random(seed)
    promised = 0
    for life in range(5):
        with Gateway(*spool_flags(directory)) as gateway:
            assert status(gateway)["last_position"] >= promised
            stop = threading.Event()
            socks = [device.connect(gateway.address) for _ in range(3)]
            threads = [threading.Thread(target=stream_until, args=(sock, stop)) for sock in socks]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.2, 1.0))
            promised = status(gateway)["last_position"]
            gateway.process.send_signal(signal.SIGKILL)
            gateway.wait_exit()
            stop.set()
            for thread in threads:
                thread.join()
            for sock in socks:
                sock.close()
        log = segments(directory)[-1].with_name(segments(directory)[-1].name + "-wal")
        if life % 2 and log.exists():  # the beginning of one more frame, as a crash in the middle of a write leaves it
            written = log.read_bytes()
            with log.open("ab") as end:
                end.write(written[32:32 + rng.randrange(1, 8000)])
    with Gateway(*spool_flags(directory)) as gateway:
        events, missing = read_all(gateway)
        assert not missing and status(gateway)["quarantined_events"] == 0
        assert len(events) >= promised > 0
        check_positions(events)
        for conn, items in items_of(events).items():
            assert [one["number"] for one in items] == list(range(1, len(items) + 1)), conn


def ready(gateway):
    return gateway.request("GET", "/readyz")[0]


def sink_alarms(gateway):
    return [alarm for alarm in gateway.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == "sink_lag"]


def check_trouble_comes_and_goes(gateway, begin, end, words, count=20_000):
    """Breaks the disk under load with `begin`, and repairs it with `end`. Both are reported, and no item is lost or
    duplicated."""
    send(gateway, 1, 1000)
    wait_durable(gateway, 1002)
    begin()
    sender = threading.Thread(target=send, args=(gateway, 1001, count))
    sender.start()
    assert until(lambda: ready(gateway) == 503), gateway.status()["sink"]
    code, answer = gateway.request("GET", "/readyz")
    assert code == 503 and re.search(words, answer["error"]["message"]), answer
    stands = status(gateway)["last_position"]
    assert until(lambda: sink_alarms(gateway)), gateway.ask("GET", "/v1/alarms")
    assert re.search(words, sink_alarms(gateway)[0]["summary"]), sink_alarms(gateway)
    assert len(gateway.wait_for_log(" error cannot write events to the spool")) == 1, gateway.tail()
    assert status(gateway)["last_position"] == stands
    end()
    assert until(lambda: ready(gateway) == 200), gateway.request("GET", "/readyz")
    gateway.wait_for_log("writing to the sink resumed")
    sender.join()
    wait_durable(gateway, count + 4)
    assert until(lambda: not sink_alarms(gateway), 90), sink_alarms(gateway)
    events, missing = read_all(gateway)
    assert not missing and status(gateway)["quarantined_events"] == 0
    check_positions(events)
    assert numbers_of(events) == list(range(1, count + 1))
    assert len(gateway.wait_for_log(" error cannot write events to the spool")) == 1, gateway.tail()


def test_a_full_disk_makes_devices_wait_and_goes_away(directory):
    directory.mkdir()
    disk = SmallDisk(directory, "24m")
    config = listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\nqueue_bytes = "1MiB"\n'
    with Gateway(config=config, namespace=disk) as gateway:
        filler = disk.seen_from_here(gateway) / "filler"

        def fill():
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)

        check_trouble_comes_and_goes(gateway, fill, filler.unlink, "full")


def test_a_failing_fsync_makes_devices_wait_and_goes_away(directory, tmp_path):
    environment, switch = failing_sync(tmp_path)
    config = listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\nqueue_bytes = "1MiB"\n'
    with Gateway(config=config, env=environment) as gateway:
        # SQLite and the sync of the directory, which the next file needs, have different words.
        check_trouble_comes_and_goes(gateway, switch.touch, switch.unlink, r"disk I/O error|Input/output error")
    # Events after a failed fsync are in another file: the content of the first one on disk is unknown.
    assert len(segments(directory)) == 2
    with Gateway(config=config) as gateway:
        events, missing = read_all(gateway)
        assert not missing and numbers_of(events) == list(range(1, 20_001))


def test_a_flipped_bit_takes_its_row_and_is_named(directory, seed):
    rng = random.Random(seed)
    with Gateway(*spool_flags(directory)) as gateway:
        for n in range(1, 60):
            send(gateway, n * 10, n * 10 + 9)
        wait_durable(gateway, 59 * 12)
        whole, missing = read_all(gateway)
        assert not missing
    victim = rng.randrange(10, 600)
    file = segments(directory)[0]
    bytes_ = bytearray(file.read_bytes())
    offset, bit = rng.randrange(9), 1 << rng.randrange(8)
    for found in re.finditer(b'"number":%d,' % victim, bytes(bytes_)):  # SQLite leaves copies in what it has moved away from
        bytes_[found.start() + offset] ^= bit
    file.write_bytes(bytes_)
    position = next(position for position, event in whole if event["event"] == "item" and event["item"]["number"] == victim)
    row = shell(file, f"SELECT position, events FROM batch WHERE position <= {position} ORDER BY position DESC LIMIT 1")
    first, count = map(int, row.split("|"))
    with Gateway(*spool_flags(directory)) as gateway:
        events, missing = read_all(gateway)
        assert [(gap["first"], gap["last"]) for gap in missing] == [(first, first + count - 1)], missing
        assert events == [(p, event) for p, event in whole if not first <= p < first + count]
        assert status(gateway)["quarantined_events"] == count
        assert len(gateway.wait_for_log("is damaged", f"{first}")) == 1, gateway.tail()
        read_all(gateway)
        assert len(gateway.wait_for_log("is damaged")) == 1, gateway.tail()
        send(gateway, 1000, 1009)
        wait_durable(gateway, 60 * 12)
        gateway.ask("GET", "/healthz")
    assert f"{first}|{first + count - 1}|" in shell(directory / "spool.db", "SELECT first, last, why FROM quarantine")


def bytes_in(directory, pattern="*"):
    total = 0
    for path in directory.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # retention has just removed it
            total += path.stat().st_size if path.name != "lock" else 0
    return total


def bytes_of_events(directory):
    """Returns the size that retain_bytes bounds: the logs of SQLite and spool.db come on top."""
    return bytes_in(directory, "events-*.db")


def retention_rests(gateway):
    """Returns True if retention removes nothing for two of its rounds."""
    first = status(gateway)["first_position"]
    time.sleep(2.5)
    return status(gateway)["first_position"] == first


def test_retention_gives_the_disk_back(directory):
    config = (listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\nretain_bytes = "{{}}"\n'
              'required_groups = "{}"\n')
    with Gateway(config=config.format("16MiB", "billing")) as gateway:
        send(gateway, 1, 30_000, fill=1000)
        wait_durable(gateway, 30_002)
        assert bytes_in(directory) > 30 << 20 and status(gateway)["first_position"] == 1, "billing has had none"
        gateway.ask("POST", "/v1/spool/groups/billing", body={"position": 20_000})
        assert until(lambda: status(gateway)["first_position"] > 10_000), status(gateway)
        assert status(gateway)["first_position"] <= 20_001
        gateway.ask("POST", "/v1/spool/groups/billing", body={"position": 30_002})
        assert until(lambda: bytes_of_events(directory) <= 16 << 20), bytes_of_events(directory)
        assert until(lambda: retention_rests(gateway)), "a file that goes while it is read is missing in the middle"
        events, missing = read_all(gateway)
        first = status(gateway)["first_position"]
        assert [(gap["first"], gap["last"]) for gap in missing] == [(1, first - 1)], missing
        assert "retention" in missing[0]["why"]
        check_positions(events, first)
        gateway.reload(config.format("4MiB", ""))
        assert until(lambda: bytes_of_events(directory) <= 4 << 20), bytes_of_events(directory)
        assert status(gateway)["quarantined_events"] == 0


def test_memory_does_not_grow_with_the_backlog(directory):
    # With an arena for each thread, the allocator keeps the memory of the largest answers of eight admin threads.
    with Gateway(*spool_flags(directory), env={"MALLOC_ARENA_MAX": "1"}) as gateway:
        resident, sent = [], 0
        for share in (40_000, 40_000, 80_000):
            for first in range(sent + 1, sent + share, 20_000):
                send(gateway, first, first + 19_999, fill=1000)
            sent += share
            wait_durable(gateway, sent + sent // 10_000, 120)
            for _ in range(2):
                read_all(gateway, limit=2000)
            resident.append(gateway.resident_kib())
        assert bytes_in(directory) > 160 << 20
    # The first share fills queues and caches; 120 MB more add nothing.
    assert resident[2] - resident[0] < 24 << 10, resident


def crash(gateway):
    gateway.process.kill()
    gateway.process.wait()


def test_open_connections_of_a_crash_are_closed_at_the_next_start(directory):
    config = listener("devices") + listener("meters")
    with Gateway(*spool_flags(directory), config=config) as gateway:
        plain = [device.connect(gateway.ports["meters"]) for _ in range(100)]
        named = [device.connect(gateway.ports["devices"]) for _ in range(100)]
        for n, sock in enumerate(named):
            sock.sendall(json.dumps({"hello": {"id": f"d \"{n}\""}}).encode() + b"\n" + lines(1, 3))
        send(gateway, 1, 2)  # one that has its end
        wait_durable(gateway, 100 + 100 * 5 + 4)
        before, _ = read_all(gateway)
        crash(gateway)
        for second in range(2):  # the second time there is nothing left to do
            with Gateway(*spool_flags(directory), config=config) as again:
                fresh = device.connect(again.ports["devices"])
                again_open = len(before) + 200 + 1 + second * 2
                wait_durable(again, again_open)
                events, missing = read_all(again)
                assert status(again)["gateway_lost"] == (0 if second else 200)
                # Both starts have their ends in the history: the first from the spool, the second from the state file.
                assert again.ask("GET", "/v1/closed?reason=gateway_lost")["total"] == 200
                fresh.close()
        for sock in plain + named:
            sock.close()
    assert not missing
    behind = [event for _, event in events[len(before):]]
    lost, later = behind[:200], behind[200:]
    assert {event["reason"] for event in lost} == {"gateway_lost"}, lost[:2]
    assert {kind_in_schema(event) for event in lost} == {"closed_after_restart"}
    assert "gateway_lost" not in {event.get("reason") for event in later}
    first = {event["conn"]: event for _, event in before if event["event"] == "connected"}
    assert {event["conn"] for event in lost} == set(first) - {event["conn"] for _, event in before if event["event"] == "closed"}
    for event in lost:
        opened = first[event["conn"]]
        assert (event["peer"], event["listener"]) == (opened["peer"], opened["listener"])
        assert event["connected_at"] == opened["at"] <= event["last_event_at"] <= event["at"]
        assert event["items"] == (3 if event["listener"] == "devices" else 0)
        assert (event["evidence"], event["bytes_in"], event["duration_s"]) == (None, None, None)
    assert {event["id"] for event in lost if "id" in event} == {f"d \"{n}\"" for n in range(100)}
