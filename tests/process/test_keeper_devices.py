"""Devices that state an id keep it over a crash of the worker, and no acknowledged item is lost."""

import json
import os
import random
import socket
import time
import types

import pytest

import oracle_devices
from gateway import Gateway, listener, until
from keeper import config, events_of, field, kill_worker, registry, spread, takeover_ms
from oracle import Judge
from oracle import read_all as read_lines

DEVICES = int(os.environ.get("HOLDFAST_KEEPER_DEVICES", "60"))
KILLS = int(os.environ.get("HOLDFAST_KEEPER_KILLS", "6"))


class Client:
    """A connection that speaks the protocol."""

    def __init__(self, address, **hello):
        self.socket = socket.create_connection(address, timeout=10)
        self._inbox = ""
        self.peer = "%s:%d" % self.socket.getsockname()
        if hello:
            self.say({"hello": hello})

    def say(self, *messages):
        self.socket.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def hear(self):
        """Returns the next message, which ends where its object does."""
        while True:
            try:
                message, end = json.JSONDecoder().raw_decode(self._inbox.lstrip())
            except ValueError:
                data = self.socket.recv(4096)
                assert data, "the connection has ended"
                self._inbox += data.decode()
                continue
            self._inbox = self._inbox.lstrip()[end:]
            return message

    def item(self, seq):
        return {"ip": "10.0.0.1", "seq": seq}


def seqs(gateway):
    return [event["seq"] for event in events_of(gateway, "item")]


def test_a_device_without_acks_keeps_its_id(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        named, plain = Client(gateway.address, id="meter-1"), Client(gateway.address)
        named.say(named.item(1)), plain.say(plain.item(1))
        assert until(lambda: len(events_of(gateway, "item")) == 2)
        before = {peer: (row["conn"], row.get("id")) for peer, row in registry(gateway).items()}
        assert field(kill_worker(gateway), "connections_kept") == "2"
        assert {peer: (row["conn"], row.get("id")) for peer, row in registry(gateway).items()} == before
        assert before[named.peer][1] == "meter-1"
        gateway.ask("POST", "/v1/devices/meter-1/messages", body={"cmd": "reboot"})
        assert named.hear() == {"cmd": "reboot"}
        named.say(named.item(2))
        assert until(lambda: len(events_of(gateway, "item")) == 3)
        assert [event.get("id") for event in events_of(gateway, "item")][-1] == "meter-1"
        assert len(events_of(gateway, "identified")) + sum("id" in e for e in events_of(gateway, "connected")) == 1
        again = Client(gateway.address, id="meter-1")
        again.say(again.item(3))
        assert until(lambda: [event["reason"] for event in events_of(gateway, "closed")] == ["superseded"])


def test_a_device_with_acks_gets_a_further_resume(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(acks=True))) as gateway:
        device = Client(gateway.address, id="meter-1", session="boot-1")
        assert device.hear() == {"resume": 0}
        device.say(device.item(1), device.item(2))
        assert device.hear()["ack"] in (1, 2)
        assert until(lambda: seqs(gateway) == [1, 2])
        kill_worker(gateway)
        while (word := device.hear()) == {"ack": 2}:
            pass
        assert word == {"resume": 2}
        device.say(device.item(4))  # as one that was under way
        assert device.hear() == {"nack": 4, "reason": "gap", "expected": 3}
        device.say(device.item(3), device.item(4))
        assert until(lambda: seqs(gateway) == [1, 2, 3, 4])
        conns = {event["conn"] for event in events_of(gateway, "item")}
        assert len(conns) == 1 and not events_of(gateway, "closed")
        assert [event["session"] for event in events_of(gateway, "item")] == ["boot-1"] * 4


def test_a_jump_survives(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(acks=True))) as gateway:
        device = Client(gateway.address, id="meter-1", session="boot-1", **{"from": 100})
        assert device.hear() == {"resume": 0}
        kill_worker(gateway)
        assert device.hear() == {"resume": 0}
        device.say(device.item(100))
        assert device.hear() == {"ack": 100}


