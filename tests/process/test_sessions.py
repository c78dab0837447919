"""Sessions of devices that number their items. With and without proof they are two, sessions of unauthenticated peers
cost no other device anything, and a spool of an older version continues."""

import contextlib
import json
import socket
import sqlite3
import ssl
import time
import zlib

import pytest

import nats
import tokens
from attacks import raise_descriptors
from certificates import Authority
from fleet import FleetGateway
from gateway import PATIENCE, Gateway, listener, run, until

ID, SESSION = "device-17", "boot-42"


class Numbered:
    """A device that numbers its items, on a connected socket."""

    def __init__(self, sock, id=ID, session=SESSION, **hello):
        self.sock = sock
        self.stream = sock.makefile("rb")
        self.write({"hello": {"id": id, "session": session, **hello}})

    def write(self, *words):
        self.sock.sendall(b"".join(json.dumps(word, separators=(",", ":")).encode() + b"\n" for word in words))

    def items(self, first, last):
        self.write(*({"ip": "10.0.0.1", "seq": n} for n in range(first, last + 1)))

    def read(self):
        line = self.stream.readline()
        return json.loads(line) if line else None

    def read_until_ack(self, seq):
        """Returns every answer up to the ack that covers `seq`."""
        answers = [self.read()]
        while answers[-1] and answers[-1].get("ack", 0) < seq:
            answers.append(self.read())
        assert answers[-1], answers
        return answers

    def close(self):
        self.stream.close()
        self.sock.close()


def plain(gateway, name="devices"):
    return socket.create_connection(gateway.ports[name], timeout=PATIENCE)


def spool(directory, **options):
    options = {"type": "spool", "path": str(directory), **options}
    return "[sink]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())


def spooled(gateway):
    done = run("consume", "--group", "test", "--admin", gateway.admin_flag(), timeout=60)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def item_numbers(events, authenticated, id=ID):
    return [event["seq"] for event in events
            if event["event"] == "item" and event.get("id") == id and event["authenticated"] is authenticated]


def gone(gateway):
    """Waits until no connection of the id is left."""
    assert until(lambda: gateway.ask("GET", f"/v1/connections?id={ID}")["total"] == 0)


class Proof:
    """A device that proves its id, and other peers that only state it."""

    def __init__(self, config, device, stranger):
        self.config, self.device, self.stranger = config, device, stranger


@pytest.fixture(params=["tls_client", "tokens"])
def proof(request, tmp_path):
    """Returns both ways to unauthenticated peers under one id: optional certificates, and an open listener beside
    tokens."""
    if request.param == "tls_client":
        pki = Authority(tmp_path)
        certificate, key = pki.sign("gateway", alternative="IP:127.0.0.1")
        own = pki.sign(ID)
        config = listener(acks=True, tls_certificate=str(certificate), tls_key=str(key), tls_client="optional",
                          tls_client_ca=str(pki.certificate))

        def over_tls(gateway, pair=None):
            context = ssl.create_default_context(cafile=str(pki.certificate))
            if pair:
                context.load_cert_chain(*map(str, pair))
            return context.wrap_socket(plain(gateway), server_hostname="127.0.0.1")

        return Proof(config, lambda gateway, **hello: Numbered(over_tls(gateway, own), **hello),
                     lambda gateway, **hello: Numbered(over_tls(gateway), **hello))
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    token = tokens.add(file, ID)
    config = listener("guarded", acks=True, tokens_file=str(file)) + listener("open", acks=True)
    return Proof(config, lambda gateway, **hello: Numbered(plain(gateway, "guarded"), token=token, **hello),
                 lambda gateway, **hello: Numbered(plain(gateway, "open"), **hello))


