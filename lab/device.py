"""Simulated devices: plain sockets made on the device's side of a lab (or on loopback)."""

import contextlib
import json
import socket
import struct

SO_LINGER_RESET = struct.pack("ii", 1, 0)


def connect(to, *, lab=None, source=None, receive_buffer=None, nodelay=True, timeout=10.0):
    """A connected socket. `source` is an address or (address, port); a small `receive_buffer` makes a small window."""
    with lab.device_side() if lab else contextlib.nullcontext():
        family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if receive_buffer is not None:  # before connect: it decides the window scale that is offered
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if nodelay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.setsockopt(socket.SOL_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            sock.bind(source if isinstance(source, tuple) else (source, 0))
        elif lab:  # a port that no connection to another listener has: the lab silences peers by address and port
            sock.bind(("", 0))
        sock.settimeout(timeout)
        sock.connect(to)
    except BaseException:
        sock.close()
        raise
    return sock


def name_of(sock):
    """The peer's name as the gateway's events print it: "10.2.0.9:51514", "[fd77::2]:51514"."""
    address, port = sock.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def reset(sock):
    """Ends the connection with RST: closing with a linger time of zero (tcp(7), RFC 9293 3.10.4)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)
    sock.close()


def item(key, **fields):
    """One ndjson line as a device would write it."""
    return json.dumps({"ip": key, **fields}, separators=(",", ":")).encode() + b"\n"


def length_framed(payload):
    return struct.pack("!I", len(payload)) + payload
