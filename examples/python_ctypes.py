#!/usr/bin/env python3
"""A gateway in Python, by libholdfast.so: prints the events of its devices, and answers each item. SIGTERM drains it.

    python_ctypes.py LIBRARY ADDRESS:PORT"""

import ctypes
import signal
import sys

TIMEOUT_MS = 200
SUCCESS, ENDED = 0, -14
CONNECTED, IDENTIFIED, ITEM, BAD_ITEM, CLOSED, HELLO, REFUSED, LOOK_UP = range(1, 9)


class Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def __str__(self):
        return ctypes.string_at(self.data, self.size).decode(errors="replace") if self.size else ""


class Conn(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint64), ("run", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class Event(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("authenticated", ctypes.c_uint32), ("conn", Conn), ("at_ms", ctypes.c_int64),
                *((name, Text) for name in ("listener", "peer", "id", "session", "key", "body", "reason", "detail")),
                ("number", ctypes.c_uint64), ("seq", ctypes.c_uint64), ("error", ctypes.c_int32), ("code", ctypes.c_uint32)]


class Gateway:
    """Owns a server."""

    def __init__(self, library, authenticate=False, durable=False, **options):
        self._lib = ctypes.CDLL(library)
        self._lib.hf_config_create.restype = self._lib.hf_last_error.restype = ctypes.c_void_p
        self._lib.hf_server_send.argtypes = [ctypes.c_void_p, Conn, ctypes.c_char_p, ctypes.c_size_t]
        self._lib.hf_server_address.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
        self._lib.hf_server_accept.argtypes = [ctypes.c_void_p, Conn, ctypes.c_char_p, ctypes.c_uint32]
        self._lib.hf_server_reject.argtypes = [ctypes.c_void_p, Conn, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
        self._lib.hf_server_durable.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
        self._lib.hf_server_answer.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        self._lib.hf_server_apply.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        self._config = ctypes.c_void_p(self._lib.hf_config_create(1))
        self._server = ctypes.c_void_p()
        self._set(options)
        self._check(self._lib.hf_config_set_authenticate(self._config, ctypes.c_size_t(0), authenticate))
        self._check(self._lib.hf_config_set_durable(self._config, durable))
        self._check(self._lib.hf_server_start(self._config, ctypes.byref(self._server)))
        self._events = (Event * 1024)()

    def _set(self, options):
        for name, value in options.items():
            self._check(self._lib.hf_config_set(self._config, name.replace("__", ".").encode(), value.encode()))

    def _check(self, result):
        if result < 0:
            raise RuntimeError(ctypes.string_at(self._lib.hf_last_error()).decode())
        return result

    def address(self):
        text = ctypes.create_string_buffer(64)
        self._check(self._lib.hf_server_address(self._server, 0, text, len(text)))
        return text.value.decode()

    def events(self):
        """Returns the next events, none at the timeout, or None behind the last one."""
        count = self._lib.hf_server_wait_events(self._server, self._events, len(self._events), TIMEOUT_MS)
        return None if count == ENDED else self._events[:self._check(count)]

    def send(self, conn, text):
        return self._lib.hf_server_send(self._server, conn, text, len(text)) == SUCCESS

    def accept(self, hello, device=None, detect_within_ms=0):
        self._check(self._lib.hf_server_accept(self._server, hello.conn, device and device.encode(), detect_within_ms))

    def reject(self, hello, code, text=b""):
        self._check(self._lib.hf_server_reject(self._server, hello.conn, code, None, text, len(text)))

    def durable(self, count):
        """Says that the first `count` events of all outlive a crash."""
        self._check(self._lib.hf_server_durable(self._server, count))

    def answer(self, look_up, seq):
        self._check(self._lib.hf_server_answer(self._server, look_up.number, seq))

    def apply(self, **options):
        """Changes options of the running server, and returns a line for each change."""
        self._set(options)
        report = ctypes.create_string_buffer(65_536)
        self._check(self._lib.hf_server_apply(self._server, self._config, report, len(report)))
        return report.value.decode().splitlines()

    def drain(self):
        self._check(self._lib.hf_server_drain(self._server))

    def close(self):
        self._lib.hf_server_destroy(self._server)
        self._lib.hf_config_destroy(self._config)


def main():
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    gateway = Gateway(sys.argv[1], listener__address=sys.argv[2], reactors="2")
    print("listening on", gateway.address(), flush=True)
    while (events := gateway.events()) is not None:
        for event in events:
            if event.kind == IDENTIFIED:
                print(event.id, "is here", flush=True)
            elif event.kind == ITEM:
                print(event.key, "sent", event.body, flush=True)
                gateway.send(event.conn, b'{"received":%d}' % event.number)
            elif event.kind == CLOSED:
                print("closed:", event.reason, "after", event.number, "items", flush=True)
        if stop:
            gateway.drain()
    gateway.close()


if __name__ == "__main__":
    main()