@pytest.mark.parametrize("framing", ["ndjson", "json"])
def test_the_rest_of_a_lost_item_uses_up_no_number(tmp_path, framing):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(acks=True, framing=framing))) as gateway:
        device = Client(gateway.address, id="meter-1", session="boot-1")
        assert device.hear() == {"resume": 0}
        device.say(device.item(1))
        assert device.hear() == {"ack": 1}
        device.socket.sendall(b'{"ip":"10.0.0.1","more":{"ip":"10.0.')
        assert until(lambda: list(registry(gateway).values())[0]["bytes_in"] > 100)
        line = kill_worker(gateway)
        assert (field(line, "connections_kept"), field(line, "resynchronized")) == ("1", "1"), line
        assert device.hear() == {"resume": 1}
        device.socket.sendall(b'0.1"}}\n')
        device.say(device.item(2))
        assert device.hear() == {"ack": 2}
        assert seqs(gateway) == [1, 2]
        assert sum(gateway.status()["listeners"][0]["bad_items"].values()) == 0


def test_a_lost_hello_ends_the_connection_where_devices_wait_for_the_answer(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(acks=True))) as gateway:
        cut, silent = Client(gateway.address), Client(gateway.address)
        cut.socket.sendall(b'{"hello":{"id":"me')
        assert until(lambda: sorted(row["bytes_in"] for row in registry(gateway).values()) == [0, 18])
        kill_worker(gateway)
        assert until(lambda: [(e["peer"], e["reason"]) for e in events_of(gateway, "closed")] == [(cut.peer, "gateway_crashed")])
        silent.say({"hello": {"id": "meter-2", "session": "boot-1"}})
        assert silent.hear() == {"resume": 0}


def test_the_closed_event_of_a_connection_that_could_not_be_kept_names_the_device(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(framing="length"))) as gateway:
        hello = b'{"hello":{"id":"meter-1"}}'
        with socket.create_connection(gateway.address) as sock:
            sock.sendall(len(hello).to_bytes(4, "big") + hello + b"\0\0")
            assert until(lambda: [row.get("id") for row in registry(gateway).values()] == ["meter-1"])
            assert until(lambda: [row["bytes_in"] for row in registry(gateway).values()] == [len(hello) + 6])
            kill_worker(gateway)
            assert until(lambda: events_of(gateway, "closed"))
            event = events_of(gateway, "closed")[0]
            assert (event["reason"], event["id"]) == ("gateway_crashed", "meter-1"), event


class Steady(oracle_devices.Device):
    """Stays on its connection, and goes back after a gap."""

    def take(self, word):
        if word.get("reason") == "gap":
            self.next = word["expected"]
        else:
            super().take(word)

    def drop(self, pause=None):
        if self.socket and not self.fleet.is_over():
            self.fleet.violate(f"{self.name}: its connection has ended")
        super().drop(pause)


def test_kills_of_the_worker_lose_no_acknowledged_item(tmp_path, seed, record_property):
    chance = random.Random(f"{seed}/kills")
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(acks=True))) as gateway:
        fleet = oracle_devices.Fleet(gateway.address, DEVICES, seed, make=Steady, mishaps=False)
        assert until(lambda: len(registry(gateway)) == DEVICES and all(device.resumed for device in fleet.devices))
        before = {peer: (row["conn"], row["id"]) for peer, row in registry(gateway).items()}
        takeovers = []
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.5))
            if chance.random() < 0.4:  # and again, in the start, the adoption or the first turns
                kill_worker(gateway, wait=False)
                time.sleep(chance.uniform(0, 0.15))
            line = kill_worker(gateway)
            assert (field(line, "connections_kept"), field(line, "connections_closed")) == (str(DEVICES), "0"), line
            takeovers.append(takeover_ms(gateway, line))
            reconciled = gateway.ask("POST", "/v1/reconciliation")
            assert reconciled["ghosts"] == reconciled["orphans"] == 0, reconciled
        assert {peer: (row["conn"], row["id"]) for peer, row in registry(gateway).items()} == before
        fleet.finish()
        assert until(lambda: not registry(gateway))
        judge = Judge()
        lines, missing = read_lines(types.SimpleNamespace(gateway=gateway, admin=gateway.admin_flag()))
        assert not missing
        judge.judge_items(fleet.sessions(), lines, "the spool")
        violations = fleet.violations + judge.violations
        print(f"{DEVICES} devices, {KILLS} kills, {fleet.acks} items acked, {judge.items} delivered; "
              f"takeover: {spread(takeovers)}")
        record_property("kills", KILLS)
        record_property("items acknowledged", fleet.acks)
        record_property("violations", len(violations))
        assert not violations, violations[:5]
        assert fleet.acks > KILLS, fleet.acks
        gateway.events.violations.clear()
