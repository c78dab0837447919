"""The servers side by side, each behind the same few functions."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

PINNED = ["taskset", "-c", "0"]


class Server:
    """A server process pinned to the first core. stop() ends it; use as a context manager."""

    def __init__(self, command, stream, stdout=subprocess.DEVNULL, pin=PINNED):
        self.process = subprocess.Popen([*pin, *command], stdin=subprocess.DEVNULL, bufsize=0,
                                        stdout=subprocess.PIPE if stream == "stdout" else stdout,
                                        stderr=subprocess.PIPE if stream == "stderr" else subprocess.DEVNULL)
        self.output = self.process.stdout or self.process.stderr
        self.unread = b""
        self.pid = self.process.pid

    def read_line(self, pattern, timeout_s=60):
        found = self.find_line(pattern, timeout_s)
        if found:
            return found
        self.process.kill()  # a constructor may be waiting, and no other code would end the process
        raise RuntimeError(f"{self.process.args} did not print {pattern}")

    def find_line(self, pattern, timeout_s):
        """Returns the first match in the lines to come, or None at the timeout."""
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
        return None

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

    def __init__(self, binary, *flags):
        super().__init__([str(binary), *flags, "0"], "stdout")
        self.port = int(self.read_line(r"listening (\d+)")[1])

    def counts(self):
        os.kill(self.pid, signal.SIGUSR1)
        found = self.read_line(r"accepted=(\d+) closed=(\d+) items=(\d+) bad=(\d+)")
        return dict(zip(("accepted", "closed", "items", "bad"), map(int, found.groups())))


class Holdfast(Server):
    """The gateway; with the sink stdout its events go through a pipe to `cat` on the other core."""

    def __init__(self, binary, sink, detect_within="30s", flags=(), port=0, pin=PINNED):
        self.reader = None
        if sink == "stdout":
            self.reader = subprocess.Popen(["taskset", "-c", "1", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        super().__init__([str(binary), "serve", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", "--sink", sink,
                          "--reactors", "1", "--detect-within", detect_within, *flags], "stderr",
                         stdout=self.reader.stdin if self.reader else subprocess.DEVNULL, pin=pin)
        if self.reader:
            self.reader.stdin.close()
        self.port = int(self.read_line(r"listening .*address=\S*:(\d+)")[1])
        self.admin_port = int(self.read_line(r"admin address=\S*:(\d+)")[1])

    def __exit__(self, *anything):
        super().__exit__(*anything)
        if self.reader:
            self.reader.wait()  # its input has ended

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=60)
        try:
            headers = {"Content-Length": str(len(body or ""))} if method == "POST" else {}
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]}")
        return json.loads(text)

    def counts(self):
        status = self.ask("GET", "/v1/status")
        return {"accepted": status["accepted"], "closed": sum(status["closed"].values()), "items": status["items"],
                "bad": sum(status["bad_items"].values())}


class NatsServer(Server):
    """One nats-server with JetStream, on the other core."""

    def __init__(self, directory):
        self.port = free_port()
        super().__init__(["nats-server", "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(directory)], "stderr",
                         pin=["taskset", "-c", "1"])
        self.read_line("Server is ready")


class HoldfastAndNats(Holdfast):
    """The gateway with the sink nats: its events are durable in the spool, and go to JetStream from there."""

    def __init__(self, binary, out):
        self.nats = NatsServer(out / "nats")
        config = out / "nats.toml"
        config.write_text(f'[sink]\ntype = "nats"\npath = "{out / "spool"}"\n[fleet]\nenabled = false\n')
        super().__init__(binary, f"nats:nats://127.0.0.1:{self.nats.port}", flags=["--config", str(config)])

    def __exit__(self, *anything):
        super().__exit__(*anything)
        self.nats.__exit__(*anything)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Mosquitto(Server):
    """The MQTT broker, for idle memory and accepts. Has no counter: its fleet waits for every acknowledgement."""

    def __init__(self, configuration):
        self.port = free_port()
        super().__init__(["mosquitto", "-c", str(configuration), "-p", str(self.port)], "stderr")
        self.read_line(r"running")
