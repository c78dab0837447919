"""Emulates a slow wire: two TUN devices, and a process that carries packets between them, each late by half the round
trip.

Replaces netem, which not every kernel has. Without jitter the order of the packets of one direction never changes.
After a shorter delay has been set, a packet still waits for those before it."""

import fcntl
import heapq
import itertools
import os
import pathlib
import random
import select
import struct
import subprocess
import sys
import time

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_LARGEST_PACKET = 65_535
_READS_A_TURN = 512


def open_tun(namespace, name):
    """Returns the descriptor of a new TUN device in `namespace`; the device ends with the descriptor."""
    with namespace.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


class Relay:
    """Owns the process that carries the packets; close() ends it, and the TUN devices with it."""

    def __init__(self, descriptors):
        self._process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__)), *map(str, descriptors)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    @property
    def pid(self):
        return self._process.pid

    def set(self, delay, jitter=0.0, duplicates=0.0):
        """Sets the delay of one way in seconds, the random addition for each packet, and the share of duplicated
        packets. Returns when the setting is in force; packets under way keep the former one."""
        self._process.stdin.write(f"{delay} {jitter} {duplicates}\n".encode())
        self._process.stdin.flush()
        if self._process.stdout.readline() != b"set\n":
            raise RuntimeError("the relay has ended: is its standard error above?")

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class _Lane:
    """One direction: packets in the order in which they are due."""

    def __init__(self, source, target):
        self._source = source
        self._target = target
        self._packets = []
        self._numbers = itertools.count()
        self._latest = 0.0

    def read(self, delay, jitter, duplicates):
        now = time.monotonic()
        for _ in range(_READS_A_TURN):
            try:
                packet = os.read(self._source, _LARGEST_PACKET)
            except BlockingIOError:
                return
            self._add(packet, now + delay, jitter)
            if random.random() < duplicates:
                self._add(packet, now + delay, jitter)

    def _add(self, packet, due, jitter):
        if jitter:
            due += random.uniform(0, jitter)
        else:
            self._latest = due = max(due, self._latest)
        heapq.heappush(self._packets, (due, next(self._numbers), packet))

    def write(self):
        now = time.monotonic()
        while self._packets and self._packets[0][0] <= now:
            try:
                os.write(self._target, heapq.heappop(self._packets)[2])
            except OSError:
                pass  # the device is down or its queue is full: the packet is lost, as on any wire

    def next_due(self):
        return self._packets[0][0] if self._packets else None


def _carry(left, right):
    lanes = {left: _Lane(left, right), right: _Lane(right, left)}
    poller = select.poll()
    for descriptor in (left, right, sys.stdin.fileno()):
        poller.register(descriptor, select.POLLIN)
    shape = (0.0, 0.0, 0.0)  # delay, jitter, duplicates
    commands = b""
    while True:
        dues = [due for due in (lane.next_due() for lane in lanes.values()) if due is not None]
        wait_ms = max(0.0, (min(dues) - time.monotonic()) * 1000) if dues else None
        for descriptor, _ in poller.poll(wait_ms):
            if descriptor in lanes:
                lanes[descriptor].read(*shape)
                continue
            fresh = os.read(descriptor, 4096)
            if not fresh:
                return
            *lines, commands = (commands + fresh).split(b"\n")
            shape = tuple(map(float, lines[-1].split())) if lines else shape
            os.write(sys.stdout.fileno(), b"set\n" * len(lines))
        for lane in lanes.values():
            lane.write()


if __name__ == "__main__":
    _carry(int(sys.argv[1]), int(sys.argv[2]))
