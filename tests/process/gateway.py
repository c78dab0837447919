"""A `holdfast serve` under test: starts it, reads its events, sends HTTP requests, and ends it by its pid."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from conftest import ROOT
from events import EventLog

BINARY = pathlib.Path(os.environ.get("HOLDFAST_BIN") or ROOT / "build" / "release" / "holdfast").absolute()
SANITIZER_WORDS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:")
# A sanitised binary is slower, and the machine may be busy: for waits that a test does not measure.
PATIENCE = 30.0


def binary():
    if not BINARY.exists():
        raise AssertionError(f"there is no {BINARY}: run script/build, or name the binary in HOLDFAST_BIN")
    return str(BINARY)


def run(*words, timeout=30, command=(), **options):
    """Runs one verb to its end, by `command` if given. Returns the completed process with text output."""
    return subprocess.run([*command, binary(), *words], capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, **options)


def gone(pid):
    """Returns whether the process has ended, collected by its parent or not."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def listener(name="devices", address="127.0.0.1:0", **options):
    """Returns one [[listener]] of a configuration file; json.dumps writes the strings, numbers and booleans of TOML
    too."""
    options = {"name": name, "address": address, **options}
    return "[[listener]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())


# For tests in which many devices go silent together and each must be found in its own time, by the kernel or the sweep.
NO_SUSPICION = "[alarm]\nsuspicion = false\n"


