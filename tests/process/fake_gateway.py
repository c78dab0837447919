"""Implements the gateway's side of docs/reference/protocol.md in small, for the tests of devices. A crash keeps exactly
what was acknowledged to a device. Answers arrive in pieces, which a device must not take for lines."""

import contextlib
import json
import random
import socket
import threading
import time


class FakeGateway:
    """A listener on loopback. `safe` is what it has acknowledged or may acknowledge, in order, as (id, session, item)."""

    def __init__(self, seed):
        self.safe = []
        self.nacks = 0
        self.forgetful = False
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._last = {}  # (id, session) -> the last number in `safe`
        self._newest = {}  # (id, session) -> its connection
        self._drop = set()  # numbers to lose once, as if they had never arrived
        self._listener = None
        self._connections = set()
        self._threads = []
        self.port = 0
        self.start()

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._go(self._accept, self._listener)

    def crash(self):
        """Resets every connection and forgets what was not safe."""
        with self._lock:
            listener, self._listener = self._listener, None
            doomed, self._connections = self._connections, set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in doomed:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def lose(self, seq):
        self._drop.add(seq)

    def know(self, session, seq):
        """Makes `seq` the last number of (id, session)."""
        self._last[session] = seq

    def items(self):
        with self._lock:
            return [item for _, _, item in self.safe]

    def _go(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    if self._listener is None:
                        connection.close()
                        return
                    self._connections.add(connection)
                self._go(self._serve, connection)

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            lines = self._lines(connection)
            hello = json.loads(next(filter(None, lines), b"{}")).get("hello")
            if not hello:
                return
            name, fresh = (hello["id"], hello["session"]), []
            with self._lock:
                self._newest[name] = connection  # the one before it is superseded
                resume = 0 if self.forgetful else self._last.get(name, 0)
            self._answer(connection, {"resume": resume})
            expected = max(resume + 1, hello.get("from", 1))
            for line in lines:
                if line is None or self._random.random() < 0.05:
                    self._commit(connection, name, fresh)
                if line is None:
                    continue
                item = json.loads(line)
                if item["seq"] in self._drop:
                    self._drop.discard(item["seq"])
                elif item["seq"] > expected:
                    self.nacks += 1
                    self._answer(connection, {"nack": item["seq"], "reason": "gap", "expected": expected})
                elif item["seq"] == expected:
                    fresh.append(item)
                    expected += 1

    @staticmethod
    def _lines(connection):
        """Yields whole lines, and None before a wait for more. Drops a last line without its end."""
        rest = b""
        while True:
            *lines, rest = rest.split(b"\n")
            yield from lines
            yield None
            data = connection.recv(4096)
            if not data:
                return
            rest += data

    def _commit(self, connection, name, fresh):
        if not fresh:
            return
        time.sleep(self._random.random() * 0.005)  # a delay, in which a crash may happen
        with self._lock:
            if connection not in self._connections or self._newest[name] is not connection:
                raise ConnectionError("crashed or superseded")
            self.safe += [(*name, item) for item in fresh]
            self._last[name] = last = fresh[-1]["seq"]
        fresh.clear()
        self._answer(connection, {"ack": last})

    def _answer(self, connection, word):
        text = json.dumps(word, separators=(",", ":")).encode() + b"\n"
        at = self._random.randrange(1, len(text))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(text[:at])
        time.sleep(self._random.random() * 0.001)
        connection.sendall(text[at:])
