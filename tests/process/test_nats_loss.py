"""A NATS that loses what it acknowledged: the gateway detects it, raises an alarm, and publishes again what its spool
has."""

import json
import shutil

import pytest

from gateway import run, until
from nats import NatsServer
from test_nats import gateway, nats_status, send_and_end, wait_published


def send(running, first, last):
    """Sends numbered items over one connection, until the gateway has them all."""
    send_and_end(running, [b'{"ip":"d","i":%d}' % n for n in range(first, last + 1)])


def items_in(server, stream="holdfast"):
    with server.client() as client:
        return {event["item"]["i"] for _, _, event in client.events(stream) if event["event"] == "item"}


def alarms_of(running, kind):
    return [alarm for alarm in running.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == kind]


def assert_comes_again(running, server, last, words):
    """Asserts that all items are in the stream, and that the loss is reported everywhere."""
    assert until(lambda: items_in(server) == set(range(1, last + 1)), 30), \
        f"{len(items_in(server))} of {last}: {nats_status(running)}{running.tail()}"
    assert nats_status(running)["losses"] == 1
    alarm, = until(lambda: alarms_of(running, "stream_loss"))
    assert words in alarm["summary"] and "are published again from the spool" in alarm["summary"], alarm
    running.wait_for_log("NATS has lost events: ")
    metrics = running.ask("GET", "/metrics")
    assert "holdfast_nats_stream_losses_total 1\n" in metrics
    assert 'holdfast_alarm_active{alarm="stream_loss"} 1\n' in metrics


@pytest.mark.parametrize("batch", [1, 64])
def test_a_stream_that_is_purged_or_deleted_under_a_running_gateway(tmp_path, batch):
    for call, words in (("PURGE", "was emptied up to sequence"), ("DELETE", "was deleted and recreated")):
        directory = tmp_path / call
        directory.mkdir()
        with NatsServer() as server, gateway(directory, server.url, batch=batch) as running:
            send(running, 1, 200)
            wait_published(running)
            with server.client() as client:
                assert client.js(f"STREAM.{call}.holdfast")["success"]
            assert_comes_again(running, server, 200, words)
            send(running, 201, 210)
            assert until(lambda: items_in(server) == set(range(1, 211)), 20)
            assert nats_status(running)["losses"] == 1


def test_a_stream_that_others_recreate_while_the_gateway_is_down(tmp_path):
    with NatsServer() as server:
        with gateway(tmp_path, server.url) as running:
            send(running, 1, 200)
            wait_published(running)
        with server.client() as client:
            assert client.js("STREAM.DELETE.holdfast")["success"]
            client.add_stream("holdfast", ["holdfast.>"], storage="file", duplicate_window=120_000_000_000)
            for n in range(1000):  # more than there was
                client.publish("holdfast.other.item.x", {"n": n}, headers={"Nats-Msg-Id": str(n)})
            assert until(lambda: client.stream_size() == 1000)
        with gateway(tmp_path, server.url) as running:
            def found():
                with server.client() as client:
                    return {m.json()["item"]["i"] for m in client.read_stream() if "item" in m.json()}
            assert until(lambda: found() == set(range(1, 201)), 30), f"{nats_status(running)}{running.tail()}"
            assert until(lambda: alarms_of(running, "stream_loss"))


def test_a_server_that_loses_messages_by_a_power_cut(tmp_path):
    """Its files are those of an earlier moment: later acknowledged messages are gone."""
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        send(running, 1, 100)
        wait_published(running)
        server.kill()
        shutil.copytree(server.directory / "data", server.directory / "before")
        server.start()
        send(running, 101, 600)
        wait_published(running)
        server.kill()
        shutil.rmtree(server.directory / "data")
        shutil.move(server.directory / "before", server.directory / "data")
        server.start()
        assert_comes_again(running, server, 600, "has gone back to sequence")
        with server.client() as client:
            assert client.stream_size() < 900, "it is published again from a point near the loss on"


def test_answers_of_a_foreign_stream_are_ignored(tmp_path):
    for attempt in map(str, range(4)):
        (tmp_path / attempt).mkdir()
        if foreign_answers_are_ignored(tmp_path / attempt):
            return
    pytest.fail("no foreign stream has answered")


def foreign_answers_are_ignored(tmp_path):
    """Returns False if the gateway has missed its stream before it published anything: then it waits, and gets no
    foreign answer."""
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        send(running, 1, 50)
        wait_published(running)
        before = nats_status(running)["published_position"]
        with server.client() as client:
            replace_stream(client, "foreign")
            send(running, 51, 100)
            assert until(lambda: nats_status(running)["foreign_acks"] or nats_status(running)["error"], 20), \
                nats_status(running)
            if nats_status(running)["foreign_acks"] == 0:
                return False
            assert until(lambda: nats_status(running)["error"], 20)
            assert nats_status(running)["published_position"] <= before and client.stream_size("foreign") == 0
            assert "holdfast_nats_foreign_acks_total 0\n" not in running.ask("GET", "/metrics")
            assert client.js("STREAM.DELETE.foreign")["success"]
        assert_comes_again(running, server, 100, "was deleted and recreated")
        return True


def replace_stream(client, name):
    """Gives the subjects to another stream; a check of the gateway in between may recreate its own."""
    def replaced():
        client.js("STREAM.DELETE.holdfast")
        return "error" not in client.js(f"STREAM.CREATE.{name}", {"name": name, "subjects": ["holdfast.>"], "storage": "file"})

    assert until(replaced)


def test_a_forbidden_setting_of_a_stream_is_named_while_the_gateway_runs(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url) as running, server.client() as client:
        send(running, 1, 10)
        wait_published(running)
        config = client.stream_info()["config"]

        def edit(**changes):
            answer = client.js("STREAM.UPDATE.holdfast", config | changes)
            assert "error" not in answer, answer

        edit(max_msgs_per_subject=1)
        assert until(lambda: "max_msgs_per_subject" in (nats_status(running)["error"] or ""), 20), nats_status(running)
        edit(max_msgs=12, discard="new")
        send(running, 11, 20)
        assert until(lambda: "refuses new events (discard new)" in (nats_status(running)["error"] or ""), 20), \
            nats_status(running)
        edit(max_msgs=1000)
        wait_published(running)
        assert until(lambda: "discard old, max_msgs 1000" in (nats_status(running)["warning"] or ""), 20)
        running.wait_for_log("discard old, max_msgs 1000")
        assert "discard old, max_msgs 1000" in run("status", "--admin", running.admin_flag()).stdout


def test_a_missing_right_is_named(tmp_path):
    def config(deny):
        return f'authorization {{ users: [ {{ user: u, password: p, permissions: {{ publish: {{ deny: {json.dumps(deny)} }} }} }} ] }}'

    with NatsServer(config(["holdfast.*.item.>"])) as server, \
            gateway(tmp_path, f"nats://u:p@127.0.0.1:{server.port}") as running:
        send(running, 1, 3)
        assert until(lambda: "ermissions Violation for Publish to" in (nats_status(running)["error"] or ""), 20), \
            nats_status(running)
        assert "holdfast.devices.item.d" in nats_status(running)["error"]
        server.kill()
        server.rewrite(server.config_text().replace(config(["holdfast.*.item.>"]), config(["$JS.API.STREAM.MSG.GET.>"])))
        server.start()
        wait_published(running)
        send(running, 4, 6)  # at the next set-up there is a mark to compare with
        wait_published(running)
        server.kill()
        server.start()
        assert until(lambda: "cannot be read" in (nats_status(running)["warning"] or ""), 30), nats_status(running)
        send(running, 7, 9)
        wait_published(running)
