"""Many devices at once, and actions on them at set times."""

import contextlib
import heapq
import itertools
import pathlib
import threading
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


class Stalls:
    """Notes, within `with`, when the gateway's threads, this process, or one of `processes` waited for a processor. A
    death is then found as much later, and a round trip through the lab's relay is as much longer. `overlap` of a span of
    time is how much of it that was."""

    EVERY_S = 0.02
    LEAST_S = 0.1  # the tests allow for shorter ones

    def __init__(self, gateway, processes=()):
        pids = [gateway.process.pid, *processes]
        self._threads = [thread for pid in pids for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        self._waited = {}
        self.spans = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def overlap(self, begin, end):
        return sum(max(0.0, min(end, after) - max(begin, before)) for before, after in list(self.spans))

    def _run(self):
        latest = time.monotonic()
        while not self._end.wait(self.EVERY_S):
            now = time.monotonic()
            stalled = max(now - latest - self.EVERY_S, self._longest_wait())
            latest = now
            if stalled >= self.LEAST_S:
                self.spans.append((now - stalled, now))

    def _longest_wait(self):
        """Returns the longest time that one of the threads has waited for a processor since the last call."""
        longest = 0.0
        for thread in self._threads:
            with contextlib.suppress(OSError):
                waited = int((thread / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
                longest = max(longest, waited - self._waited.get(thread, waited))
                self._waited[thread] = waited
        return longest


class Member:
    """One device of a population and the gateway's record of it."""

    def __init__(self, sock, record):
        self.sock = sock
        self.record = record
        self.silenced_at = None
        self.silent_at = None
        self.downlinks = []  # (monotonic time, HTTP status)

    def silence(self, lab):
        self.silenced_at = time.monotonic()  # before the command
        lab.silence(self.sock.getsockname())
        self.silent_at = time.monotonic()

    def downlink(self, gateway, message):
        self.downlinks.append((time.monotonic(), gateway.send(self.record.conn, message)))

    @property
    def found_after(self):
        """Returns the seconds from the silence to the end; negative if the end was before the command for it."""
        since = self.silenced_at if self.record.closed_at < self.silenced_at else self.silent_at
        return self.record.closed_at - since


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
