"""A client of GET /v1/events."""

import json
import socket
import threading
import urllib.parse

from gateway import PATIENCE


class Follower:
    """Reads the stream on a thread of its own, and keeps what came as (kind, data line). `with` ends it."""

    def __init__(self, gateway, kinds=None, after=None, **filters):
        self.head = b""
        self.messages = []
        self.last_id = None
        self.ended = False
        self._changed = threading.Condition()
        self._sock = socket.create_connection(gateway.admin, timeout=PATIENCE)
        filters |= {"kinds": kinds} if kinds else {}
        query = "?" + urllib.parse.urlencode(filters) if filters else ""
        resume = f"Last-Event-ID: {after}\r\n" if after else ""
        self._sock.sendall(f"GET /v1/events{query} HTTP/1.1\r\nHost: localhost\r\n{resume}"
                           "Connection: close\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        # The first comment confirms the subscription: nothing is missed from now on.
        assert self.wait(lambda: self.head or self.ended) and self.head, "no stream"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the gateway has ended it
        self._thread.join(PATIENCE)
        self._sock.close()

    def wait(self, predicate, timeout=PATIENCE):
        with self._changed:
            self._changed.wait_for(predicate, timeout)
            return predicate()

    def of(self, kind):
        """Returns the documents of one kind so far."""
        return [json.loads(line) for name, line in list(self.messages) if name == kind]

    def _read(self):
        rest = b""
        while True:
            try:
                chunk = self._sock.recv(65536)
            except OSError:
                chunk = b""
            with self._changed:
                if not chunk:
                    self.ended = True
                    self._changed.notify_all()
                    return
                rest += chunk
                while b"\n\n" in rest:
                    block, rest = rest.split(b"\n\n", 1)
                    self._take(block)
                self._changed.notify_all()

    def _take(self, block):
        if not self.head:
            self.head = block
            return
        lines = block.split(b"\n")
        if lines[0].startswith(b":"):
            return
        names = [line.split(b": ", 1)[0] for line in lines]
        assert names == [b"event", b"data", b"id"], block
        self.last_id = lines[2][4:].decode()
        self.messages.append((lines[0][7:].decode(), lines[1][6:]))