def test_an_unauthenticated_peer_changes_no_acknowledgement(proof, tmp_path):
    """A jump of its own, and the very numbers that the device has yet to send; also over a restart."""
    config = proof.config + spool(tmp_path / "spool")
    with Gateway(config=config) as gateway:
        device = proof.device(gateway)
        assert device.read() == {"resume": 0}
        device.items(1, 3)
        device.read_until_ack(3)
        stranger = proof.stranger(gateway)
        assert stranger.read() is None, "the device is there"
        device.close()
        gone(gateway)
        stranger.close()
        for hello, first, last in (({"from": 1000}, 1000, 1001), ({"session": "other"}, 1, 6), ({}, 1002, 1003)):
            stranger = proof.stranger(gateway, **hello)
            resume = stranger.read()["resume"]
            assert resume == (1001 if first == 1002 else 0), "its own session"
            stranger.items(first, last)
            stranger.read_until_ack(last)
            stranger.close()
            gone(gateway)
    with Gateway(config=config) as gateway:
        device = proof.device(gateway)
        assert device.read() == {"resume": 3}
        device.items(4, 6)
        assert device.read_until_ack(6)[-1] == {"ack": 6}
        row, = gateway.ask("GET", f"/v1/connections?id={ID}")["connections"]
        assert (row["authenticated"], row["session"]) == (True, SESSION)
        device.close()
        gone(gateway)
        stranger = proof.stranger(gateway)
        assert stranger.read() == {"resume": 1003}
        shown = gateway.ask("GET", f"/v1/devices/{ID}")
        assert shown["authenticated"] is False
        assert "not authenticated" in run("show", "--id", ID, "--admin", gateway.admin_flag()).stdout
        stranger.close()
        gone(gateway)
        assert {life["authenticated"] for life in gateway.ask("GET", f"/v1/closed?id={ID}")["closed"]} == {True, False}
        events = spooled(gateway)
        assert item_numbers(events, True) == [1, 2, 3, 4, 5, 6]
        assert item_numbers(events, False) == [1000, 1001, 1, 2, 3, 4, 5, 6, 1002, 1003]
        assert all("authenticated" in event for event in events if "id" in event)
        assert not any("authenticated" in event for event in events if "id" not in event)


def test_a_downlink_to_an_id_reaches_the_authenticated_connection(proof, tmp_path):
    with Gateway(config=proof.config + spool(tmp_path / "spool")) as gateway:
        stranger = proof.stranger(gateway)
        assert stranger.read() == {"resume": 0}
        device = proof.device(gateway)
        assert device.read() == {"resume": 0}
        assert stranger.read() is None, "superseded"
        for number in range(3):
            late = proof.stranger(gateway)
            answer = gateway.ask("POST", f"/v1/devices/{ID}/messages?wait=5s", expect=(200, 202), body={"cmd": number})
            assert device.read() == {"cmd": number} and late.read() is None, answer
            assert gateway.ask("POST", f"/v1/devices/{ID}/probe")["conn"] == answer["conn"]
            late.close()
        device.close()
        stranger.close()


def test_a_jump_acknowledges_nothing_that_it_skips(tmp_path):
    with Gateway(config=listener(acks=True) + spool(tmp_path / "spool")) as gateway:
        device = Numbered(plain(gateway))
        assert device.read() == {"resume": 0}
        device.items(1, 3)
        device.read_until_ack(3)
        device.close()
        gone(gateway)
        device = Numbered(plain(gateway), **{"from": 1000})
        assert device.read() == {"resume": 3}
        device.items(4, 6)
        assert device.read() == {"nack": 4, "reason": "skipped", "expected": 1000}
        device.items(1000, 1000)
        assert device.read() == {"ack": 1000}, "nothing of 4 to 6 was acknowledged on the way"
        device.close()
        gone(gateway)
        assert [e["seq"] for e in spooled(gateway) if e["event"] == "item"] == [1, 2, 3, 1000]


def flood(gateway, count, seconds, words=()):
    """Sends so many hellos, each of a device of its own that stays, over so many seconds."""
    raise_descriptors()
    since, held = time.monotonic(), []
    for number in range(count):
        time.sleep(max(0.0, since + number * seconds / count - time.monotonic()))
        sock = plain(gateway)
        held.append(sock)
        hello = json.dumps({"hello": {"id": f"s{number}", "session": f"x{number}"}}, separators=(",", ":"))
        sock.sendall((hello + "\n").encode() + b"".join(word + b"\n" for word in words))
    return held


