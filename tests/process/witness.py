"""Well-behaved devices beside an attack, as a process of their own. They send numbered items at a steady pace, receive
downlinks, and read the gateway's events. The attacker's CPU time is thus not counted as the gateway's.

argv: the options as JSON. Prints "ready" once all are connected. After a line on standard input it stops and prints its
samples; at the end of the events it prints what they were."""

import collections
import contextlib
import http.client
import json
import os
import re
import selectors
import socket
import ssl
import sys
import threading
import time

CONN = re.compile(rb'"conn":"([^"]+)"')
PEER = re.compile(rb'"peer":"([^"]+)"')
REASON = re.compile(rb'"reason":"(\w+)"')
MINE = re.compile(rb'"item":\{"ip":"witness-(\d+)","n":(\d+),"t":(\d+)')
LAST_ITEMS_WITHIN = 20.0


class Device:
    def __init__(self, number, options):
        self.number = number
        self.sent = self.seen = 0
        self.rest = b""
        sock = socket.create_connection(options["to"], timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = "{}:{}".format(*sock.getsockname())
        if options["tls"]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        self.sock = sock

    def send(self):
        self.sock.settimeout(20)
        self.sock.sendall(b'{"ip":"witness-%d","n":%d,"t":%d}\n' % (self.number, self.sent, time.monotonic_ns()))
        self.sent += 1

    def receive(self):
        """Reads whole downlinks. Fails if the gateway has ended the connection."""
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            while True:
                data = self.sock.recv(65536)
                if not data:
                    raise ConnectionError(f"the gateway has closed witness {self.number}")
                self.rest += data
        *lines, self.rest = self.rest.split(b"\n")
        return lines


class Events:
    """Reads the gateway's stdout. Every connection has one event at its beginning and one at its end."""

    def __init__(self, devices, samples):
        self.conns = {}  # of the devices, by the peer's name
        self.counts = collections.Counter()
        self.reasons = collections.Counter()
        self.open = set()
        self.wrong = []
        self._devices = devices
        self._samples = samples
        self._rest = b""

    def read(self, descriptor):
        data = os.read(descriptor, 1 << 18)
        now = time.monotonic_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line, now)
        return bool(data)

    def _take(self, line, now):
        kind = line[10:line.index(b'"', 10)].decode()
        self.counts[kind] += 1
        if kind == "item":
            self._take_item(line, now)
            return
        conn = CONN.search(line)[1]
        if kind == "connected":
            self.wrong += [f"{conn} twice"] if conn in self.open else []
            self.open.add(conn)
            self.conns[PEER.search(line)[1].decode()] = conn.decode()
        elif kind == "closed":
            self.wrong += [] if conn in self.open else [f"{conn} was not open"]
            self.open.discard(conn)
            self.reasons[REASON.search(line)[1].decode()] += 1

    def _take_item(self, line, now):
        mine = MINE.search(line)
        if not mine:
            return
        self.counts["of_witness"] += 1
        device, number, sent = self._devices[int(mine[1])], int(mine[2]), int(mine[3])
        if number != device.seen:
            self.wrong.append(f"item {number} of witness {device.number}, not {device.seen}")
        device.seen = number + 1
        self._samples.append((sent / 1e9, (now - sent) / 1e9))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


class Downlinks(threading.Thread):
    """Requests a downlink to each device in turn."""

    def __init__(self, options, conns):
        super().__init__(daemon=True)
        self.asked = self.taken = 0
        self.over = threading.Event()
        self._path = options["admin"]
        self._pause = 1 / options["downlinks_per_second"]
        self._conns = conns

    def run(self):
        connection = UnixConnection(self._path)
        while not self.over.wait(self._pause):
            conn = self._conns[self.asked % len(self._conns)]
            self.asked += 1
            body = b'{"downlink":%d}' % time.monotonic_ns()
            try:
                connection.request("POST", f"/v1/connections/{conn}/messages", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.taken += answer.status == 202
            except (OSError, http.client.HTTPException):  # a server may close between two requests
                connection.close()
                connection = UnixConnection(self._path)
        connection.close()


class Witness:
    def __init__(self, options):
        self._options = options
        self._items, self._downlinks = [], []
        self._devices = [Device(number, options) for number in range(options["devices"])]
        self._events = Events(self._devices, self._items)
        self._poller = selectors.DefaultSelector()
        self._poller.register(options["events"], selectors.EVENT_READ)
        self._poller.register(sys.stdin.fileno(), selectors.EVENT_READ)
        for device in self._devices:
            self._poller.register(device.sock, selectors.EVENT_READ, device)
        self._told = False
        self._ended = False

    def run(self):
        for device in self._devices:
            device.send()
        while self._events.counts["of_witness"] < len(self._devices):
            self._turn(0.1)
        self._asker = Downlinks(self._options, [self._events.conns[device.name] for device in self._devices])
        self._asker.start()
        self._say("ready")
        self._send_until_told()
        self._asker.over.set()
        self._asker.join()
        since = time.monotonic()
        while not self._all_there() and time.monotonic() < since + LAST_ITEMS_WITHIN:
            self._turn(0.05)
        self._say(json.dumps({
            "sent": sum(device.sent for device in self._devices), "arrived": self._events.counts["of_witness"],
            "asked": self._asker.asked, "taken": self._asker.taken, "downlinked": len(self._downlinks), "items": self._items, "downlinks": self._downlinks,
            "lost": [device.number for device in self._devices if self._events.conns[device.name].encode() not in self._events.open]}))
        while not self._ended:
            self._turn(1)
        self._say(json.dumps({"reasons": self._events.reasons, "counts": self._events.counts,
                              "wrong": self._events.wrong[:5] + sorted(map(bytes.decode, self._events.open))[:5]}))

    def _all_there(self):
        return all(device.seen == device.sent for device in self._devices) and len(self._downlinks) >= self._asker.taken

    def _send_until_told(self):
        pause = self._options["every_s"] / len(self._devices)
        due, turn = time.monotonic(), 0
        while not self._told:
            if time.monotonic() < due:
                self._turn(due - time.monotonic())
                continue
            self._devices[turn % len(self._devices)].send()
            turn, due = turn + 1, due + pause

    def _turn(self, patience):
        for key, _ in self._poller.select(max(0.0, patience)):
            if key.data is not None:
                self._receive(key.data)
            elif key.fd == sys.stdin.fileno():
                self._told = True
                self._poller.unregister(key.fd)
            elif not self._events.read(key.fd):
                self._ended = True
                self._poller.unregister(key.fd)

    def _receive(self, device):
        try:
            lines = device.receive()
        except OSError as error:
            self._poller.unregister(device.sock)
            if not self._told:
                self._events.wrong.append(f"{device.name}: {error}")
            return
        now = time.monotonic_ns()
        for line in lines:
            message = json.loads(line)
            if "retry_after_ms" in message:
                continue  # the gateway stops
            asked = message["downlink"]
            self._downlinks.append((asked / 1e9, (now - asked) / 1e9))

    @staticmethod
    def _say(text):
        print(text, flush=True)


if __name__ == "__main__":
    Witness(json.loads(sys.argv[1])).run()
