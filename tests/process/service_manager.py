"""The service manager's end of sd_notify(3): a datagram socket that records messages with their times."""

import collections
import pathlib
import socket
import tempfile
import threading
import time

Message = collections.namedtuple("Message", "at variables")


class ServiceManager:
    """Owns the socket and the thread that reads it. `env` is the environment for the service."""

    def __init__(self, watchdog_s=None):
        self._directory = tempfile.TemporaryDirectory(prefix="holdfast-notify-")
        path = str(pathlib.Path(self._directory.name) / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.env = {"NOTIFY_SOCKET": path}
        if watchdog_s is not None:
            self.env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self.messages = []
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while datagram := self._socket.recv(4096).decode():
            variables = dict(line.split("=", 1) for line in datagram.split("\n"))
            with self._came:
                self.messages.append(Message(time.monotonic(), variables))
                self._came.notify_all()

    def wait_for(self, variable, since=0.0, timeout=30.0):
        """Returns the first message with this VARIABLE that arrived after `since` (monotonic)."""
        def found():
            return next((m for m in self.messages if m.at >= since and variable in m.variables), None)

        with self._came:
            message = self._came.wait_for(found, timeout)
        assert message, f"no {variable} within {timeout} s; came: {[m.variables for m in self.messages[-20:]]}"
        return message

    def all_of(self, variable, since=0.0):
        return [m for m in list(self.messages) if m.at >= since and variable in m.variables]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.env["NOTIFY_SOCKET"])
        self._thread.join()
        self._socket.close()
        self._directory.cleanup()
