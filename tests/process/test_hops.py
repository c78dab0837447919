"""Devices that change their gateway faster than the fleet's records, and the connections that remain when they stay."""

import random
import threading
import time

import pytest

import nats
from fleet import Device, gateways
from gateway import until
from lab import device as sockets

DEVICES = 180
LEAVES = {"closes": lambda sock: sock.close(), "resets": sockets.reset, "leaves it open": lambda sock: None}


class Hopper(threading.Thread):
    """A device that connects to another gateway every few milliseconds, and stays with its last connection."""

    def __init__(self, id, fleet, leaves, random):
        super().__init__()
        self.id, self.leaves, self._fleet, self._random = id, leaves, fleet, random
        self.place, self.latest, self.left = None, None, []

    def run(self):
        for _ in range(self._random.randint(2, 12)):
            former = self.latest
            self.place = self._random.choice([member for member in self._fleet if member is not self.place])
            self.latest = Device(self.place, self.id)
            if former is not None:
                self.left.append(former)
                LEAVES[self.leaves](former.sock)
            time.sleep(self._random.uniform(0, self._random.choice([0.002, 0.02])))

    def close(self):
        for one in [*self.left, self.latest]:
            one.close()


def held_by(fleet):
    """Returns the connections of each device, by the gateways that hold them."""
    held = {}
    for member in fleet:
        for row in member.ask("GET", "/v1/connections?limit=10000")["connections"]:
            held.setdefault(row.get("id"), []).append((member.name, row["peer"]))
    return held


def online_by(member):
    return {row["id"]: [(row["gateway"], row["peer"])] for row in member.fleet(state="online", limit=10000)["devices"]}


@pytest.mark.parametrize("names", [["east", "west"], ["east", "west", "mid"]], ids=["two", "three"])
def test_devices_that_hop_between_gateways_keep_one_connection(names, seed):
    """The last connection, if the device ends the former. If it leaves all of them open, one remains, and the fleet
    names it."""
    with nats.NatsServer() as server, gateways(names, server.url) as fleet:
        hoppers = [Hopper(f"rover-{n}", fleet, list(LEAVES)[n % 3], random.Random(seed + n)) for n in range(DEVICES)]
        for hopper in hoppers:
            hopper.start()
        for hopper in hoppers:
            hopper.join()

        def wrong():
            held, online = held_by(fleet), [online_by(member) for member in fleet]

            def keeps_one(hopper):
                mine = held.get(hopper.id, [])
                last = [(hopper.place.name, hopper.latest.peer)]
                right = len(mine) == 1 if hopper.leaves == "leaves it open" else mine == last
                return right and all(view.get(hopper.id) == mine for view in online)

            return [(hopper.id, hopper.leaves, hopper.place.name, hopper.latest.peer, held.get(hopper.id),
                     [view.get(hopper.id) for view in online]) for hopper in hoppers if not keeps_one(hopper)]

        until(lambda: not wrong(), every=0.2)
        left = wrong()
        assert not left, f"{len(left)} devices: {left[:5]}"
        for hopper in hoppers:
            hopper.close()