class Gateway:
    """Owns the daemon's process and the threads that read its output. `with` starts it and ends it; leaving the block
    sends SIGTERM and asserts exit 0, one `closed` per `connected`, and no sanitizer report."""

    def __init__(self, *flags, config=None, namespace=None, env=None, descriptors=None, read_events=True,
                 stdout=subprocess.PIPE, binary=None):
        self.events = EventLog()
        self.stderr = collections.deque(maxlen=2000)
        self.ports = {}
        self.admin = None
        self._namespace = namespace
        self._binary = binary
        self._directory = tempfile.TemporaryDirectory(prefix="holdfast-test-")
        self.config_path = pathlib.Path(self._directory.name) / "holdfast.toml"
        self._may_read = threading.Event()
        self._reading = threading.Lock()
        if read_events:
            self._may_read.set()
        self._ready = threading.Condition()
        self.process = subprocess.Popen(self._command(flags, config, descriptors), stdin=subprocess.DEVNULL,
                                        stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        self._threads = [threading.Thread(target=self._read_stderr, daemon=True)]
        if self.process.stdout:
            self._threads.append(threading.Thread(target=self._read_stdout, daemon=True))
        for thread in self._threads:
            thread.start()

    def _command(self, flags, config, descriptors):
        words = [self._binary or binary(), "serve", *map(str, flags)]
        if config is not None:
            self.configure(config)
            words += ["--config", str(self.config_path)]
        elif "--listen" not in flags:
            words += ["--listen", "127.0.0.1:0"]
        if "--admin" not in flags:
            words += ["--admin", "127.0.0.1:0"]
        if descriptors is not None:
            words = ["prlimit", f"--nofile={descriptors}:{descriptors}", *words]
        return self._namespace.command(*words) if self._namespace else words

    # Life

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
            return
        if self.process.poll() is None:
            self.stop()
        self.kill()

    def wait_ready(self):
        """Waits until every port is known: the admin address is logged last."""
        with self._ready:
            self._ready.wait_for(lambda: (self.admin and self.ports) or self.process.poll() is not None, PATIENCE)
        assert self.admin and self.ports, f"the gateway did not come up{self.tail()}"

    def stop(self, within=PATIENCE):
        """Sends SIGTERM, and asserts a clean end and sound events. Returns the seconds that the stop took."""
        self._may_read.set()
        since = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_exit(within)
        took = time.monotonic() - since
        assert code == 0, f"exit code {code} after SIGTERM{self.tail()}"
        self.check_reports()
        assert not self.events.violations, f"events out of order: {self.events.violations[:5]}{self.tail()}"
        assert not self.events.open_ids(), f"no `closed` for {list(self.events.open_ids())[:5]}{self.tail()}"
        return took

    def wait_exit(self, within=PATIENCE):
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within} s{self.tail()}") from None
        for thread in self._threads:
            thread.join(PATIENCE)
        return code

    def kill(self):
        """Kills the process by its pid, whatever its state, and closes the output."""
        self._may_read.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        self._directory.cleanup()

    def check_reports(self):
        reports = [line for line in self.stderr if any(word in line for word in SANITIZER_WORDS)]
        assert not reports, f"sanitizer report: {reports[0]}{self.tail(200)}"

    # Configuration

    def configure(self, config):
        """Replaces the configuration file as a whole; reload() applies it."""
        fresh = self.config_path.with_suffix(".new")
        fresh.write_text(config, encoding="utf-8")
        fresh.replace(self.config_path)

    def reload(self, config=None, expect=200):
        """Writes the file, if given, and returns the answer to POST /v1/reload."""
        if config is not None:
            self.configure(config)
        return self.ask("POST", "/v1/reload", expect)

    # Output

    def _read_stdout(self):
        rest = b""
        arrival = select.poll()
        arrival.register(self.process.stdout, select.POLLIN)
        while True:
            self._may_read.wait()
            arrival.poll()
            with self._reading:
                if not self._may_read.is_set():
                    continue
                chunk = os.read(self.process.stdout.fileno(), 1 << 18)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            self.events.add(lines, time.monotonic())
        if rest:
            self.events.violate(f"the last line has no end: {rest[:200]!r}")

    def pause_reading(self):
        """Stops reading: nothing more is taken from the pipe after the return."""
        self._may_read.clear()
        with self._reading:  # a read that is under way
            pass

    def resume_reading(self):
        self._may_read.set()

    def _read_stderr(self):
        for raw in self.process.stderr:
            line = raw.decode(errors="replace").rstrip("\n")
            with self._ready:
                self.stderr.append(line)
                if match := re.search(r"\blistening listener=(\S+) address=(\S+)", line):
                    self.ports[match[1]] = _address(match[2])
                elif match := re.search(r"\badmin address=(\S+)", line):
                    self.admin = _address(match[1])
                self._ready.notify_all()
        with self._ready:
            self._ready.notify_all()

    def tail(self, lines=25):
        state = self.process.poll()
        text = "\n  ".join(list(self.stderr)[-lines:])
        return f"\ngateway {'runs' if state is None else f'ended with {state}'}; the end of its stderr:\n  {text}"

    def log_lines(self, *words):
        """Returns the lines so far. The effect of a line may be visible before the line is here: use `wait_for_log`
        then."""
        return [line for line in list(self.stderr) if all(word in line for word in words)]

    def wait_for_log(self, *words):
        """Returns the lines with these words, once there is one."""
        found = until(lambda: self.log_lines(*words))
        assert found, f"no line with {words}{self.tail()}"
        return found

    # Requests

    @property
    def address(self):
        """Returns the address of the only, or first, listener."""
        return next(iter(self.ports.values()))

    def admin_flag(self):
        return f"{self.admin[0]}:{self.admin[1]}"

    def request(self, method, path, body=None, timeout=60):
        """Returns (status, parsed JSON or text)."""
        with self._namespace.entered() if self._namespace else contextlib.nullcontext():
            sock = socket.create_connection(self.admin, timeout=timeout)
        connection = http.client.HTTPConnection(*self.admin, timeout=timeout)
        connection.sock = sock
        with contextlib.closing(connection):
            raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Connection": "close"} | ({"Content-Type": "application/json"} if raw is not None else {})
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        kind = answer.getheader("Content-Type") or ""
        return answer.status, json.loads(text) if "json" in kind and text else text

    def ask(self, method, path, expect=200, body=None, timeout=60):
        status, answer = self.request(method, path, body, timeout)
        expected = expect if isinstance(expect, tuple) else (expect,)
        assert status in expected, f"{method} {path}: {status}, not {expect}: {answer}{self.tail()}"
        return answer

    def status(self):
        return self.ask("GET", "/v1/status")

    def wait_status(self, predicate, within=PATIENCE):
        """Returns /v1/status once the predicate is true."""
        deadline = time.monotonic() + within
        while True:
            status = self.status()
            if predicate(status):
                return status
            assert time.monotonic() < deadline, f"the status stays {status}{self.tail()}"
            time.sleep(0.02)

    def send(self, conn, message):
        """Returns the HTTP status of a downlink: 202, or 404 and 429 as the API has it."""
        return self.request("POST", f"/v1/connections/{conn}/messages", message)[0]

    def close_connection(self, conn):
        return self.request("DELETE", f"/v1/connections/{conn}")[0]

    def probe(self, conn, timeout="3s"):
        return self.ask("POST", f"/v1/connections/{conn}/probe?timeout={timeout}")

    def probe_all(self, peer=None, timeout="3s"):
        query = {"timeout": timeout, **({"peer": peer} if peer else {"all": "true"})}
        return self.ask("POST", f"/v1/probe?{urllib.parse.urlencode(query)}")

    def connected(self, peer, since=0.0, timeout=PATIENCE, listener=None):
        """Returns the record of the connection from this peer ("10.2.0.9:51514"), once its `connected` event has
        arrived. A port can be reused: `since` (monotonic) excludes earlier connections, `listener` those of other
        listeners."""
        def latest():
            record = self.events.by_listener.get((listener, peer)) if listener else self.events.by_peer.get(peer)
            return record if record and record.connected_at >= since else None

        record = self.events.wait(latest, timeout)
        assert record, f"no `connected` from {peer}{self.tail()}"
        return record

    def closed(self, record, timeout=PATIENCE):
        assert self.events.wait(lambda: record.closed, timeout), f"no `closed` for {record}{self.tail()}"
        return record

    # Figures of the kernel about the process

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_kib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def status_when_it_answers(self, condition):
        """Returns the status of a gateway under memory pressure, which may reject requests at first."""
        answers = []

        def answered():
            with contextlib.suppress(OSError, AssertionError, http.client.HTTPException):
                answers.append(self.status())
                return condition(answers[-1])

        assert until(answered, PATIENCE), f"{answers[-1:]}{self.tail()}"
        return answers[-1]

    def allow_memory(self, beyond_now):
        """Sets RLIMIT_DATA to so many bytes more than are mapped now."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        limit = (int(re.search(r"VmData:\s+(\d+)", text)[1]) << 10) + beyond_now
        resource.prlimit(self.process.pid, resource.RLIMIT_DATA, (limit, limit))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def until(condition, timeout=PATIENCE, every=0.02):
    """Polls a condition without an event; returns its last value."""
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(every)
    return value
