#!/usr/bin/env python3
"""A device whose items survive a restart of either side, by docs/reference/protocol.md. An item is a line of the input,
on disk until an ack covers it. Ends after the end of the input, once every item is acknowledged.

    echo '{"ip":"10.20.30.40","status":"online"}' | ./device.py 127.0.0.1:7000 device-17 kept.ndjson
"""
import json, os, random, select, socket, sys, time, uuid


class Kept:
    """The unacknowledged items. The file begins with {"session":S,"from":N}. Then come item N, item N + 1 and so on."""
    def __init__(self, path):
        self.path, self.directory = path, os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        self.session, self.first, self.items = uuid.uuid4().hex, 1, []
        if os.path.exists(path):
            head, *self.items = open(path, "rb").read().split(b"\n")[:-1]  # a line without its end was never sent
            self.session, self.first = json.loads(head).values()
        self.rewrite()

    def add(self, texts):
        good = [text for text in texts if text[:1] + text[-1:] == b"{}" or print("no item:", text, file=sys.stderr)]
        texts = [text[:-1] + b"," * (text[1:-1].strip() != b"") + b'"seq":%d}' % n
                 for n, text in enumerate(good, self.first + len(self.items))]
        self.write(texts)
        self.items += texts

    def acknowledge(self, seq):
        count = max(0, seq + 1 - self.first)
        if count > len(self.items):
            sys.exit(f"{self.path} is older than what the gateway has of it: remove it to begin a new session")
        del self.items[:count]
        self.first, self.stale = self.first + count, self.stale + count
        self.stale <= 1000 + len(self.items) or self.rewrite()  # most of the file is stale

    def rewrite(self):
        self.file, self.stale = open(self.path + ".new", "wb"), 0
        self.write([b'{"session":"%s","from":%d}' % (self.session.encode(), self.first), *self.items])
        os.replace(self.path + ".new", self.path)
        os.fsync(self.directory)

    def write(self, lines):
        self.file.write(b"".join(line + b"\n" for line in lines))
        self.file.flush(), os.fsync(self.file.fileno())


class Lines:
    """Whole lines from a descriptor, which returns bytes as they arrive."""
    def __init__(self, descriptor):
        self.descriptor, self.rest, self.ended = descriptor, b"", False

    def read(self):
        self.ended = not (data := os.read(self.descriptor, 65536))
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.strip() for line in lines if line.strip()]


def wait(timeout, *inboxes):
    """Waits until an inbox has something. Keeps the lines of `source`, and returns those of the others."""
    ready, words = select.select([one.descriptor for one in inboxes if not one.ended], [], [], timeout)[0], []
    for one in [each for each in inboxes if each.descriptor in ready]:
        lines = one.read()
        words += map(json.loads, lines) if one is not source else kept.add(lines) or []
    return words


def talk(gateway):
    """Sends until everything is acknowledged. Yields once the gateway has named the first number."""
    inbox, sent = Lines(gateway.fileno()), None  # latest number on this connection
    gateway.sendall(b"%s\n" % json.dumps({"hello": {"id": name, "session": kept.session, "from": kept.first}}).encode())
    while kept.items or not source.ended:
        for word in wait(None, source, inbox):
            kept.acknowledge(word.get("ack", word.get("resume", 0)))
            if "resume" in word:
                sent = kept.first - 1
                yield
            if "nack" in word and sent is not None:
                print(f"item {word['nack']} was refused: {word['reason']}", file=sys.stderr)
                sent = max(word.get("expected", sent + 1), kept.first) - 1  # after a gap: again from there
        if inbox.ended:
            raise ConnectionError("the gateway has closed the connection")
        if sent is not None and (fresh := kept.items[sent + 1 - kept.first:]):
            gateway.sendall(b"\n".join(fresh) + b"\n")
            sent += len(fresh)


address, name, path = sys.argv[1:] if len(sys.argv) == 4 else sys.exit(__doc__)
kept, source, pause = Kept(path), Lines(sys.stdin.fileno()), 0.1
while kept.items or not source.ended:
    try:
        with socket.create_connection(address.rsplit(":", 1), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)  # the gateway is gone
            for _ in talk(connection):
                pause = 0.1
    except OSError as trouble:
        print(f"{trouble}; {len(kept.items)} items wait", file=sys.stderr)
        again = time.monotonic() + pause * random.uniform(0.5, 1)  # a fleet must not reconnect all at once
        pause = min(2 * pause, 30)
        while (left := again - time.monotonic()) > 0:
            wait(left, source)
