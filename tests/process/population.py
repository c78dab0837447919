"""Many devices at once, and actions on them at set times."""

import heapq
import itertools
import time

from lab import device


class Timeline:
    """Actions at moments, run in order by the thread that calls run(). Seconds from its start."""

    def __init__(self):
        self._actions = []
        self._order = itertools.count()
        self.latest_s = 0.0  # the largest delay of an action

    def at(self, second, action, *arguments):
        heapq.heappush(self._actions, (second, next(self._order), action, arguments))

    def run(self):
        start = time.monotonic()
        while self._actions:
            second, _, action, arguments = heapq.heappop(self._actions)
            time.sleep(max(0.0, start + second - time.monotonic()))
            self.latest_s = max(self.latest_s, time.monotonic() - start - second)
            action(*arguments)


class Member:
    """One device of a population and the gateway's record of it."""

    def __init__(self, sock, record):
        self.sock = sock
        self.record = record
        self.silenced_at = None
        self.downlinks = []  # (monotonic time, HTTP status)

    def silence(self, lab):
        self.silenced_at = time.monotonic()  # before the command: the strict interpretation
        lab.silence(self.sock.getsockname())

    def downlink(self, gateway, message):
        self.downlinks.append((time.monotonic(), gateway.send(self.record.conn, message)))

    @property
    def found_after(self):
        return self.record.closed_at - self.silenced_at


def connect_all(gateway, count, lab=None, sources=None, to=None, first_item=False):
    """Returns `count` Members; `sources` is cycled through. Waits for every `connected`."""
    sources = itertools.cycle(sources or [None])
    since = time.monotonic()
    sockets = [device.connect(to or gateway.address, lab=lab, source=next(sources)) for _ in range(count)]
    members = [Member(sock, gateway.connected(device.name_of(sock), since)) for sock in sockets]
    if first_item:
        for member in members:
            member.sock.sendall(device.item("10.0.0.1"))
        wanted = [member.record for member in members]
        assert gateway.events.wait(lambda: all(record.items for record in wanted), 30), f"items missing{gateway.tail()}"
    return members


def disconnect_all(members):
    for member in members:
        member.sock.close()
