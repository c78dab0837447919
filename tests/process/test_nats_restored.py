"""The sink `nats` behind a restored snapshot, and two gateways with copies of one spool: every acknowledged item reaches
the stream, although positions repeat."""

import json
import shutil
import socket

from gateway import PATIENCE, until
from nats import NatsServer
from test_nats import gateway, nats_status, wait_published


def send(running, first, last):
    """Sends numbered items over one connection; returns when all are acknowledged."""
    with socket.create_connection(running.address, timeout=PATIENCE) as sock:
        sock.sendall(b'{"hello":{"id":"device","session":"from-%d"}}\n' % first)
        answers = sock.makefile("rb")
        assert json.loads(answers.readline())["resume"] == 0
        sock.sendall(b"".join(b'{"ip":"d","i":%d,"seq":%d}\n' % (n, n - first + 1) for n in range(first, last + 1)))
        acked = 0
        while acked < last - first + 1:
            acked = json.loads(answers.readline()).get("ack", acked)


def acking(tmp_path, url, **options):
    return gateway(tmp_path, url, listener="acks = true", **options)


def items_in(server):
    with server.client() as client:
        return sorted(event["item"]["i"] for _, _, event in client.events() if event["event"] == "item")


def assert_no_id_is_used_twice(server):
    with server.client() as client:
        messages = client.read_stream()
    names = [(m.headers["Holdfast-Spool"], m.headers["Holdfast-Epoch"], m.headers["Holdfast-Position"]) for m in messages]
    assert len(set(names)) == len(names), "two events have one spool, epoch and position"
    for message, (spool, epoch, position) in zip(messages, names):
        assert message.headers["Nats-Msg-Id"].startswith(f"{spool}-{epoch}-{position}")


def test_after_a_restored_snapshot_no_acknowledged_item_counts_as_a_repetition(tmp_path):
    for batch in (1, 64):
        with NatsServer() as server:
            directory = tmp_path / f"batch-{batch}"
            directory.mkdir()
            with acking(directory, server.url, batch=batch) as running:
                send(running, 1, 100)
                wait_published(running)
            shutil.copytree(directory / "spool", directory / "snapshot")
            with acking(directory, server.url, batch=batch) as running:
                send(running, 1001, 1100)
                wait_published(running)
            shutil.rmtree(directory / "spool")
            shutil.copytree(directory / "snapshot", directory / "spool")
            with acking(directory, server.url, batch=batch) as running:
                send(running, 2001, 2100)
                wait_published(running)
                assert nats_status(running)["duplicates"] == 0
                alarm, = until(lambda: [a for a in running.ask("GET", "/v1/alarms")["active"] if a["alarm"] == "twin_gateway"])
                # At the time of the check this spool may have assigned the position of the event again.
                known = ("this spool ends at position", "and this spool has another")
                assert any(words in alarm["summary"] for words in known), alarm
            expected = [*range(1, 101), *range(1001, 1101), *range(2001, 2101)]
            assert items_in(server) == expected, f"batch {batch}"
            assert_no_id_is_used_twice(server)


def test_a_snapshot_of_a_running_gateway_continues_where_it_was(tmp_path):
    """The copy holds the open file of the first, whose epoch it must not continue."""
    with NatsServer() as server:
        with acking(tmp_path, server.url) as running:
            send(running, 1, 100)
            wait_published(running)
            shutil.copytree(tmp_path / "spool", tmp_path / "snapshot")
            send(running, 1001, 1100)
            wait_published(running)
            running.kill()
        shutil.rmtree(tmp_path / "spool")
        shutil.copytree(tmp_path / "snapshot", tmp_path / "spool")
        with acking(tmp_path, server.url) as running:
            send(running, 2001, 2100)
            wait_published(running)
        assert items_in(server) == [*range(1, 101), *range(1001, 1101), *range(2001, 2101)]
        assert_no_id_is_used_twice(server)


def test_two_clones_at_once_lose_nothing(tmp_path):
    with NatsServer() as server:
        with acking(tmp_path, server.url) as running:
            send(running, 1, 10)
            wait_published(running)
        (tmp_path / "clone").mkdir()
        shutil.copytree(tmp_path / "spool", tmp_path / "clone" / "spool")
        with acking(tmp_path, server.url) as one, acking(tmp_path / "clone", server.url) as two:
            for n in range(4):
                send(one, 1001 + 50 * n, 1050 + 50 * n)
                send(two, 2001 + 50 * n, 2050 + 50 * n)
            wait_published(one)
            wait_published(two)
        assert items_in(server) == [*range(1, 11), *range(1001, 1201), *range(2001, 2201)]
        assert_no_id_is_used_twice(server)
