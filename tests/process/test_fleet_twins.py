"""Two gateways with one name or one spool in a fleet: the second is refused by name, and does not affect the first."""

import json
import shutil
import socket

import pytest

from fleet import FleetGateway
from gateway import PATIENCE, until
from nats import NatsServer


def hello(running, name):
    sock = socket.create_connection(running.address, timeout=PATIENCE)
    sock.sendall(b'{"hello":{"id":"%s"}}\n{"ip":"x","from":"%s"}\n' % (name.encode(), name.encode()))
    return sock


def is_told(server, device):
    """Returns True if the presence bucket has the device."""
    with server.client() as client:
        return client.stream_size("KV_holdfast_presence") > 0 and any(
            message.subject.endswith("." + device) for message in client.read_stream("KV_holdfast_presence"))


def alarms_of(running, kind):
    return [alarm for alarm in running.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == kind]


@pytest.mark.parametrize("name", ["east", "clone"])
def test_the_copy_of_a_gateway_is_refused_while_the_first_one_lives(tmp_path, name):
    with NatsServer() as server:
        with FleetGateway("east", server.url, tmp_path / "east"):
            pass  # the spool that is copied
        shutil.copytree(tmp_path / "east", tmp_path / "copy")
        with FleetGateway("east", server.url, tmp_path / "east", lost_after="7s") as first:
            device = hello(first, "device-1")
            assert until(lambda: (first.device("device-1") or {}).get("state") == "online")
            # Without `with`, which waits until the gateway takes part in the fleet.
            second = FleetGateway(name, server.url, tmp_path / "copy", lost_after="7s")
            second.wait_ready()
            try:
                assert until(lambda: second.fleet()["trouble"], 20), second.tail()
                trouble = second.fleet()["trouble"]
                assert 'gateway "east" (run ' in trouble and "stays out of the fleet" in trouble, trouble
                assert ("name and spool " if name == "east" else "spool ") in trouble, trouble
                # The stream may have begun with the first one's events.
                assert until(lambda: [a for a in alarms_of(second, "twin_gateway") if 'gateway "east"' in a["summary"]]), \
                    alarms_of(second, "twin_gateway")
                second.wait_for_log("out of the fleet")
                stranger = hello(second, "device-2")
                assert until(lambda: second.count("online", name) >= 1) and not is_told(server, "device-2")
                # The first one's device stays online throughout, and no gateway reports its end.
                assert until(lambda: (second.device("device-1") or {}).get("state") == "online")
                assert first.device("device-1")["state"] == "online" and first.fleet()["trouble"] is None
                with server.client() as client:
                    def told():
                        return [m.json() for m in client.read_stream()]
                    assert until(lambda: {e["item"]["from"] for e in told() if e["event"] == "item"} ==
                                 {"device-1", "device-2"}), "the events of both go to NATS"
                    assert not [e for e in told() if e.get("reason") == "gateway_lost"]
                device.close()
                first.stop()
                assert until(lambda: second.fleet()["trouble"] is None, 30), second.fleet()
                assert until(lambda: is_told(server, "device-2"), 20), second.fleet()
                stranger.close()
            finally:
                second.stop()


def test_a_gateway_that_moves_to_another_machine_takes_part_when_the_first_one_is_silent(tmp_path):
    with NatsServer() as server:
        with FleetGateway("east", server.url, tmp_path / "east") as first:
            hello(first, "device-1").close()
            assert until(lambda: (first.device("device-1") or {}).get("state") == "closed")
            first.crash()
            shutil.copytree(tmp_path / "east", tmp_path / "moved")
            with FleetGateway("east", server.url, tmp_path / "moved") as second:
                device = hello(second, "device-2")
                assert until(lambda: is_told(server, "device-2"), 20), second.fleet()
                assert not alarms_of(second, "twin_gateway")
                device.close()