@pytest.mark.parametrize("words", [(), (b"no item",)], ids=["hellos", "sessions"])
def test_sessions_of_strangers_cost_no_acknowledged_item(tmp_path, words):
    """3,000 hellos in 4 s with the smallest retain_bytes: first hellos alone; then each with a number of its own."""
    with Gateway(config=listener(acks=True) + spool(tmp_path / "spool", retain_bytes="1MiB"), descriptors=20_000) as gateway:
        device = Numbered(plain(gateway))
        assert device.read() == {"resume": 0}
        device.items(1, 5)
        device.read_until_ack(5)
        held = flood(gateway, 3000, 4.0, words)  # their events fill two thirds of it
        gateway.wait_status(lambda s: s["identified"] == 3001)
        time.sleep(2.5)  # maintenance runs every second; no event can confirm that nothing happens
        events = spooled(gateway)
        assert [e["seq"] for e in events if e["event"] == "item" and e["id"] == ID] == [1, 2, 3, 4, 5]
        if words:
            known = gateway.wait_status(lambda s: s["sink"]["spool"]["sessions"]["unauthenticated"] == 3001)
            assert known["sink"]["spool"]["sessions"]["evicted_unauthenticated"] == 0, known
        for sock in held:
            sock.close()
        device.close()


def test_the_budget_of_sessions_spares_devices_with_proof(tmp_path):
    """Their sessions are on another listener than the flood; an alarm and metrics report the removed sessions."""
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    names = [f"device-{n}" for n in range(10)]
    token = {name: tokens.add(file, name) for name in names}
    config = (listener("guarded", acks=True, tokens_file=str(file)) + listener(acks=True) +
              spool(tmp_path / "spool", max_sessions=100, sessions_per_id=2))
    with Gateway(config=config) as gateway:
        for name in names:
            device = Numbered(plain(gateway, "guarded"), id=name, token=token[name])
            assert device.read() == {"resume": 0}
            device.items(1, 3)
            device.read_until_ack(3)
            device.close()
        held = flood(gateway, 400, 0.5, [b'{"ip":"10.0.0.66","seq":1}'])
        gateway.wait_status(lambda s: s["items"] == 430)
        for sock in held:
            sock.close()

        def sessions():
            return gateway.status()["sink"]["spool"]["sessions"]

        assert until(lambda: sessions()["evicted_unauthenticated"] >= 300, 30), sessions()
        figures = sessions()
        assert figures["authenticated"] == 10 and figures["evicted_authenticated"] == 0, figures
        assert figures["unauthenticated"] <= 90 and figures["max"] == 100, figures
        alarm = until(lambda: [a for a in gateway.ask("GET", "/v1/alarms")["active"] if a["alarm"] == "session_budget"])
        assert "100 sessions" in alarm[0]["summary"] and "0 authenticated" in alarm[0]["summary"], alarm
        metrics = gateway.ask("GET", "/metrics")
        assert '\nholdfast_spool_sessions{authenticated="true"} 10\n' in metrics
        assert '\nholdfast_spool_sessions_evicted_total{authenticated="true"} 0\n' in metrics
        for number in range(3):
            device = Numbered(plain(gateway), id="restless", session=f"run-{number}")
            device.items(1, 1)
            device.read_until_ack(1)
            device.close()
            assert until(lambda n=number: sessions()["replaced"] == max(0, n - 1)), sessions()
            time.sleep(1.1)  # the latest use is known to a second
    with Gateway(config=config) as gateway:
        for name in names:
            device = Numbered(plain(gateway, "guarded"), id=name, token=token[name])
            assert device.read() == {"resume": 3}
            device.close()
        assert Numbered(plain(gateway), id="s0", session="x0").read() == {"resume": 0}, "forgotten, and so it says"


def crc(numbers, *texts):
    """As the spool makes it: numbers of 64 bits little-endian, then each text after its length."""
    value = zlib.crc32(b"".join(number.to_bytes(8, "little") for number in numbers))
    for text in texts:
        value = zlib.crc32(len(text.encode()).to_bytes(8, "little") + text.encode(), value)
    return value


def test_a_spool_of_the_former_version_is_upgraded(proof, tmp_path):
    """Its table had no column for proof: a session counts for both kinds, until one of them has continued."""
    config = proof.config + spool(tmp_path / "spool")
    with Gateway(config=config):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "spool" / "spool.db")) as database, database:
        database.execute("DROP TABLE device_session")
        database.execute("INSERT INTO session VALUES (?, ?, 3, ?, ?)",
                         (ID, SESSION, int(time.time() * 1000), crc([3], ID, SESSION)))
    with Gateway(config=config) as gateway:
        stranger = proof.stranger(gateway)
        assert stranger.read() == {"resume": 3}
        stranger.items(4, 9)
        stranger.read_until_ack(9)
        stranger.close()
        gone(gateway)
        device = proof.device(gateway)
        assert device.read() == {"resume": 3}
        device.items(4, 4)
        assert device.read_until_ack(4)[-1] == {"ack": 4}
        device.close()


