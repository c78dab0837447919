"""Probes of /healthz and /readyz while slow clients without a token crowd the admin port: on that port and on [admin]
health. A calm gateway runs beside each: what the machine does to both is not caused by the crowd."""

import contextlib
import http.client
import re
import resource
import selectors
import socket
import ssl
import threading
import time

import pytest

from certificates import self_signed
from gateway import Gateway, listener, until

PROMISE_S = 1.0
SECONDS = 4.0
LEAST_TURNS = 10


def client_hello():
    """Returns a whole ClientHello, after which the client sends nothing."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return out.read()


# Bytes that a slow client sends at once, and then again and again.
KINDS = {
    "nothing": (b"", b""),
    "heads": (b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
    "request bodies": (b"POST /v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", b" "),
    "answers unread": (b"GET /v1 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 90, b""),
    "handshakes": (client_hello(), b""),
    "half handshakes": (client_hello()[:40], b""),
}


class Slow:
    """Slow clients; each connects again when the gateway closes it. Owns its sockets and its thread."""

    def __init__(self, address, count, kind):
        self.address, self.count = address, count
        self.first, self.more = KINDS[kind]
        self.opened = 0
        # A handshake costs the gateway a signature: slow clients are held here, not a flood of handshakes.
        self.at_once = 10 if kind == "handshakes" else 50
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run)

    def _open(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        sock.settimeout(10)
        try:
            sock.connect(self.address)
            sock.setblocking(False)
            if self.first:
                sock.send(self.first)
        except OSError:
            sock.close()
            return
        self.opened += 1
        # The end is detected while an answer stays unread: urgent data and hang-ups alone would not wake a selector.
        self._selector.register(sock, selectors.EVENT_READ)

    def _ended(self, sock):
        try:
            return self.first.startswith(b"GET /v1 ") is False and sock.recv(4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _run(self):
        next_byte = time.monotonic()
        while not self._over.is_set():
            for _ in range(min(self.at_once, self.count - len(self._selector.get_map()))):
                self._open()
            for key, _ in self._selector.select(0.05):
                if self._ended(key.fileobj):
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
            if self.more and time.monotonic() >= next_byte:
                next_byte = time.monotonic() + 0.5
                for key in list(self._selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(self.more)
            self._over.wait(0.05)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()


@pytest.fixture(autouse=True)
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def config(certificate=None):
    tls = f'tls_certificate = "{certificate[0]}"\ntls_key = "{certificate[1]}"\n' if certificate else ""
    return listener() + f'[admin]\nhealth = "127.0.0.1:0"\n{tls}'


def place_of_health(gateway):
    found = until(lambda: [match for line in list(gateway.stderr) if (match := re.search(r" health address=127\.0\.0\.1:(\d+)", line))])
    assert found, gateway.tail()
    return "127.0.0.1", int(found[0][1])


def probe(address, path, secured, method="GET"):
    """Returns (status, seconds)."""
    began = time.monotonic()
    kind = http.client.HTTPSConnection if secured else http.client.HTTPConnection
    more = {"context": ssl._create_unverified_context()} if secured else {}  # noqa: SLF001
    with contextlib.closing(kind(*address, timeout=10, **more)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began


def probe_all(places, seconds):
    """Probes every place in turn, for so long and LEAST_TURNS times: {place: [(status, seconds)]}."""
    found = {name: [] for name in places}
    end, turns = time.monotonic() + seconds, 0
    while time.monotonic() < end or turns < LEAST_TURNS:
        turns += 1
        for name, (address, secured) in places.items():
            for path in ("/healthz", "/readyz"):
                try:
                    found[name].append(probe(address, path, secured))
                except (OSError, http.client.HTTPException) as error:
                    found[name].append((repr(error), 10.0))
        time.sleep(0.05)
    return found


def third_slowest(rows):
    """Returns the third-largest time: a stall of the machine meets one probe, starvation many."""
    return sorted(took for _, took in rows)[-3]


@pytest.mark.parametrize("kind, count, secured", [
    ("nothing", 64, False), ("heads", 64, False), ("heads", 200, False), ("heads", 1000, False), ("request bodies", 200, False),
    ("answers unread", 200, False), ("answers unread", 1000, False), ("half handshakes", 200, True), ("handshakes", 200, True),
    ("handshakes", 1000, True), ("nothing", 1000, True),
])
def test_probes_are_answered_beside_slow_clients(tmp_path, kind, count, secured):
    certificate = self_signed(tmp_path) if secured else None
    with Gateway(config=config(certificate)) as gateway, Gateway(config=config(certificate)) as calm:
        assert until(lambda: gateway.admin), gateway.tail()
        places = {"admin port": (gateway.admin, secured), "own place": (place_of_health(gateway), False),
                  "calm": (calm.admin, secured)}
        with Slow(gateway.admin, count, kind) as slow:
            assert until(lambda: slow.opened >= count), slow.opened
            found = probe_all(places, SECONDS)
        worst = {name: third_slowest(rows) for name, rows in found.items()}
        print(f"{count} x {kind}: the third slowest of {len(found['own place'])} probes {worst}")
        for name, rows in found.items():
            failed = [row for row in rows if row[0] != 200]
            # A probe that stalls is the oldest connection of the crowd, and the admin port closes the oldest.
            assert len(failed) <= (name == "admin port"), (name, failed[:3], gateway.tail())
            assert worst[name] < max(PROMISE_S, 4 * worst["calm"]), (name, worst)


def test_slow_clients_of_the_own_place_do_not_fail_probes_there():
    with Gateway(config=config()) as gateway, Gateway(config=config()) as calm:
        own = place_of_health(gateway)
        with Slow(own, 1000, "heads") as slow:
            assert until(lambda: slow.opened >= 1000), slow.opened
            found = probe_all({"own": (own, False), "admin": (gateway.admin, False), "calm": (place_of_health(calm), False)}, SECONDS)
        calm_worst = third_slowest(found["calm"])
        for name, rows in found.items():
            assert {status for status, _ in rows} == {200}, (name, rows[:3])
            assert third_slowest(rows) < max(PROMISE_S, 4 * calm_worst), name


def raw(address, request):
    with socket.create_connection(address, timeout=10) as sock:
        sock.sendall(request)
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
        return answer


def test_the_own_place_answers_probes_and_nothing_else():
    with Gateway(config=config()) as gateway:
        place = place_of_health(gateway)
        assert probe(place, "/healthz", False)[0] == 200 and probe(place, "/readyz", False)[0] == 200
        head = raw(place, b"HEAD /healthz HTTP/1.1\r\nHost: any.example\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n") and b"Content-Length: 15\r\n" in head, head
        for path in ("/", "/metrics", "/v1/status", "/v1/connections"):
            assert probe(place, path, False)[0] == 404, path
        assert raw(place, b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        # As strict as the admin port.
        assert raw(place, b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert raw(place, b"GET /healthz HTTP/1.1\nHost: x\n\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert raw(place, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 5000).startswith(b"HTTP/1.1 431 ")
        gateway.ask("POST", "/v1/drain", expect=(200, 202), body={"over": "1s"})
        assert probe(place, "/readyz", False)[0] == 503 and probe(place, "/healthz", False)[0] == 200


def test_the_own_place_may_be_a_unix_socket(tmp_path):
    path = tmp_path / "health.sock"
    with Gateway(config=listener() + f'[admin]\nhealth = "unix:{path}"\n'):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not path.exists()
