"""`holdfast consume`: events as NDJSON, a group's position after written events, and a gateway that goes away."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from gateway import PATIENCE, Gateway, binary, run, until
from lab import device
from spool_files import spool_flags


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


def send(gateway, first, last):
    """Sends these items over one connection; returns when all its events are durable."""
    before = newest(gateway)
    with contextlib.closing(device.connect(gateway.address)) as sock:
        sock.sendall(b"".join(b'{"ip":"1.2.3.4", "number":%d}\n' % n for n in range(first, last + 1)))
    assert until(lambda: newest(gateway) == before + last - first + 3), gateway.tail()


def newest(gateway):
    return gateway.ask("GET", "/v1/spool/groups")["newest"]


def position(gateway, group="g"):
    return {row["name"]: row["position"] for row in gateway.ask("GET", "/v1/spool/groups")["groups"]}.get(group)


def numbers(text):
    events = [json.loads(line) for line in text.splitlines()]
    return [event["item"]["number"] for event in events if event["event"] == "item"]


def consume(gateway, *words, **options):
    return run("consume", "--admin", gateway.admin_flag(), *words, **options)


def test_prints_the_stored_events(directory):
    with Gateway(*spool_flags(directory)) as gateway:
        send(gateway, 1, 500)
        done = consume(gateway)
        assert (done.returncode, done.stderr) == (0, "")
        assert numbers(done.stdout) == list(range(1, 501))
        assert '"item":{"ip":"1.2.3.4", "number":1}' in done.stdout, "an item's bytes have changed"
        assert numbers(consume(gateway, "--from", "400", "--limit", "3").stdout) == [399, 400, 401]
        assert position(gateway) is None


def test_a_group_continues_where_it_stopped(directory):
    seen = []
    with Gateway(*spool_flags(directory)) as gateway:
        send(gateway, 1, 300)
        for _ in range(3):
            seen += numbers(consume(gateway, "--group", "g", "--limit", "70").stdout)
        assert position(gateway) == 210
    with Gateway(*spool_flags(directory)) as gateway:
        seen += numbers(consume(gateway, "--group", "g").stdout)
        assert seen == list(range(1, 301))
        assert consume(gateway, "--group", "g").stdout == ""


def test_the_position_stays_where_the_output_breaks(directory):
    with Gateway(*spool_flags(directory)) as gateway:
        send(gateway, 1, 10)
        assert consume(gateway, "--group", "g").returncode == 0
        kept = position(gateway)
        send(gateway, 11, 20)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([binary(), "consume", "--admin", gateway.admin_flag(), "--group", "g"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        assert done.returncode == 1 and "cannot be written" in done.stderr, done
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run([binary(), "consume", "--admin", gateway.admin_flag(), "--group", "g"], stdout=writer,
                                  stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        finally:
            os.close(writer)
        assert done.returncode == 1 and "cannot be written" in done.stderr, done
        assert position(gateway) == kept
        assert numbers(consume(gateway, "--group", "g").stdout) == list(range(11, 21))


def test_follows_over_a_killed_gateway(directory, tmp_path):
    with Gateway(*spool_flags(directory)) as gateway:
        send(gateway, 1, 100)
        admin = gateway.admin_flag()
        with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
            follower = subprocess.Popen([binary(), "consume", "--admin", admin, "--group", "g", "--follow"], stdout=out,
                                        stderr=err)
        try:
            got = lambda: numbers((tmp_path / "out").read_text())
            assert until(lambda: got() == list(range(1, 101)) and position(gateway) == newest(gateway))
            gateway.process.kill()
            gateway.process.wait()
            assert until(lambda: b"retrying" in (tmp_path / "err").read_bytes())
            with Gateway(*spool_flags(directory), "--admin", admin) as again:
                send(again, 101, 200)
                assert until(lambda: got() == list(range(1, 201))), got()[-5:]
                assert until(lambda: position(again) == newest(again))
                follower.send_signal(signal.SIGTERM)
                assert follower.wait(PATIENCE) == 0
        finally:
            follower.kill()
            follower.wait()


def test_reports_errors(directory):
    with Gateway() as plain:
        done = consume(plain)
        assert done.returncode == 1 and "--sink spool:" in done.stderr, done
        for words in (["--from", "0"], ["--limit", "x"], ["--group", "a b"]):
            assert consume(plain, *words).returncode == 2
    assert run("consume", "--admin", plain.admin_flag()).returncode == 3
    with Gateway(*spool_flags(directory)) as gateway:
        done = consume(gateway, "--from", "9")
        assert done.returncode == 1 and "beyond the newest" in done.stderr, done


def test_two_consumers_of_a_group_are_reported(directory, tmp_path):
    """Two consumers of one group would skip each other's events."""
    with Gateway(*spool_flags(directory)) as gateway:
        words = [binary(), "consume", "--admin", gateway.admin_flag(), "--group", "g", "--follow"]
        outputs = [tmp_path / "one", tmp_path / "two"]
        with contextlib.ExitStack() as stack:
            both = [subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stack.enter_context(open(path, "wb")),
                                     stderr=subprocess.PIPE, text=True) for path in outputs]
            try:
                sent = 0

                def one_has_ended():
                    """Waits until both have read enough; then the next events show them each other."""
                    nonlocal sent
                    send(gateway, sent + 1, sent + 20)
                    sent += 20
                    return any(one.poll() is not None for one in both)

                assert until(one_has_ended, every=0.2), "both go on"
                told, = [one for one in both if one.poll() is not None]
                assert told.returncode == 1 and "another consumer moves it" in told.stderr.read()
                send(gateway, sent + 1, sent + 20)
                assert until(lambda: position(gateway) == newest(gateway))
                other, = [one for one in both if one is not told]
                assert other.poll() is None
                printed = [numbers(path.read_text(encoding="utf-8")) for path in outputs]
                assert set(printed[0]) | set(printed[1]) == set(range(1, sent + 21))
                kept = printed[both.index(other)]
                assert kept == list(range(kept[0], sent + 21)), "the one that goes on skips nothing"
            finally:
                for one in both:
                    one.kill()
                    one.wait()
                    one.stderr.close()
