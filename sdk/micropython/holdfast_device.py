"""The device's side of the holdfast protocol (docs/reference/protocol.md) for MicroPython and Python.

    device = Device("gateway.example", 7000, "device-17")
    device.add({"ip": "10.20.30.40", "status": "online"})
    while True:
        device.poll(1000)  # connects, reads and writes, for a second at most

One thread. Keeps items in memory until the gateway acknowledges them."""

import json
import select
import socket
import time

try:
    from os import urandom
except ImportError:
    from random import getrandbits

    def urandom(count):
        """Returns random bytes. On a port without os.urandom, seed the generator with a hardware source."""
        return bytes(getrandbits(8) for _ in range(count))

MAX_SEQ = 2**53 - 1
STABLE_MS = 10000  # a connection that lasted so long resets the back-off
MAX_RETRY_AFTER_MS = 86400000
MAX_READS = 64  # in a row
MAX_GAPS = 3  # of one number in a row
MAX_MESSAGE = 4096  # bytes; a larger one is dropped
LATER = (11, 35, 115, 119, 2, 3)  # errno: EAGAIN, EINPROGRESS; of ssl: SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE

if hasattr(time, "ticks_ms"):
    now_ms, later, since = time.ticks_ms, time.ticks_add, time.ticks_diff
else:
    def now_ms():
        return int(time.monotonic() * 1000)

    def later(start, wait):
        return start + wait

    def since(end, start):
        return end - start


def draw(count):
    """Returns a random number from 0 to count - 1."""
    return int.from_bytes(urandom(4), "big") % count


def backoff(failures, min_ms, max_ms):
    """Returns the wait before an attempt: doubled with each failure, and from half of it to all of it."""
    wait = min(max_ms, min_ms * 2 ** min(failures, 20))
    return wait // 2 + draw(wait - wait // 2 + 1)


def number_in(message, name):
    """Returns a whole number of the message, or None."""
    value = message.get(name)
    return value if type(value) is int and 0 <= value <= MAX_SEQ else None


