#!/usr/bin/env python3
"""Silent MQTT clients, controlled like `holdfast load --hold`; README.md describes their messages.

Prints "ready connections=N" once all are acknowledged. A line on standard input makes each one ping and wait for the
answer. At the end of standard input all close, and a line of JSON sums up."""

import argparse
import json
import select
import socket
import sys

CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"  # MQTT 3.1.1, clean session, keep-alive off, the broker names the client
CONNACK = b"\x20\x02\x00\x00"
PING = b"\xc0\x00"
PONG = b"\xd0\x00"
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; Python names it from 3.12 on
WINDOW = 64  # unanswered connects: the broker's accept queue holds 100


def connect(port, number):
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((f"127.1.0.{number % 250 + 1}", 0))  # many sources: ports of the last round are still in TIME_WAIT
    client.connect(("127.0.0.1", port))
    client.sendall(CONNECT)
    return client


def expect(client, wanted, timeout_ms=10_000):
    got = b""
    poll = select.poll()
    poll.register(client, select.POLLIN)
    while len(got) < len(wanted) and poll.poll(timeout_ms):
        more = client.recv(len(wanted) - len(got))
        if not more:
            break
        got += more
    if got != wanted:
        sys.exit(f"mqtt fleet: {client.getsockname()} got {got!r} instead of {wanted!r}; is the port a broker's?")


def connect_all(port, count):
    clients = []
    for number in range(count):
        clients.append(connect(port, number))
        if number >= WINDOW:
            expect(clients[number - WINDOW], CONNACK)
    for client in clients[-WINDOW:] if count >= WINDOW else clients:
        expect(client, CONNACK)
    return clients


def gone(clients):
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return len(poll.poll(0))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, help="the broker's, on 127.0.0.1")
    parser.add_argument("connections", type=int)
    options = parser.parse_args()
    try:
        clients = connect_all(options.port, options.connections)
    except OSError as error:
        sys.exit(f"mqtt fleet: no connection to 127.0.0.1:{options.port}: {error}; start the broker, allow enough open files")
    print(f"ready connections={len(clients)}", flush=True)
    for _ in sys.stdin:
        for client in clients:
            client.sendall(PING)
        for client in clients:
            expect(client, PONG)
        print(f"sent items={len(clients)} bytes={len(clients) * len(PING)}", flush=True)
    lost = gone(clients)
    for client in clients:
        client.close()
    print(json.dumps({"closed_by_peer": lost, "reset_by_peer": 0, "failed": {"total": 0}}), flush=True)


if __name__ == "__main__":
    main()
