"""The sink `nats` with real nats-servers: every event in JetStream, in order, once, whichever process is killed."""

import collections
import contextlib
import json
import os
import socket
import threading
import time

import pytest
from events import kind_in_schema
from gateway import PATIENCE, Gateway, run, until
from nats import NatsCluster, NatsServer, token
from nats_accounts import make_accounts, make_certificates

# Length of the outage under load. HOLDFAST_OUTAGE=60 is the full minute.
OUTAGE = float(os.environ.get("HOLDFAST_OUTAGE", "5"))


def gateway(tmp_path, url, listener="", fleet=False, **sink):
    """Starts a gateway with the spool in tmp_path, so that another can continue it."""
    sink = {"type": "nats", "path": str(tmp_path / "spool"), "url": url, **sink}
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in sink.items())
    return Gateway(config=f'[[listener]]\nname = "devices"\naddress = "127.0.0.1:0"\n{listener}\n[sink]\n{rows}\n'
                          f"[fleet]\nenabled = {json.dumps(fleet)}\n")


def nats_status(gateway):
    return gateway.status()["sink"]["nats"]


def wait_taken(gateway, events, timeout=PATIENCE):
    """Waits until the sink has taken so many events. A device can see its connection end before: the gateway closes the
    socket first, and hands the events over at the end of its turn."""
    assert until(lambda: gateway.status()["sink"]["events"] >= events, timeout), f"{gateway.status()['sink']}{gateway.tail()}"


def send_and_end(gateway, items):
    """Sends items, bytes each, over one connection, until the sink has taken them and the connection's two events."""
    before = gateway.status()["sink"]["events"]
    with socket.create_connection(gateway.address, timeout=PATIENCE) as sock:
        sock.sendall(b"".join(item + b"\n" for item in items))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    wait_taken(gateway, before + len(items) + 2)


def wait_published(gateway, timeout=60, load=None):
    """Waits until NATS has every event that the gateway has taken."""
    def caught_up():
        status = gateway.status()["sink"]
        return status["lag_events"] == 0 and status["nats"]["error"] is None and status["events"] > 0

    # The kernel may still hold items of devices that have closed.
    assert load is None or until(lambda: gateway.status()["items"] == sum(load.sent.values()), timeout), \
        f"{gateway.status()['items']} of {sum(load.sent.values())} items{gateway.tail()}"
    if load:
        wait_taken(gateway, sum(load.sent.values()) + 2 * len(load.sent), timeout)
    assert until(caught_up, timeout), f"not published: {gateway.status()['sink']}{gateway.tail()}"


class Load:
    """Plain devices that send numbered items, one after another, each at `rate` a second. `with` ends them."""

    def __init__(self, address, devices=4, rate=500):
        self.sent = collections.Counter()
        self._pause = 1 / rate
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(address, n), daemon=True) for n in range(devices)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _send(self, address, number):
        key = f"10.0.0.{number}"
        with socket.create_connection(address, timeout=PATIENCE) as sock:
            while not self._ending.wait(self._pause):
                sock.sendall(b'{"ip":"%s","i":%d}\n' % (key.encode(), self.sent[key]))
                self.sent[key] += 1

    def total(self):
        return sum(self.sent.values())


def items_of(events):
    """Returns the numbers of each device's items, in the stream's order."""
    found = collections.defaultdict(list)
    for _, _, event in events:
        if event["event"] == "item":
            found[event["key"]].append(event["item"]["i"])
    return found


def assert_all_once_in_order(server, load):
    with server.client() as client:
        events = client.events()
    positions = [(spool, position) for spool, position, _ in events]
    assert len(set(positions)) == len(positions), "an event is in the stream twice"
    assert positions == sorted(positions), "the stream is not in the spool's order"
    items = items_of(events)
    for key, sent in load.sent.items():
        assert items[key] == list(range(sent)), f"{key}: {len(items[key])} of {sent}, or not in order"


@pytest.fixture(scope="module")
def server():
    with NatsServer() as running:
        yield running


