"""Simulated devices: `holdfast load --hold` on the second core, steered line by line."""

import json
import re
import subprocess

PINNED = ["taskset", "-c", "1"]


class Fleet:
    """Connected once made; send() lets every connection send its items. Closes its connections at the end."""

    def __init__(self, binary, port, connections, items, batch, rate=0):
        self.connections = connections
        self.items = items
        command = [str(binary), "load", "--to", f"127.0.0.1:{port}", "--connections", str(connections), "--items", str(items),
                   "--batch", str(batch), "--source", "127.1.0.0/16", "--hold", "--duration", "10m", "--rate", str(rate), "--seed", "1",
                   "--json"]
        self.process = subprocess.Popen(PINNED + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.expect(rf"^ready connections={connections}$")

    def expect(self, pattern):
        line = self.process.stdout.readline()
        if not re.search(pattern, line):
            raise RuntimeError(f"holdfast load printed {line!r} instead of {pattern}")

    def send(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.expect(r"^sent items=\d+ bytes=\d+$")

    def __enter__(self):
        return self

    def leave(self):
        """Closes all connections and waits for it."""
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        summary = json.loads(self.process.stdout.readline())
        self.process.wait()
        if summary["closed_by_peer"] or summary["reset_by_peer"] or summary["failed"]["total"]:
            raise RuntimeError(f"connections were lost: {summary}")

    def __exit__(self, kind, *_):
        if kind is None:
            self.leave()
        else:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
