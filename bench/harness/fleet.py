"""Simulated devices: `holdfast load --hold` on the second core, controlled by lines."""

import json
import pathlib
import re
import subprocess
import sys

PINNED = ["taskset", "-c", "1"]


class Fleet:
    """Connected after construction; send() lets every connection send its items. Closes its connections at the end."""

    def __init__(self, binary, port, connections, items=0, batch=1, rate=0, first_device=0, pin=PINNED):
        self.connections = connections
        work = ["--items", str(items)] if items else []
        command = [str(binary), "load", "--to", f"127.0.0.1:{port}", "--connections", str(connections), *work,
                   "--batch", str(batch), "--source", "127.1.0.0/16", "--hold", "--duration", "10m", "--rate", str(rate), "--seed", "1",
                   "--first-device", str(first_device), "--json"]
        self.start([*pin, *command])

    def start(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.expect(rf"^ready connections={self.connections}$")

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
        """Closes all connections, waits for it, and returns the fleet's summary."""
        if self.process.stdin.closed:
            return None
        self.process.stdin.close()
        summary = json.loads(self.process.stdout.readline())
        self.process.wait()
        if summary["closed_by_peer"] or summary["reset_by_peer"] or summary["failed"]["total"]:
            raise RuntimeError(f"connections were lost: {summary}")
        return summary

    def __exit__(self, kind, *_):
        if kind is None:
            self.leave()
        else:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class MqttFleet(Fleet):
    """MQTT clients (bench/peers/mosquitto/fleet.py); send() lets each one ping."""

    def __init__(self, script, port, connections):
        self.connections = connections
        self.start([*PINNED, sys.executable, str(script), str(port), str(connections)])


class PacedFleet(Fleet):
    """Items at a steady rate from send() to leave(), each at its own moment (pacer.py)."""

    def __init__(self, port, connections, items_per_second):
        self.connections = connections
        self.start([*PINNED, sys.executable, str(pathlib.Path(__file__).parent / "pacer.py"), str(port), str(connections),
                    str(items_per_second)])