def test_events_arrive_in_order_with_subjects_ids_and_positions(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        with socket.create_connection(running.address) as device:
            device.sendall(b'{"hello":{"id":"device 17","session":"a"}}\n')
            for n in range(100):
                device.sendall(b'{"ip":"10.0.0.%d","i":%d}\n' % (n % 3, n))
            assert until(lambda: running.status()["items"] == 100)
        wait_taken(running, 103)  # with `connected`, `identified` and `closed`
        wait_published(running)
        spool = running.status()["sink"]["spool"]["id"]
        with server.client() as client:
            messages = client.read_stream()
            stream = client.stream_info()["config"]
    kinds = [message.json()["event"] for message in messages]
    assert kinds.count("item") == 100 and kinds[-1] == "closed" and kinds[0] == "connected"
    for n, message in enumerate(messages):
        event = message.json()
        epoch = message.headers["Holdfast-Epoch"]
        assert message.headers["Nats-Msg-Id"] == f"{spool}-{epoch}-{n + 1}"
        assert message.headers["Holdfast-Spool"] == spool and message.headers["Holdfast-Position"] == str(n + 1)
        key = event["key"] if event["event"] == "item" else event.get("id")
        assert message.subject == f"holdfast.devices.{event['event']}.{token(key) if key else '_'}"
    assert messages[-1].subject == "holdfast.devices.closed.device=2017"
    assert [m.json()["item"]["i"] for m in messages if m.json()["event"] == "item"] == list(range(100))
    assert stream["storage"] == "file" and stream["duplicate_window"] == 120_000_000_000
    assert stream["max_age"] == 7 * 24 * 3600 * 10**9 and stream["discard"] == "old" and stream["retention"] == "limits"


def test_nats_away_under_load_costs_lag_and_nothing_else(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        with Load(running.address, devices=4, rate=250) as load:
            assert until(lambda: nats_status(running)["published_position"] > 100)
            server.kill()
            away = time.monotonic()
            before = load.total()
            assert until(lambda: nats_status(running)["error"], 20)
            assert "no connection to NATS at" in nats_status(running)["error"]
            while time.monotonic() < away + OUTAGE:
                time.sleep(0.1)
            assert load.total() - before > 100 * OUTAGE, "devices had to wait for NATS"
            lagging = running.status()["sink"]
            assert lagging["nats"]["lag_events"] > 100 * OUTAGE and not lagging["nats"]["connected"]
            assert lagging["nats"]["lag_s"] >= OUTAGE - 2 and lagging["error"] is None
            assert running.request("GET", "/healthz")[0] == 200, "a gateway that works is not to be restarted"
            if OUTAGE >= 5:
                alarm = until(lambda: [a for a in running.ask("GET", "/v1/alarms")["active"] if a["alarm"] == "sink_lag"])
                assert alarm and "wait in the spool for NATS" in alarm[0]["summary"], alarm
            text = run("status", "--admin", running.admin_flag()).stdout
            assert "! publishing to NATS fails, and events wait in the spool: no connection" in text
            server.start()
            assert until(lambda: nats_status(running)["connected"], 30)
            assert until(lambda: nats_status(running)["lag_s"] < 1, 60)
        wait_published(running, load=load)
        metrics = running.ask("GET", "/metrics")
        assert "holdfast_sink_lag_events 0\n" in metrics and "holdfast_sink_lag_seconds 0\n" in metrics
        assert "holdfast_nats_connected 1\n" in metrics and "holdfast_nats_reconnects_total 1\n" in metrics
        assert_all_once_in_order(server, load)
        print(f"away for {OUTAGE} s at {load.total()} items in all, lag {lagging['nats']['lag_events']} events")


def test_kill_9_of_nats_again_and_again(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        with Load(running.address, devices=4, rate=1000) as load:
            for _ in range(4):
                reached = nats_status(running)["published_position"]
                assert until(lambda: nats_status(running)["published_position"] > reached + 500, 30), \
                    f"{nats_status(running)}{running.tail()}"
                server.kill()
                server.start()
        wait_published(running, load=load)
        assert_all_once_in_order(server, load)


def test_stopped_nats(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url) as running:
        with Load(running.address, devices=4, rate=500) as load:
            assert until(lambda: nats_status(running)["published_position"] > 100)
            server.pause()
            assert until(lambda: nats_status(running)["error"], 30), nats_status(running)
            before = load.total()
            assert until(lambda: load.total() > before + 500), "devices had to wait for NATS"
            server.resume()
            assert until(lambda: nats_status(running)["connected"] and nats_status(running)["lag_s"] < 1, 60)
        wait_published(running, load=load)
        assert_all_once_in_order(server, load)


class AckedDevice:
    """A device that numbers its items and knows which are safe."""

    def __init__(self, name):
        self.name = name
        self.acked = 0
        self.next = 1

    def send(self, address, until_acked, ending=None):
        """Sends over one connection, which may break; the numbers continue after the safe ones."""
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as sock:
            sock.sendall(b'{"hello":{"id":"%s","session":"one"}}\n' % self.name.encode())
            answers = sock.makefile("rb")
            self.acked = json.loads(answers.readline())["resume"]
            self.next = self.acked + 1
            while self.acked < until_acked and not (ending and ending.is_set()):
                while self.next < self.acked + 200:
                    sock.sendall(b'{"ip":"%s","seq":%d}\n' % (self.name.encode(), self.next))
                    self.next += 1
                line = answers.readline()
                if not line:
                    return
                self.acked = max(self.acked, json.loads(line).get("ack", 0))


def test_kill_9_of_the_gateway_loses_nothing_that_was_acked(tmp_path):
    with NatsServer() as server:
        devices = [AckedDevice(f"device-{n}") for n in range(3)]
        for trial in range(3):
            running = gateway(tmp_path, server.url, listener="acks = true")
            running.wait_ready()
            try:
                threads = [threading.Thread(target=device.send, args=(running.address, (trial + 1) * 1500), daemon=True)
                           for device in devices]
                for thread in threads:
                    thread.start()
                assert until(lambda: min(device.acked for device in devices) > trial * 1500 + 300, 30), running.tail()
            finally:
                running.kill()
            for thread in threads:
                thread.join(PATIENCE)
        with gateway(tmp_path, server.url, listener="acks = true") as running:
            wait_published(running, 60) if running.status()["sink"]["events"] else \
                until(lambda: running.status()["sink"]["lag_events"] == 0, 60)
            with server.client() as client:
                events = client.events()
    positions = [(spool, position) for spool, position, _ in events]
    assert len(set(positions)) == len(positions) and positions == sorted(positions)
    for device in devices:
        numbers = [event["seq"] for _, _, event in events if event.get("id") == device.name and event["event"] == "item"]
        assert len(numbers) >= device.acked >= 300, f"{device.name}: {len(numbers)} items for {device.acked} acked"
        assert numbers == list(range(1, len(numbers) + 1)), f"{device.name}: an item is missing, double or out of order"


def test_a_cluster_of_three_survives_the_death_of_each(tmp_path):
    with NatsCluster(3) as cluster, gateway(tmp_path, cluster.url) as running:
        with Load(running.address, devices=4, rate=100) as load:
            assert until(lambda: nats_status(running)["published_position"] > 200, 30), nats_status(running)
            assert "majority of 3 servers" in nats_status(running)["guarantee"]
            leader = cluster.leader_of("holdfast")
            for victim in [leader] + [server for server in cluster.servers if server is not leader]:
                reached = nats_status(running)["published_position"]
                victim.kill()
                assert until(lambda: nats_status(running)["published_position"] > reached + 500, 120), \
                    f"{nats_status(running)}{running.tail()}"
                victim.start()
                cluster.wait_for_jetstream()
                cluster.wait_until_whole()
        wait_published(running, 120, load)
        with cluster.client() as client:
            events = client.events()
    # When a leader ends, messages that it had not replicated may follow later ones: Holdfast-Position has the order.
    items = items_of(sorted({(spool, position): event for spool, position, event in events}.items()) and
                     [(*at, event) for at, event in
                      sorted({(spool, position): event for spool, position, event in events}.items())])
    for key, sent in load.sent.items():
        missing = sorted(set(range(sent)) - set(items[key]))
        assert not missing, f"{key}: {len(missing)} of {sent} are missing, {missing[:3]} to {missing[-3:]}"
        assert items[key] == list(range(sent))


def test_a_stream_with_other_settings_is_named_and_tried_again(tmp_path):
    with NatsServer() as server, server.client() as client:
        client.add_stream("holdfast", ["holdfast.*.item.*"], storage="file")
        with gateway(tmp_path, server.url) as running:
            with Load(running.address) as load:
                assert until(lambda: nats_status(running)["error"])
                assert 'the stream "holdfast" does not receive holdfast.*.connected.*' in nats_status(running)["error"]
                running.wait_for_log("publishing to NATS failed, and events wait in the spool: the stream")
                assert until(lambda: load.total() > 200)
                answer = client.js("STREAM.UPDATE.holdfast", {"name": "holdfast", "subjects": ["holdfast.>"],
                                                              "duplicate_window": 120_000_000_000})
                assert "error" not in answer, answer
            wait_published(running, load=load)
            running.wait_for_log("publishing to NATS resumed")
        assert_all_once_in_order(server, load)


def test_batches(tmp_path):
    with NatsServer() as server, gateway(tmp_path, server.url, batch=256) as running:
        with Load(running.address, devices=8, rate=2000) as load:
            assert until(lambda: load.total() > 3000)
            server.kill()
            server.start()
            assert until(lambda: load.total() > 8000)
        wait_published(running, load=load)
        spool = running.status()["sink"]["spool"]["id"]
        with server.client() as client:
            messages = client.read_stream()
        assert {message.subject for message in messages} == {f"holdfast.batch.{spool}"}
        assert max(int(message.headers["Holdfast-Events"]) for message in messages) > 1
        assert all(message.body.count(b"\n") == int(message.headers["Holdfast-Events"]) <= 256 for message in messages)
        assert_all_once_in_order(server, load)


def assert_publishes(running, server, **client):
    with socket.create_connection(running.address) as device:
        device.sendall(b'{"ip":"a"}\n')
        wait_taken(running, 2)
        wait_published(running)
        with server.client(**client) as reader:
            assert reader.stream_size() >= 2


def test_user_and_password_are_never_shown(tmp_path):
    config = 'authorization { user: gateway, password: "hunter2" }'
    with NatsServer(config) as server, gateway(tmp_path, f"nats://gateway:hunter2@127.0.0.1:{server.port}") as running:
        assert_publishes(running, server, user="gateway", password="hunter2")
        shown = [running.request("GET", path)[1] for path in ("/v1/status", "/metrics")]
        shown += [run("status", "--admin", running.admin_flag()).stdout, *running.stderr,
                  run("check", "--config", str(running.config_path)).stdout]
        assert "hunter2" not in json.dumps(shown)
        assert f'"nats://***@127.0.0.1:{server.port}"' in json.dumps(shown) or "nats://***@" in json.dumps(shown)


def test_a_wrong_password_is_said(tmp_path):
    config = 'authorization { user: gateway, password: "hunter2" }'
    with NatsServer(config) as server, gateway(tmp_path, f"nats://gateway:hunter3@127.0.0.1:{server.port}") as running:
        assert until(lambda: "uthoriz" in (nats_status(running)["error"] or "")), nats_status(running)
        assert "hunter" not in nats_status(running)["error"] + "".join(running.stderr)


def test_credentials_of_an_account(tmp_path):
    config, credentials = make_accounts(tmp_path)
    (tmp_path / "gateway.creds").write_text(credentials, encoding="ascii")
    with NatsServer(config) as server, gateway(tmp_path, server.url, credentials=str(tmp_path / "gateway.creds")) as running:
        with socket.create_connection(running.address) as device:
            device.sendall(b'{"ip":"a"}\n')
            wait_taken(running, 2)
            wait_published(running)
        assert nats_status(running)["published_position"] >= 2


def tls_of(directory):
    return (f'tls {{ cert_file: "{directory}/server.pem", key_file: "{directory}/server.key", '
            f'ca_file: "{directory}/ca.pem", verify: true }}')


def test_tls_with_certificates_of_both(tmp_path):
    make_certificates(tmp_path)
    files = {f"tls_{name}": str(tmp_path / file) for name, file in
             (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key"))}
    with NatsServer(tls_of(tmp_path)) as server:
        with gateway(tmp_path, f"tls://127.0.0.1:{server.port}", **files) as running:
            with socket.create_connection(running.address) as device:
                device.sendall(b'{"ip":"a"}\n')
                wait_published(running)
            assert nats_status(running)["server"] == f"tls://127.0.0.1:{server.port}"


@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
def test_tls_is_not_given_to_a_stranger(tmp_path, fault):
    """Events and passwords go to no server with a wrong certificate."""
    make_certificates(tmp_path, "127.0.0.1" if fault == "unknown authority" else "elsewhere.example")
    files = {} if fault == "unknown authority" else {"tls_ca": str(tmp_path / "ca.pem")}
    files |= {"tls_cert": str(tmp_path / "client.pem"), "tls_key": str(tmp_path / "client.key")}
    with NatsServer(tls_of(tmp_path)) as server:
        with gateway(tmp_path, f"tls://127.0.0.1:{server.port}", **files) as running:
            assert until(lambda: nats_status(running)["error"]), nats_status(running)
            time.sleep(1)
            assert not nats_status(running)["connected"], "it talks to a server whose certificate is not the right one"
            print(nats_status(running)["error"])


def test_an_item_that_nats_rejects_is_a_dead_letter_and_delays_none(tmp_path):
    """max_payload counts the event and its headers; the event of an item within item.max_bytes can be larger."""
    def send(running, *items):
        send_and_end(running, [json.dumps(item, ensure_ascii=False).encode() for item in items])

    large = {"ip": "k", "fill": "x" * 40_000}
    with NatsServer("max_payload: 30000") as server, gateway(tmp_path, server.url) as running:
        send(running, {"ip": "k", "i": 1}, large, {"ip": "k", "i": 2})
        send(running, {"ip": "\x7f" * 9_000, "i": 3})  # a byte each in the event, too
        wait_published(running)
        assert (nats_status(running)["dead_letters"], nats_status(running)["error"]) == (1, None)
        running.wait_for_log("item.max_bytes", "largest_event")
        assert until(lambda: "dead_letter" in [alarm["alarm"] for alarm in running.ask("GET", "/v1/alarms")["active"]])
        with server.client() as client:
            events = [json.loads(message.body) for message in client.read_stream()]
        items = [event["item"].get("i") for event in events if event["event"] == "item"]
        assert [one for one in items if one != 3] == [1, 2] and len(items) == 3, items  # 3 is another connection's
        letter, = [event for event in events if kind_in_schema(event) == "dead_letter"]
        assert (letter["of"], letter["n"]) == ("item", 2) and letter["bytes"] > 40_000 and "max_payload" in letter["why"]
        page = running.ask("GET", f"/v1/spool?after={letter['position'] - 1}&limit=1")
        assert page["events"][0]["item"] == large, "the spool has it"
        assert "holdfast_nats_dead_letters_total 1" in running.ask("GET", "/metrics")
        # Another server may accept it: later events are compared with that one's max_payload.
        server.kill()
        server.rewrite(server.config_text().replace("30000", "200000"))
        server.start()
        send(running, large | {"i": 4})
        wait_published(running)
        assert nats_status(running)["dead_letters"] == 1
