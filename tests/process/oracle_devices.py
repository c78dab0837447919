"""Devices of the oracle. One thread drives many connections that speak docs/reference/protocol.md, misbehave at random,
and remember what they sent and what was acknowledged to them."""

import dataclasses
import errno
import json
import random
import selectors
import socket
import threading
import time

LETTERS = "abcdefghijklmnopqrstuvwxyz äöü€😀\\\" \t/"


@dataclasses.dataclass
class Session:
    """One run of a device's numbers. `sent[n - 1]` is item n, byte for byte; the first `acked` of them are safe."""
    device: str
    name: str
    sent: list = dataclasses.field(default_factory=list)
    acked: int = 0
    told: int = 0  # the largest number that a resume or ack has ever named


class Device:
    """A state machine over one socket at a time. Its fleet's thread."""

    def __init__(self, name, seed, fleet):
        self.name, self.fleet = name, fleet
        self.chance = random.Random(f"{seed}/{name}")
        self.sessions = []
        self.socket, self.connected, self.resumed = None, False, False
        self.inbox, self.outbox = b"", b""
        self.retry_at = 0.0
        self.next = 0  # the next number on this connection
        self.renumber()

    @property
    def session(self):
        return self.sessions[-1]

    def renumber(self):
        """Loses its memory: all unacknowledged items are given up, as the protocol allows."""
        self.sessions.append(Session(self.name, f"s{len(self.sessions)}-{self.chance.randrange(2**32)}"))

    def make_item(self):
        session, chance = self.session, self.chance
        text = "".join(chance.choice(LETTERS) for _ in range(chance.choice((0, 5, 40, 200, 900))))
        seq = len(session.sent) + 1
        item = {"ip": f"10.{chance.randrange(9)}.0.1", "by": self.name, "text": text, "seq": seq}
        session.sent.append(json.dumps(item, ensure_ascii=chance.random() < 0.5).encode())

    # The connection

    def connect(self):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.socket.connect_ex(self.fleet.address)
        if code not in (0, errno.EINPROGRESS):
            return self.drop()
        self.fleet.selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        hello = {"hello": {"id": self.name, "session": self.session.name, "from": self.session.acked + 1}}
        self.inbox, self.outbox, self.resumed = b"", json.dumps(hello).encode() + b"\n", False
        return None

    def drop(self, pause=None):
        if self.socket:
            if self.socket.fileno() in self.fleet.selector.get_map():
                self.fleet.selector.unregister(self.socket)
            self.socket.close()
        self.socket = None
        self.retry_at = time.monotonic() + (self.chance.uniform(0.005, 0.06) if pause is None else pause)

    def ready(self, events):
        try:
            if events & selectors.EVENT_READ:
                self.read()
            if self.socket:
                self.fill()
                self.write()
        except OSError:
            self.drop()

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            return self.drop()
        *lines, self.inbox = (self.inbox + data).split(b"\n")
        for line in lines:
            self.take(json.loads(line))
        return None

    def take(self, word):
        session, fleet = self.session, self.fleet
        if "nack" in word:
            fleet.violate(f"{self.name}: refused {word}: it numbers its items as it should")
            return
        if "retry_after_ms" in word:
            return  # the gateway stops
        number = word.get("ack", word.get("resume"))
        if number is None or number > len(session.sent):
            fleet.violate(f"{self.name}: {word} after {len(session.sent)} items")
            return
        if number < session.told:
            fleet.violate(f"{self.name}/{session.name}: {word} after {session.told} had been acknowledged")
        if number > session.acked:
            fleet.note_acks(session, number)
        session.told = session.acked = max(session.acked, number)
        if "resume" in word:
            self.resumed, self.next = True, session.acked + 1

    def fill(self):
        """Queues more to send, while not too much is under way."""
        session = self.session
        if not self.resumed or len(self.outbox) > 8192:
            return
        while len(session.sent) - session.acked < self.fleet.window and not self.fleet.finishing:
            self.make_item()
        fresh = session.sent[self.next - 1:self.next + 31]
        self.outbox += b"".join(item + b"\n" for item in fresh)
        self.next += len(fresh)

    def write(self):
        if self.outbox:
            try:
                sent = self.socket.send(self.outbox[:self.chance.choice((7, 100, 4000, 65536))])
            except BlockingIOError:
                return
            self.outbox = self.outbox[sent:]
        self.fleet.selector.modify(self.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.wants() else 0), self)

    def wants(self):
        return bool(self.outbox) or (self.resumed and self.next <= len(self.session.sent))

    def mishap(self):
        """Cuts its own connection sometimes, often in the middle of an item; rarely forgets its numbers."""
        if self.socket and self.chance.random() < 0.3:
            self.drop()
        elif self.chance.random() < 0.1:
            self.drop()
            self.renumber()

    def safe(self):
        return self.session.acked == len(self.session.sent)


class Fleet:
    """Owns the devices and the thread that drives them. finish() stops new items and waits until all are acknowledged.
    `on_ack` is called on that thread with each number that a session newly receives. With `mishaps`, devices cut their
    connections at random."""

    def __init__(self, address, count, seed, window=40, on_ack=lambda session, number: None, make=Device, mishaps=True):
        self.address, self.window, self.finishing, self.mishaps = address, window, False, mishaps
        self._on_ack = on_ack
        self.selector = selectors.DefaultSelector()
        self.violations = []
        self.acks = 0
        self.devices = [make(f"device-{n}", seed, self) for n in range(count)]
        self._chance = random.Random(f"{seed}/fleet")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def violate(self, text):
        self.violations.append(text)

    def note_acks(self, session, number):
        self.acks += number - session.acked
        self._on_ack(session, number)

    def sessions(self):
        return [session for device in self.devices for session in device.sessions]

    def is_over(self):
        return self._stop.is_set()

    def finish(self, within=60):
        self.finishing = True
        end = time.monotonic() + within
        while not all(device.safe() for device in self.devices):
            if time.monotonic() > end:
                late = [device.name for device in self.devices if not device.safe()]
                self.violate(f"not everything was acknowledged in {within} s: {late[:5]}")
                break
            time.sleep(0.02)
        self._stop.set()
        self._thread.join()
        for device in self.devices:
            device.drop()
        self.selector.close()

    def _run(self):
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001: it must show in the verdict
            self.violate(f"the devices' own thread ended: {error!r}")
            raise

    def _turn(self):
        now = time.monotonic()
        for device in self.devices:
            if device.socket is None and device.retry_at <= now:
                device.connect()
        for key, events in self.selector.select(0.005):
            if key.data.socket is key.fileobj:
                key.data.ready(events)
        for device in self.devices:
            if device.socket and device.resumed and not device.outbox and not self.finishing:
                device.ready(0)  # acks have made room
        if self.mishaps and not self.finishing and self._chance.random() < 0.05:
            self._chance.choice(self.devices).mishap()
