"""Gateways of one fleet under test, their devices as plain sockets, and the state in NATS and the spools."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import tempfile
import time
import urllib.parse

import nats
from gateway import PATIENCE, Gateway, listener, until


class FleetGateway(Gateway):
    """A gateway with the sink `nats` and a name in the fleet. Its spool's directory outlives it."""

    def __init__(self, name, url, directory, lost_after="10s", acks=False, fleet=True,
                 namespace=None, tokens_file=None, more="", **options):
        self.name = name
        self.spool = pathlib.Path(directory)
        self._in_fleet = fleet
        keys = ({"acks": True} if acks else {}) | ({"tokens_file": str(tokens_file)} if tokens_file else {})
        config = listener(**keys) + (
            f'[sink]\ntype = "nats"\nurl = {json.dumps(url)}\npath = {json.dumps(str(self.spool))}\n'
            f'[fleet]\nenabled = {json.dumps(fleet)}\nname = {json.dumps(name)}\nlost_after = {json.dumps(lost_after)}\n{more}[alarm]\nsuspicion = false\n')
        super().__init__(config=config, namespace=namespace, **options)

    def __enter__(self):
        super().__enter__()
        assert not self._in_fleet or until(lambda: self.fleet()["complete"] and self.fleet()["trouble"] is None), self.tail()
        return self

    def fleet(self, **query):
        return self.ask("GET", "/v1/fleet" + (f"?{urllib.parse.urlencode(query)}" if query else ""))

    def device(self, id):
        """Returns the device's row as this gateway sees it, or None."""
        rows = self.fleet(id=id)["devices"]
        return rows[0] if rows else None

    def gateways(self):
        return {row["name"]: row for row in self.fleet(limit=0)["gateways"]}

    def count(self, state, gateway=None):
        return self.fleet(state=state, limit=0, **({"gateway": gateway} if gateway else {}))["total"]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def crash(self):
        self.process.kill()
        self.process.wait()

    def spooled(self):
        """Returns all events of its spool, over HTTP."""
        events, after = [], 0
        while True:
            page = self.ask("GET", f"/v1/spool?after={after}&limit=10000")
            events += page["events"]
            if page["next_after"] == after:
                return events
            after = page["next_after"]

    def lost(self):
        return [event for event in self.spooled() if event.get("reason") == "gateway_lost"]


@contextlib.contextmanager
def gateways(names, url, **options):
    """Starts several gateways at once, and stops those that still run at the end in an orderly way."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-fleet-"))
        yield [stack.enter_context(FleetGateway(name, url, f"{directory}/{name}", **options)) for name in names]


class Device:
    """A socket that has sent its hello."""

    def __init__(self, gateway, id, namespace=None, token=None):
        self.id = id
        with namespace.entered() if namespace else contextlib.nullcontext():
            self.sock = socket.create_connection(gateway.address, timeout=PATIENCE)
        self.peer = "%s:%d" % self.sock.getsockname()[:2]
        self.sock.sendall(json.dumps({"hello": {"id": id} | ({"token": token} if token else {})}).encode() + b"\n")

    def read(self):
        """Returns one message of the gateway, or None at the end of the connection."""
        line = self.sock.makefile("rb").readline()
        return json.loads(line) if line else None

    def ended(self, timeout=PATIENCE):
        self.sock.settimeout(timeout)
        with contextlib.suppress(ConnectionError):
            return self.sock.recv(1) == b""
        return True

    def close(self):
        self.sock.close()


def devices_at(gateway, prefix, count):
    return [Device(gateway, f"{prefix}-{n}") for n in range(count)]


class PresenceLog:
    """Every change of the presence bucket from now on, from any NATS server."""

    def __init__(self, client):
        self._arrived = client.subscribe("$KV.holdfast_presence.>")
        self.changes = []

    def read(self):
        while not self._arrived.empty():
            message = self._arrived.get()
            if message.body:
                self.changes.append((message.subject.rsplit(".", 1)[1], message.json()))
        return self.changes

    def states_of(self, id):
        return [change["state"] for key, change in self.read() if key == nats.token(id)]


def command(client, id, message, timeout=15.0):
    """Returns (answer, seconds)."""
    since = time.monotonic()
    answer = client.request(f"holdfast.cmd.{nats.token(id)}", message, timeout=timeout).json()
    return answer, time.monotonic() - since


def end_by_pid(process):
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