def identities(gateway):
    return [(event["id"], event["authenticated"], event["session"], event["seq"])
            for event in gateway.spooled() if event["event"] == "item"]


def test_an_item_that_two_gateways_have_keeps_its_identity(tmp_path):
    """A device moves before the last ack has arrived, never sends `from`, and gets no endless gap."""
    with nats.NatsServer() as server, \
            FleetGateway("east", server.url, tmp_path / "east", acks=True) as east, \
            FleetGateway("west", server.url, tmp_path / "west", acks=True) as west:
        device = Numbered(plain(east))
        assert device.read() == {"resume": 0}
        device.items(1, 5)
        assert device.read_until_ack(5)[-1] == {"ack": 5}
        moved = Numbered(plain(west))  # which has had acks up to 4
        assert moved.read() == {"resume": 0}
        moved.items(5, 6)
        assert moved.read() == {"nack": 5, "reason": "gap", "expected": 1}
        moved.items(5, 7)
        assert moved.read_until_ack(7)[-1] == {"ack": 7}
        back = Numbered(plain(east))
        assert back.read() == {"resume": 5}
        back.items(8, 8)
        assert back.read() == {"nack": 8, "reason": "gap", "expected": 6}
        back.items(8, 9)
        assert back.read_until_ack(9)[-1] == {"ack": 9}
        assert [seq for *_, seq in identities(east)] == [1, 2, 3, 4, 5, 8, 9]
        assert [seq for *_, seq in identities(west)] == [5, 6, 7]
        twice = set(identities(east)) & set(identities(west))
        assert twice == {(ID, False, SESSION, 5)}
        assert {seq for *_, seq in [*identities(east), *identities(west)]} == set(range(1, 10))
        for one in (device, moved, back):
            one.close()


def test_invented_ids_do_not_stay_in_the_fleet(tmp_path):
    """Two gateways, 3,000 ids without proof; the latest are kept, in the bucket and in both gateways' memory."""
    with nats.NatsServer() as server, server.client() as client:
        options = {"more": "max_closed_unauthenticated = 100\n", "descriptors": 20_000}
        with FleetGateway("east", server.url, tmp_path / "east", **options) as east, \
                FleetGateway("west", server.url, tmp_path / "west", **options) as west:
            honest = Numbered(plain(east), id="honest")
            assert until(lambda: (west.device("honest") or {}).get("state") == "online")
            assert west.device("honest")["authenticated"] is False
            for burst in range(6):
                held = []
                for number in range(500):
                    sock = plain(east)
                    sock.sendall(b'{"hello":{"id":"s%d-%d"}}\n' % (burst, number))
                    held.append(sock)
                assert until(lambda: west.count("online", "east") > 100), "they are shown while they are held"
                for sock in held:
                    sock.close()
                assert until(lambda: east.status()["identified"] == 1)

            assert until(lambda: "presence_budget" in [one["alarm"] for one in east.ask("GET", "/v1/alarms")["active"]])

            def kept():
                return (client.stream_size("KV_holdfast_presence"), east.fleet(limit=0)["known_devices"],
                        west.fleet(limit=0)["known_devices"])

            # A purge has no answer: the next snapshot repairs what the server dropped of thousands at once.
            assert until(lambda: kept()[0] <= 104 and max(kept()[1:]) <= 101, 180), kept()
            assert east.fleet()["dropped_unauthenticated"] >= 2900 and east.fleet()["closed_unauthenticated"] == 100
            dropped = east.fleet()["dropped_unauthenticated"]
            assert f"\nholdfast_fleet_dropped_unauthenticated_total {dropped}\n" in east.ask("GET", "/metrics")
            assert west.device("honest")["state"] == "online"
            again = Numbered(plain(west), id="s0-0")
            assert until(lambda: (east.device("s0-0") or {}).get("gateway") == "west"), "it may come back, elsewhere too"
            again.close()
            honest.close()
