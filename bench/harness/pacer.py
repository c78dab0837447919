#!/usr/bin/env python3
"""Devices that report independently: one item every 100 us, each at its own moment and from the next connection.

Controlled like `holdfast load --hold`, which sends in ticks of 2 ms, so that a server reads many items per wake-up.
Prints "ready connections=N". A line on standard input begins; its end closes all, and a line of JSON sums up."""

import json
import select
import socket
import sys
import time

IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; Python names it from 3.12 on


def connect(port, number):
    device = socket.socket()
    device.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    device.bind((f"127.3.{number // 250 % 250}.{number % 250 + 1}", 0))
    device.connect(("127.0.0.1", port))
    return device


def send_until_told(devices, per_second):
    interval, sent = 1 / per_second, 0
    items = [b'{"ip":"10.0.%d.%d","status":"online","seq":1}\n' % (n >> 8 & 255, n & 255) for n in range(len(devices))]
    due = time.perf_counter()
    while True:
        if sent % 500 == 0 and select.select([sys.stdin], [], [], 0)[0]:
            return sent
        while time.perf_counter() < due:
            pass
        number = sent % len(devices)
        devices[number].sendall(items[number])
        sent += 1
        due += interval


def main():
    port, connections, per_second = map(int, sys.argv[1:4])
    devices = [connect(port, number) for number in range(connections)]
    print(f"ready connections={connections}", flush=True)
    sys.stdin.readline()
    print("sent items=0 bytes=0", flush=True)
    sent = send_until_told(devices, per_second)
    for device in devices:
        device.close()
    print(json.dumps({"items": sent, "closed_by_peer": 0, "reset_by_peer": 0, "failed": {"total": 0}}), flush=True)


if __name__ == "__main__":
    main()
