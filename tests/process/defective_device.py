"""A small device client for `holdfast conformance`, with one planted defect: the rule that it must break.

    defective_device.py PORT TOKEN [DEFECT]"""

import json
import re
import socket
import sys
import time

PORT, TOKEN, DEFECT = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
NUMBER = re.compile(rb'.*?"ack":(\d+)')


def has(defect):
    return DEFECT == defect


class Device:
    """Makes an item every 10 ms, and keeps all of them, so that a defect can bring a released item back."""

    def __init__(self):
        self.made = []
        self.safe = self.connections = 0
        self.pause = 0.1
        self.retry_at = None

    def make(self):
        n = len(self.made) + 1
        item = {"ip": "10.0.0.1", "n": n, "seq": n}
        if has("key"):
            del item["ip"]
        if has("seq"):
            item["seq"] = str(n)
        self.made.append(json.dumps(item).encode() + b"\n" + (b"garbage\n" if has("framing") and n % 5 == 0 else b""))

    def hello(self):
        number = self.connections if has("hello_id") or has("hello_session") else 0
        hello = {"id": f"device-{number if has('hello_id') else 0}", "session": f"s-{number}", "from": 1 if has("hello_from") else self.safe + 1,
                 "token": "wrong" if has("hello_token") else TOKEN}
        if has("hello_size"):
            hello["pad"] = "x" * 1024
        return json.dumps({"hello": hello}).encode() + b"\n"

    def run(self):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", PORT)) as connection:
                    self.connections += 1
                    self.talk(connection)
            except OSError:
                if has("repeat"):
                    self.safe = len(self.made)
            wait = self.pause if self.retry_at is None or has("retry_after") else self.retry_at - time.monotonic()
            self.pause = 0.05 if has("back_off") else min(5, self.pause * 2)
            if self.retry_at is not None:
                self.retry_at, self.pause = None, 0.05 if has("back_off") else 0.1
            time.sleep(max(0, wait))

    def talk(self, connection):
        connection.settimeout(0.01)
        if has("hello_first") and self.connections > 1:
            connection.sendall(b'{"ip":"10.0.0.1","seq":1}\n')
        connection.sendall(self.hello())
        self.next, self.rest, self.told_at, self.ended = None, b"", time.monotonic(), False
        second = None
        while not self.ended:
            self.make()
            self.write(connection)
            self.read(connection)
            if has("one_connection") and second is None and self.next:
                second = socket.create_connection(("127.0.0.1", PORT))
        if has("end"):
            time.sleep(3)
        if has("takeover"):
            self.safe = len(self.made)

    def write(self, connection):
        if self.next is None or self.retry_at is not None:
            return
        if has("ack_delayed") and time.monotonic() > self.told_at + 0.6:
            self.next, self.told_at = self.safe + 1, time.monotonic()
        while self.next <= len(self.made):
            connection.sendall(self.made[self.next - 1])
            self.next += 1 + (has("order") and self.next % 7 == 0)

    def read(self, connection):
        try:
            data = connection.recv(65536)
        except TimeoutError:
            return
        if not data:
            self.ended = True
            if has("half_answer") and (found := NUMBER.match(self.rest)):
                self.safe = int(found[1])
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        if has("split_answer"):
            self.rest = b""  # takes a read for a message
        for line in lines[:1] if has("joined_answers") else lines:
            self.take(line, connection)

    def take(self, line, connection):
        try:
            message = json.loads(line)
        except ValueError:
            return
        if has("unknown_fields") and "ack" in message:
            message["ack"] = int(NUMBER.match(line.replace(b"\\", b""))[1])
        if "resume" in message:
            self.take_resume(message["resume"], connection)
        elif "ack" in message:
            self.take_ack(message["ack"])
        elif "nack" in message:
            self.take_nack(message)
        elif "retry_after_ms" in message:
            self.retry_at = time.monotonic() + message["retry_after_ms"] / 1000
        elif has("other_message"):
            self.ended = True

    def take_resume(self, seq, connection):
        if has("further_resume") and self.next is not None:
            return
        if has("forgotten"):
            self.safe = seq
        elif not has("resume"):
            self.safe = max(self.safe, seq)
        self.next = self.safe + 1
        if has("hello_once"):
            connection.sendall(self.hello())

    def take_ack(self, seq):
        self.told_at = time.monotonic()
        if has("stale_ack"):
            self.safe = seq
        elif has("ack"):
            self.safe = max(self.safe, seq + 1)
        else:
            self.safe = max(self.safe, seq)

    def take_nack(self, message):
        if message["reason"] == "gap":
            if not has("gap"):
                self.next = message["expected"]
        elif has("nack"):
            self.ended = True
        elif has("nack_keeps"):
            self.safe = max(self.safe, message["nack"])


Device().run()
