"""Ports for servers that must know theirs before they bind it, or have it again after an outage."""

import contextlib
import itertools
import os
import random
import re
import socket

# Below the kernel's own choice (net.ipv4.ip_local_port_range): no listener at port 0 and no outgoing connection gets
# one of these. Each worker of pytest has a part of its own.
FIRST, PART, PARTS = 10_000, 500, 20
_WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % PARTS
_START = random.SystemRandom().randrange(PART)  # another run's worker with this number begins elsewhere
_offsets = itertools.count()


def free_ports(count):
    """Returns ports that are free, each another than all before."""
    found = []
    while len(found) < count:
        port = FIRST + _WORKER * PART + (_START + next(_offsets)) % PART
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
            found.append(port)
    return found


def free_address():
    return f"127.0.0.1:{free_ports(1)[0]}"
