"""`holdfast spool` and `holdfast consume --spool`: a spool is copied while its gateway runs, moved, and read without a
gateway."""

import contextlib
import json
import re
import threading

from gateway import Gateway, listener, run, until
from lab import device
from spool_files import read_all, segments, spool_flags, status


def lines(first, last):
    return b"".join(b'{"ip":"10.0.0.1","number":%d}\n' % n for n in range(first, last + 1))


def numbers(events):
    return [event["item"]["number"] for event in events if event["event"] == "item"]


def consume(directory, *words):
    done = run("consume", "--spool", str(directory), *words, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [json.loads(line) for line in done.stdout.splitlines()]


def verify(directory):
    done = run("spool", "verify", "--json", str(directory), timeout=60)
    verdict = json.loads(done.stdout)
    assert done.returncode == (0 if verdict["sound"] else 1), done
    return verdict


def test_a_backup_of_a_running_gateway_is_moved(tmp_path):
    directory, backup, moved = tmp_path / "spool", tmp_path / "backup", tmp_path / "moved"
    with Gateway(*spool_flags(directory)) as gateway:
        stop = threading.Event()

        def send():
            number = 1
            with contextlib.closing(device.connect(gateway.address)) as sock:
                while not stop.is_set():
                    sock.sendall(lines(number, number + 49))
                    number += 50

        sender = threading.Thread(target=send)
        sender.start()
        assert until(lambda: status(gateway)["last_position"] > 2000)
        gateway.ask("POST", "/v1/spool/groups/billing", body={"position": 1000})
        durable = status(gateway)["last_position"]
        done = run("spool", "backup", str(backup), "--admin", gateway.admin_flag(), timeout=60)
        assert done.returncode == 0 and status(gateway)["id"] in done.stdout, done
        stop.set()
        sender.join()
        verdict = verify(backup)
        assert verdict["sound"] and verdict["first"] == 1 and verdict["last"] >= durable, verdict
        assert verdict["groups"] == [{"name": "billing", "position": 1000}]
        assert verify(directory)["sound"], "of a spool in use"
        refused = run("consume", "--spool", str(directory))
        assert refused.returncode == 1 and f"process {gateway.process.pid} uses the spool" in refused.stderr, refused
        refused = run("spool", "restore", str(backup), str(directory))
        assert refused.returncode == 1 and "another process uses" in refused.stderr, refused
    done = run("spool", "restore", str(backup), str(moved), timeout=60)
    assert done.returncode == 0, done
    with Gateway(*spool_flags(moved)) as gateway:
        events, missing = read_all(gateway)
        assert not missing
        items = numbers(event for _, event in events)
        assert items == list(range(1, len(items) + 1)) and len(items) >= durable - 1
        # The connection of the moved spool was open and ended with its original gateway.
        assert [event["reason"] for _, event in events if event["event"] == "closed"] == ["gateway_lost"]
        with contextlib.closing(device.connect(gateway.address)) as sock:
            sock.sendall(lines(1, 1))
        assert until(lambda: status(gateway)["last_position"] == len(events) + 3)
    assert len(segments(moved)) == len(segments(backup)) + 1, "a restored spool begins a new file"


def test_a_spool_without_a_gateway_is_read(tmp_path):
    directory = tmp_path / "spool"
    with Gateway(config=listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\nretain_age = "1m"\n') as gateway:
        with contextlib.closing(device.connect(gateway.address)) as sock:
            sock.sendall(lines(1, 100))
        assert until(lambda: status(gateway)["last_position"] == 102)
        gateway.process.kill()
        gateway.wait_exit()
    assert numbers(consume(directory, "--group", "g", "--limit", "51")) == list(range(1, 51))
    assert numbers(consume(directory, "--group", "g")) == list(range(51, 101))
    assert consume(directory, "--group", "g") == []
    assert numbers(consume(directory, "--from", "2", "--limit", "3")) == [1, 2, 3]
    refused = run("consume", "--spool", str(directory), "--follow")
    assert refused.returncode == 2 and "--follow" in refused.stderr
    refused = run("consume", "--spool", str(tmp_path / "none"))
    assert refused.returncode == 1 and "contains no spool" in refused.stderr
    assert not (tmp_path / "none").exists()
    with Gateway(*spool_flags(directory)) as gateway:
        groups = gateway.ask("GET", "/v1/spool/groups")["groups"]
        assert [(group["name"], group["position"]) for group in groups] == [("g", 102)]


def test_verify_names_the_damage(tmp_path):
    directory = tmp_path / "spool"
    with Gateway(*spool_flags(directory)) as gateway:
        for number in range(20):
            with contextlib.closing(device.connect(gateway.address)) as sock:
                sock.sendall(lines(number, number))
            assert until(lambda want=3 * number + 3: status(gateway)["last_position"] == want)
    assert verify(directory)["events"] == 60
    file = segments(directory)[0]
    content = bytearray(file.read_bytes())
    for found in re.finditer(b'"number":7}', bytes(content)):  # SQLite leaves copies in what it has moved away from
        content[found.start() + 9] ^= 1
    file.write_bytes(content)
    verdict = verify(directory)
    assert not verdict["sound"] and len(verdict["missing"]) == 1, verdict
    text = run("spool", "verify", str(directory))
    assert text.returncode == 1 and "missing: event" in text.stdout and "checksum" in text.stdout, text
    none = run("spool", "verify", str(tmp_path / "none"))
    assert none.returncode == 1 and "contains no spool" in none.stderr
