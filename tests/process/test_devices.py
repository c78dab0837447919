"""Devices by their own id, over HTTP and on the command line, and the counters of the device protocol."""

import json
import socket
import urllib.parse

import pytest

from gateway import PATIENCE, Gateway, listener, run, until

ID = 'van/17 "ü"'
PATH = "/v1/devices/" + urllib.parse.quote(ID, safe="")


class Device:
    """A device that says hello. Answers are read line by line."""

    def __init__(self, gateway, name=ID, session=None):
        self.socket = socket.create_connection(gateway.address, timeout=PATIENCE)
        self.stream = self.socket.makefile("rb")
        hello = {"id": name} | ({"session": session} if session else {})
        self.write({"hello": hello})

    def write(self, *words):
        self.socket.sendall(b"".join(json.dumps(word).encode() + b"\n" for word in words))

    def read(self):
        return json.loads(self.stream.readline())

    def close(self):
        self.stream.close()
        self.socket.close()


@pytest.fixture
def gateway(tmp_path):
    config = listener(acks=True) + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as running:
        yield running


def known(gateway, name=ID):
    """Returns its connection, once the hello has been read."""
    return until(lambda: [row for row in gateway.ask("GET", "/v1/connections")["connections"] if row.get("id") == name])


def test_a_device_is_found_by_its_id(gateway):
    other, device = Device(gateway, "another"), Device(gateway, session="boot-42")
    assert device.read() == {"resume": 0}
    row, = known(gateway)
    assert row["session"] == "boot-42" and known(gateway, "another")[0].get("session") is None
    listed = gateway.ask("GET", f"/v1/connections?id={urllib.parse.quote(ID)}")
    assert listed["total"] == 1 and listed["connections"][0]["conn"] == row["conn"]
    assert gateway.ask("GET", PATH)["conn"] == row["conn"]
    assert gateway.ask("GET", "/v1/devices/nobody", expect=404)["error"]["code"] == "not_found"
    answer = gateway.ask("POST", PATH + "/messages?wait=5s", body={"cmd": "reboot"})
    assert answer == {"id": ID, "conn": row["conn"], "result": "acked"}
    assert device.read() == {"cmd": "reboot"}
    assert gateway.ask("POST", PATH + "/probe")["alive"]
    other.close()
    device.close()


def test_the_verbs_accept_a_device_id(gateway):
    device = Device(gateway)
    row, = known(gateway)

    def verb(*words):
        return run(*words, "--admin", gateway.admin_flag())

    assert ID in verb("list").stdout and row["conn"] in verb("list", "--id", ID).stdout
    assert "0 of 0" in verb("list", "--id", "nobody").stdout
    assert f"device         {ID}" in verb("show", "--id", ID).stdout
    assert verb("probe", "--id", ID).returncode == 0
    assert verb("send", "--id", ID, "--wait", "5s", '{"a":1}').stdout == f"acked: the kernel of {ID} received the message\n"
    assert device.read() == {"a": 1}
    assert "1 identified" in verb("status").stdout
    assert verb("close", "--id", ID).returncode == 0
    assert verb("send", "--id", ID, "{}").returncode == 1
    assert ID in until(lambda: verb("closed", "--id", ID).stdout)
    device.close()


def test_a_newer_connection_supersedes_the_older_one(gateway):
    old = Device(gateway)
    first, = known(gateway)
    new = Device(gateway)
    assert old.stream.readline() == b""  # the end
    second = until(lambda: [row for row in known(gateway) if row["conn"] != first["conn"]])
    assert len(second) == 1 and len(known(gateway)) == 1
    life, = until(lambda: gateway.ask("GET", f"/v1/closed?id={urllib.parse.quote(ID)}")["closed"])
    assert life["reason"] == "superseded" and life["kind"] == "policy" and life["id"] == ID
    gateway.ask("POST", PATH + "/messages", expect=(200, 202), body={"to": "the newest"})
    assert new.read() == {"to": "the newest"}
    old.close()
    new.close()


def test_acks_repetitions_and_gaps_are_counted(gateway):
    device = Device(gateway, session="s")
    assert device.read() == {"resume": 0}
    item = {"ip": "10.0.0.1"}
    device.write({**item, "seq": 1}, {**item, "seq": 2})
    acked = 0
    while acked < 2:
        acked = device.read()["ack"]
    device.write({**item, "seq": 1})
    assert device.read() == {"ack": 2}
    device.write({**item, "seq": 9})
    assert device.read() == {"nack": 9, "reason": "gap", "expected": 3}
    status = gateway.status()
    assert (status["identified"], status["repeated_items"], status["gaps"]) == (1, 1, 1) and status["acks"] >= 2, status
    metrics = gateway.ask("GET", "/metrics")
    for line in ("holdfast_identified_connections", "holdfast_repeated_items_total", "holdfast_gaps_total"):
        assert f'\n{line}{{listener="devices"}} 1\n' in metrics
    device.close()
