"""The servers side by side, each behind the same few functions."""

import http.client
import json
import os
import re
import select
import signal
import subprocess
import time

PINNED = ["taskset", "-c", "0"]


class Server:
    """A server process pinned to the first core. stop() ends it; use as a context manager."""

    def __init__(self, command, stream):
        self.process = subprocess.Popen(PINNED + command, stdin=subprocess.DEVNULL, bufsize=0,
                                        stdout=subprocess.PIPE if stream == "stdout" else subprocess.DEVNULL,
                                        stderr=subprocess.PIPE if stream == "stderr" else subprocess.DEVNULL)
        self.output = self.process.stdout or self.process.stderr
        self.unread = b""
        self.pid = self.process.pid

    def read_line(self, pattern, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            line, newline, rest = self.unread.partition(b"\n")
            if newline:
                self.unread = rest
                found = re.search(pattern, line.decode())
                if found:
                    return found
            elif select.select([self.output], [], [], 0.2)[0]:
                more = self.output.read(4096)
                if not more:
                    break
                self.unread += more
        self.process.kill()  # a constructor may be waiting: nobody else would
        raise RuntimeError(f"{self.process.args} did not print {pattern}")

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.output.close()


class Peer(Server):
    """A server of bench/peers: "listening PORT" at start, a line of counts on SIGUSR1."""

    def __init__(self, binary):
        super().__init__([str(binary), "0"], "stdout")
        self.port = int(self.read_line(r"listening (\d+)")[1])

    def counts(self):
        os.kill(self.pid, signal.SIGUSR1)
        found = self.read_line(r"accepted=(\d+) closed=(\d+) items=(\d+) bad=(\d+)")
        return dict(zip(("accepted", "closed", "items", "bad"), map(int, found.groups())))


class Holdfast(Server):
    def __init__(self, binary, sink):
        super().__init__([str(binary), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--sink", sink,
                          "--reactors", "1", "--detect-within", "30s"], "stderr")
        self.port = int(self.read_line(r"listening .*address=\S*:(\d+)")[1])
        self.admin_port = int(self.read_line(r"admin address=\S*:(\d+)")[1])

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=60)
        try:
            connection.request(method, path, headers={"Content-Length": "0"} if method == "POST" else {})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {body[:200]}")
        return json.loads(body)

    def counts(self):
        status = self.ask("GET", "/v1/status")
        return {"accepted": status["accepted"], "closed": sum(status["closed"].values()), "items": status["items"],
                "bad": sum(status["bad_items"].values())}