class Device:
    """One device and its connection. `session` and `first_seq` continue a kept session; otherwise one is drawn."""

    def __init__(self, host, port, id, token=None, session=None, first_seq=1, max_items=256, length=False,
                 on_message=None, on_refused=None, wrap=None, connect_timeout=30, resume_timeout_ms=60000, ack_timeout_ms=120000,
                 min_backoff_ms=250, max_backoff_ms=60000):
        self._address, self._id, self._token = (host, port), id, token
        self.session = session or self._draw_session()
        self.first = first_seq  # number of the oldest kept item
        self.items = []  # texts without their last brace
        self.max_items, self._length = max_items, length
        self._on_message, self._on_refused, self._wrap = on_message, on_refused, wrap
        self._connect_timeout = connect_timeout
        self._resume_timeout_ms, self._ack_timeout_ms = resume_timeout_ms, ack_timeout_ms
        self._backoff_ms = (min_backoff_ms, max_backoff_ms)
        self._kept = session is not None  # items added before the first poll may have been sent
        self._sent_max = first_seq - 1
        self._socket = None
        self._failures = 0
        self._attempts = -1
        self._retry_at = now_ms()
        self._clear()

    @staticmethod
    def _draw_session():
        return "".join("%02x" % byte for byte in urandom(12))

    def _clear(self):
        self._out, self._in, self._skip = b"", b"", 0
        self._next = None  # number of the next item to send; None before the resume
        self._parting, self._gap, self._gaps = False, 0, 0
        self._since = self._acked_at = now_ms()  # the latter also moves while no ack is due

    def add(self, item):
        """Keeps one item, an object or its text. Returns False if the memory is full."""
        if len(self.items) >= self.max_items:
            return False
        text = item if isinstance(item, str) else json.dumps(item)
        text = text.strip().replace("\n", " ").replace("\r", " ")
        if text[:1] != "{" or text[-1:] != "}":
            raise ValueError("an item is a JSON object")
        self.items.append(text[:-1].encode())
        if self._kept:
            self._sent_max = self.first + len(self.items) - 1
        return True

    def pending(self):
        """Returns the number of items that no answer has covered."""
        return len(self.items)

    def close(self):
        """Ends the connection; poll() opens another one."""
        if self._socket is not None:
            self._lose()

    def poll(self, wait_ms):
        """Does what is due, and waits up to wait_ms for more."""
        self._kept = False
        end = later(now_ms(), wait_ms)
        if self._socket is None:
            left = since(self._retry_at, now_ms())
            if left > 0:
                time.sleep(min(left, wait_ms) / 1000)
            if left > wait_ms:
                return
            self._open()
        while self._socket is not None:
            try:
                self._turn(max(0, since(end, now_ms())))
            except OSError:
                self.close()
            if since(end, now_ms()) <= 0:
                return

    def fileno(self):
        """Returns the descriptor to wait for, or -1."""
        return -1 if self._socket is None else self._socket.fileno()

    def _open(self):
        connection = None
        try:
            place = self._next_place()
            connection = socket.socket(place[0])
            connection.settimeout(self._connect_timeout)
            connection.connect(place[-1])
            self._keep_alive(connection)
            self._socket = self._wrap(connection) if self._wrap else connection
            self._socket.setblocking(False)
        except OSError:
            if connection is not None:
                connection.close()
            self._socket = None
            self._wait_before_next()
            return
        self._clear()
        hello = {"id": self._id, "session": self.session, "from": self.first}
        if self._token is not None:
            hello["token"] = self._token
        self._out = self._framed(json.dumps({"hello": hello}).encode())

    def _next_place(self):
        """Returns the next address of the host: the first may be unreachable from here."""
        places = socket.getaddrinfo(self._address[0], self._address[1], 0, socket.SOCK_STREAM)
        self._attempts += 1
        return places[self._attempts % len(places)]

    @staticmethod
    def _keep_alive(connection):
        """Bounds the time in which a lost path is found, where the port has the options."""
        for level, name, value in (("SOL_SOCKET", "SO_KEEPALIVE", 1), ("IPPROTO_TCP", "TCP_NODELAY", 1), ("IPPROTO_TCP", "TCP_KEEPIDLE", 15),
                                   ("IPPROTO_TCP", "TCP_KEEPINTVL", 5), ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
                                   ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 30000)):
            try:
                connection.setsockopt(getattr(socket, level), getattr(socket, name), value)
            except (AttributeError, OSError):
                pass

    def _framed(self, text):
        return len(text).to_bytes(4, "big") + text if self._length else text + b"\n"

    def _wait_before_next(self):
        self._retry_at = later(now_ms(), backoff(self._failures, *self._backoff_ms))
        self._failures += 1

    def _lose(self, new_session=False):
        self._socket.close()
        self._socket = None
        if self._next is not None and since(now_ms(), self._since) >= STABLE_MS:
            self._failures = 0
        if self._parting:  # what the gateway said, but never at once
            soonest = later(now_ms(), backoff(0, *self._backoff_ms))
            self._retry_at = self._retry_at if since(self._retry_at, soonest) > 0 else soonest
        else:
            self._wait_before_next()
        if new_session:  # another device has the same session
            self.session, self.first, self._sent_max = self._draw_session(), 1, 0

    def _turn(self, wait_ms):
        self._fill()
        poller = select.poll()
        poller.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
        poller.poll(min(wait_ms, 1000))
        self._read()
        if self._socket is not None:
            self._write()
        if self._socket is not None and self._is_late():
            self._lose()

    def _is_late(self):
        """Returns whether the resume or an ack does not come, or the time of the next connection has."""
        if self._parting:
            return since(now_ms(), self._retry_at) >= 0
        if self._next is None:
            return since(now_ms(), self._since) >= self._resume_timeout_ms
        return self._next > self.first and since(now_ms(), self._acked_at) >= self._ack_timeout_ms

    def _fill(self):
        last = self.first + len(self.items) - 1
        if self._next == self.first:  # no item waits for its ack
            self._acked_at = now_ms()
        while len(self._out) < 1024 and self._next is not None and self._next <= last and not self._parting:
            text = self.items[self._next - self.first]
            comma = b"" if text.strip() == b"{" else b","
            self._out += self._framed(text + comma + b'"seq":%d}' % self._next)
            self._sent_max = max(self._sent_max, self._next)
            self._next += 1

    def _write(self):
        self._fill()
        try:
            count = self._socket.send(self._out) if self._out else 0
            self._out = self._out[count or 0:]
        except OSError as error:
            if error.args[0] not in LATER:
                self._read()  # acks that came before the end
                raise

    def _read(self):
        """Takes all that has arrived: poll() does not see what TLS has decrypted."""
        for _ in range(MAX_READS):
            try:
                data = self._socket.recv(2048)
            except OSError as error:
                if error.args[0] in LATER:
                    return
                raise
            if not data:
                raise OSError("the gateway has ended the connection")
            self._in += data
            self._take_frames()
            if self._socket is None:
                return

    def _take_frames(self):
        while self._socket is not None:
            frame = self._next_frame()
            if frame is None:
                return
            self._take(frame)

    def _next_frame(self):
        """Returns the next whole frame, empty for one that is too large, or None."""
        if self._length:
            return self._next_of_length()
        end = self._in.find(b"\n")
        if end < 0:
            if len(self._in) > MAX_MESSAGE:
                self._in, self._skip = b"", 1
            return None
        frame, self._in = self._in[:end], self._in[end + 1:]
        if self._skip:
            frame, self._skip = b"", 0
        return frame

    def _next_of_length(self):
        skipped = min(self._skip, len(self._in))
        self._in, self._skip = self._in[skipped:], self._skip - skipped
        if len(self._in) < 4:
            return None
        end = 4 + int.from_bytes(self._in[:4], "big")
        if end > MAX_MESSAGE:
            self._in, self._skip = self._in[4:], end - 4
            return b""
        if end > len(self._in):
            return None
        frame, self._in = self._in[4:end], self._in[end:]
        return frame

    def _take(self, frame):
        try:
            message = json.loads(frame)
        except (ValueError, RuntimeError):  # no JSON, or too deep
            return
        if not isinstance(message, dict):
            return
        resume, ack, nack, expected, retry = (number_in(message, name)
                                              for name in ("resume", "ack", "nack", "expected", "retry_after_ms"))
        if resume is None and ack is None and nack is None and retry is None and self._on_message:
            self._on_message(message)
        if resume is not None:
            again = self._next is not None  # the gateway has replaced its process: items that no ack covers are lost there
            if self._release(resume):
                self._next = self.first
                self._since = self._since if again else now_ms()
        elif ack is not None and self._next is not None and self._release(ack):
            self._gaps = 0
        elif nack is not None and self._next is not None:
            self._refuse(nack, message.get("reason"), expected)
        if retry is not None and self._socket is not None:
            self._parting, self._retry_at = True, later(now_ms(), min(retry, MAX_RETRY_AFTER_MS))

    def _release(self, seq):
        if seq > self._sent_max:  # the number was never sent
            self._lose(new_session=True)
            return False
        self._acked_at = now_ms()
        count = max(0, seq + 1 - self.first)
        self.items = self.items[count:]
        self.first += count
        if self._next is not None:
            self._next = max(self._next, self.first)
        return True

    def _refuse(self, seq, reason, expected):
        if reason == "gap":
            self._gaps = self._gaps + 1 if expected == self._gap else 1
            self._gap = expected
            last = self.first + len(self.items) - 1
            if expected is not None and expected > last + 1:
                self._lose(new_session=True)
            elif expected is None or expected < self.first or self._gaps > MAX_GAPS:
                self._lose()
            else:
                self._next = min(self._next, expected)
        elif reason == "skipped":
            if self.first <= seq < self.first + len(self.items):
                self._lose(new_session=True)  # no ack ever covers that item
        elif self._on_refused:
            self._on_refused(seq, reason)
