"""A pause of the gateway is not silence of its devices. Stopped and continued, the gateway closes no living connection
and loses no item. Bytes that it does not read for a while are neither late nor leaked."""

import contextlib
import os
import random
import signal
import socket
import ssl
import threading
import time

import certificates
import tokens
from gateway import Gateway, listener, until
from lab import device
from sidebyside import run_all
from stopped_thread import stopped

HALF = 8  # bytes of an item
MANY = 700  # one epoll_wait(2) of the gateway returns 512


def pause(gateway, seconds):
    gateway.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    gateway.process.send_signal(signal.SIGCONT)


class Senders:
    """Devices that all send one small item in each round, in any state of the gateway. Some send the second half of an
    item only in the next round."""

    def __init__(self, gateway, count, every, halves=0):
        self.sockets = [device.connect(gateway.address) for _ in range(count)]
        self.names = [device.name_of(sock) for sock in self.sockets]
        self.sent = 0
        self.refused = []
        self._halves, self._every = halves, every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        for sock in self.sockets:
            sock.close()

    def stop(self):
        """Completes the half-sent items, too."""
        if self._end.is_set():
            return
        self._end.set()
        self._thread.join(30)
        for sock in self.sockets[:self._halves]:
            sock.sendall(device.item("10.0.0.1", n=0)[HALF:])
            self.sent += 1

    def _send(self):
        # The sample itself must not be late, however busy the machine is.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        number = 0
        while not self._end.wait(self._every):
            number += 1
            for place, sock in enumerate(self.sockets):
                line = device.item("10.0.0.1", n=number)
                halved = place < self._halves
                try:
                    sock.sendall(line if not halved else line[:HALF] if number == 1 else line[HALF:] + line[:HALF])
                except OSError as error:
                    self.refused.append((self.names[place], error))
                    self._halves = 0
                    return
                self.sent += not halved or number > 1


def check_unharmed(gateway, senders, others=0, within=30):
    """Checks that no connection was closed, and that all items arrived once. `others` have sent an item each."""
    closed = [record for record in gateway.events.records() if record.closed]
    assert not closed, f"{len(closed)} closed, as { {r.reason for r in closed} }"
    senders.stop()
    assert not senders.refused, senders.refused[:3]
    assert gateway.events.wait(lambda: gateway.events.item_count >= senders.sent + others, within), \
        f"{gateway.events.item_count} of {senders.sent + others} items{gateway.tail()}"
    assert gateway.events.item_count == senders.sent + others


def stopped_for_longer_than_every_deadline():
    config = listener(read_idle="5s", item_deadline="4s")
    with Gateway("--reactors", "1", config=config) as gateway, Senders(gateway, MANY, 0.4, halves=50) as senders:
        gateway.wait_status(lambda status: status["connections"] == MANY)
        for seconds in (7, 6):
            time.sleep(1)
            pause(gateway, seconds)
        time.sleep(1)
        check_unharmed(gateway, senders)


def stopped_in_a_debugger_while_more_come():
    """Stops one reactor's thread alone. The rest of the process continues, and new connections wait in the backlog."""
    config = listener(read_idle="5s", item_deadline="4s") + listener("others", read_idle="off")
    with Gateway("--reactors", "1", config=config) as gateway, \
            Senders(gateway, 100, 0.3, halves=20) as senders, contextlib.ExitStack() as stack:
        gateway.wait_status(lambda status: status["connections"] == 100)
        with stopped(gateway.process.pid, "reactor-0"):
            for _ in range(600):
                stack.enter_context(device.connect(gateway.ports["others"])).sendall(device.item("10.0.0.9"))
            time.sleep(7)
        check_unharmed(gateway, senders, others=600)


def two_reactors_and_pauses_at_random(seed):
    dice = random.Random(seed)
    config = listener(read_idle="5s", item_deadline="4s")
    with Gateway("--reactors", "2", config=config) as gateway, Senders(gateway, 200, 0.25, halves=60) as senders:
        gateway.wait_status(lambda status: status["connections"] == 200)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pause(gateway, dice.choice((0.02, 0.15, 0.6, 1.2, 6.5)) * dice.uniform(0.8, 1.2))
            time.sleep(dice.choice((0.005, 0.05, 0.3)) * dice.uniform(0.5, 1.5))
        check_unharmed(gateway, senders)


def a_silent_device_is_found_between_pauses():
    """Pauses do not protect the device: the time between them adds up."""
    with Gateway("--reactors", "1", config=listener(read_idle="1s")) as gateway, \
            device.connect(gateway.address) as silent:
        record = gateway.connected(device.name_of(silent))
        for _ in range(20):
            if gateway.events.wait(lambda: record.closed, 0.5):
                break
            pause(gateway, 0.8)
        assert record.reason == "read_idle", gateway.tail()


def before_they_are_open(directory):
    """Begins a PROXY header, a TLS handshake and a hello with a token before the pause. They continue in it for longer
    than the 5 s and 10 s that they may take."""
    file = directory / "devices.tokens"
    file.touch(0o600)
    token = tokens.add(file, "van-17")
    config = (listener("proxied", proxy_protocol="v1", trusted_proxies=["127.0.0.0/8"]) +
              listener("tls", **certificates.own_listener()) + listener("tokens", tokens_file=str(file)))
    with Gateway("--reactors", "1", config=config) as gateway:
        sockets = {name: device.connect(address) for name, address in gateway.ports.items()}
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        arrived, sending = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(arrived, sending)
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()
        words = {"proxied": b"PROXY TCP4 10.9.0.1 127.0.0.1 5000 7000\r\n" + device.item("10.9.0.1"),
                 "tls": sending.read(), "tokens": tokens.hello("van-17", token) + device.item("10.9.0.2")}
        for name, sock in sockets.items():
            sock.sendall(words[name][:20])
        gateway.wait_status(lambda status: status["opening"] == 2 and status["connections"] == 3)
        time.sleep(0.5)
        gateway.process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        for name, sock in sockets.items():
            sock.sendall(words[name][20:])
        time.sleep(6)
        with socket.create_connection(gateway.admin, timeout=20) as health:
            health.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            gateway.process.send_signal(signal.SIGCONT)
            first = health.recv(100)
        # A busy machine may not have given each reactor its first turn yet.
        assert b" 200 " in first or until(lambda: gateway.request("GET", "/healthz")[0] == 200, 5), \
            f"the reactors hang longer than the process did: {first}{gateway.tail()}"
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                bytes_in = sockets["tls"].recv(65_536)
                assert bytes_in, f"the handshake was ended{gateway.tail()}"
                arrived.write(bytes_in)
        session.write(device.item("10.9.0.3"))
        sockets["tls"].sendall(sending.read())
        assert gateway.events.wait(lambda: gateway.events.item_count == 3, 30), gateway.tail()
        assert not [record for record in gateway.events.records() if record.closed]
        for sock in sockets.values():
            sock.close()


def test_a_pause_closes_no_connection_and_loses_nothing(seed, tmp_path):
    table = {"longer than every deadline": stopped_for_longer_than_every_deadline,
             "in a debugger": stopped_in_a_debugger_while_more_come,
             "at random": lambda: two_reactors_and_pauses_at_random(seed),
             "before they are open": lambda: before_they_are_open(tmp_path),
             "silent": a_silent_device_is_found_between_pauses}
    samples = run_all(table, 90)
    for sample in samples.values():
        sample.value(time.monotonic() + 60)
