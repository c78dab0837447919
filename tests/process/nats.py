"""Real nats-servers under test, one or a cluster with JetStream, ended by their pids. Also a small client of NATS in
Python's standard library, with what a test needs of JetStream."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import queue
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from ports import free_ports

PATIENCE = 30.0


class NatsServer:
    """One nats-server with JetStream on loopback, with its own data directory. `with` starts it, and ends it by its
    pid. A test may kill, pause and start it again within the block, with the same port and data."""

    def __init__(self, config="", port=None, name=None, namespace=None):
        self._directory = tempfile.TemporaryDirectory(prefix="holdfast-nats-")
        self.directory = pathlib.Path(self._directory.name)
        self.port = port or free_ports(1)[0]
        self.host = "127.0.0.1"
        self._namespace = namespace
        self.process = None
        self._file = self.directory / "server.conf"
        self._file.write_text(f'{f"server_name: {name}" if name else ""}\n'
                              f'jetstream {{ store_dir: "{self.directory}/data" }}\n{config}\n', encoding="utf-8")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def start(self, wait=True):
        words = ["nats-server", "-c", str(self._file), "-a", self.host, "-p", str(self.port)]
        log = open(self.directory / "log", "ab")  # noqa: SIM115: the process has it
        with log:
            self.process = subprocess.Popen(self._namespace.command(*words) if self._namespace else words,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, f"nats-server ended with {self.process.poll()}:\n{self.tail()}"
            with contextlib.suppress(OSError), self._entered(), \
                    socket.create_connection((self.host, self.port), timeout=1) as sock:
                if sock.recv(4096).startswith(b"INFO "):
                    return
            assert time.monotonic() < end, f"nats-server is not there:\n{self.tail()}"
            time.sleep(0.02)

    def _entered(self):
        return self._namespace.entered() if self._namespace else contextlib.nullcontext()

    def config_text(self):
        return self._file.read_text(encoding="utf-8")

    def rewrite(self, text):
        """Writes its configuration for the next start."""
        self._file.write_text(text, encoding="utf-8")

    def kill(self):
        """Sends SIGKILL: nothing more is written."""
        self.resume()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.kill()
        self._directory.cleanup()

    def tail(self):
        log = self.directory / "log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def client(self, **options):
        return NatsClient(self.host, self.port, **options)


class NatsCluster:
    """A cluster of `count` servers. After `with`, its JetStream has a leader."""

    def __init__(self, size=3, name="test", config=""):
        routes = free_ports(size)
        ports = free_ports(size)
        listed = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
        self.servers = [
            NatsServer(f'cluster {{ name: {name}, listen: "127.0.0.1:{route}", routes: [{listed}] }}\n{config}', port,
                       f"{name}-{n}")
            for n, (port, route) in enumerate(zip(ports, routes))]

    def __enter__(self):
        try:
            for server in self.servers:
                server.start(wait=False)
            for server in self.servers:
                server.wait_ready()
            self.wait_for_jetstream()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.end()

    def wait_for_jetstream(self):
        """Waits until all running servers know a leader of JetStream."""
        end = time.monotonic() + PATIENCE
        while True:
            answers = []
            for server in self.servers:
                if server.process.poll() is None:
                    with contextlib.suppress(OSError, TimeoutError), server.client() as client:
                        answers.append(client.js("INFO", timeout=1))
            if answers and all("error" not in answer for answer in answers):
                return
            assert time.monotonic() < end, f"JetStream has no leader: {answers}\n{self.servers[0].tail()}"
            time.sleep(0.1)

    def wait_until_whole(self, stream="holdfast"):
        """Waits until each server has all of the stream, as an operator must wait between restarts. nats-server 2.9 has
        replicas that never catch up on a busy machine: a restart repairs such a replica."""
        end, restart_at = time.monotonic() + 3 * PATIENCE, time.monotonic() + PATIENCE / 3
        while True:
            behind = None
            with contextlib.suppress(OSError, TimeoutError), self.client() as client:
                behind = client.replicas_behind(stream)
            if behind == []:
                return
            assert time.monotonic() < end, f"{behind} of {stream} do not catch up\n{self.servers[0].tail()}"
            if behind and time.monotonic() > restart_at:
                restart_at = time.monotonic() + PATIENCE / 3
                server = self._named(behind[0])
                server.kill()
                server.start()
            time.sleep(0.1)

    def _named(self, name):
        return self.servers[int(name.rsplit("-", 1)[1])]

    @property
    def url(self):
        return ",".join(server.url for server in self.servers)

    def living(self):
        return next(server for server in self.servers if server.process.poll() is None)

    def client(self, **options):
        return self.living().client(**options)

    def leader_of(self, stream):
        """Returns the server that leads a stream."""
        with self.client() as client:
            name = client.stream_info(stream)["cluster"]["leader"]
        return self._named(name)


@dataclasses.dataclass
class Message:
    subject: str
    body: bytes
    reply: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    status: str = ""  # "503 ..." of the server's own messages
    sequence: int = 0  # of a message from a stream
    pending: int = 0

    def json(self):
        return json.loads(self.body)


class NatsClient:
    """One connection. `with` closes it. Messages of a subscription arrive in a queue.Queue."""

    def __init__(self, host, port, user=None, password=None, token=None, tls=None):
        self._sock = socket.create_connection((host, port), timeout=PATIENCE)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._lock = threading.Lock()
        self._sids = itertools.count(1)
        self._queues = {}
        self._inbox = f"_INBOX.{os.urandom(8).hex()}"
        self._requests = itertools.count(1)
        self.info = json.loads(self._line()[5:])
        if tls:
            self._sock = tls.wrap_socket(self._sock, server_hostname=host)
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "test",
                   "version": "1", "protocol": 1, "name": "test"}
        options |= {"user": user, "pass": password} if user else {}
        options |= {"auth_token": token} if token else {}
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        while (line := self._line()) != b"PONG":
            assert not line.startswith(b"-ERR"), line.decode()
        self._sock.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._answers = self.subscribe(self._inbox + ".*")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._sock.close()

    # Sending

    def _send(self, data):
        with self._lock:
            self._sock.sendall(data)

    def publish(self, subject, body=b"", reply="", headers=None):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        words = f"{subject} {reply}".strip()
        if headers:
            head = b"NATS/1.0\r\n" + b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"
            self._send(f"HPUB {words} {len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n")
        else:
            self._send(f"PUB {words} {len(body)}\r\n".encode() + body + b"\r\n")

    def subscribe(self, subject, group=""):
        sid = next(self._sids)
        self._queues[str(sid)] = arrived = queue.Queue()
        self._send(f"SUB {subject} {group} {sid}\r\n".replace("  ", " ").encode())
        return arrived

    def request(self, subject, body=b"", timeout=5.0, headers=None):
        """Returns the first answer. Raises TimeoutError without an answer, and LookupError without a subscriber."""
        reply = f"{self._inbox}.{next(self._requests)}"
        self.publish(subject, body, reply, headers)
        end = time.monotonic() + timeout
        while True:
            try:
                message = self._answers.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                raise TimeoutError(f"no answer to {subject} within {timeout} s") from None
            if message.subject != reply:
                continue  # late, for an earlier request
            if message.status.startswith("503"):
                raise LookupError(f"nobody answers {subject}")
            return message

    # Reading

    def _more(self):
        chunk = self._sock.recv(1 << 18)
        if not chunk:
            raise ConnectionError("the server has hung up")
        self._buffer += chunk

    def _line(self):
        while b"\r\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, count):
        while len(self._buffer) < count + 2:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count + 2:]
        return data

    def _read(self):
        try:
            while True:
                line = self._line()
                if line.startswith((b"MSG ", b"HMSG ")):
                    self._message(line.decode())
                elif line == b"PING":
                    self._send(b"PONG\r\n")
        except (OSError, ValueError):
            pass

    def _message(self, line):
        kind, subject, sid, *rest = line.split(" ")
        sizes = rest[-2:] if kind == "HMSG" else rest[-1:]
        reply = rest[0] if len(rest) > len(sizes) else ""
        data = self._exactly(int(sizes[-1]))
        head, body = (data[:int(sizes[0])], data[int(sizes[0]):]) if kind == "HMSG" else (b"", data)
        message = Message(subject, body, reply)
        if head:
            first, *lines = head.decode().rstrip("\r\n").split("\r\n")
            message.status = first[len("NATS/1.0"):].strip()
            message.headers = {name: value.strip() for name, value in (entry.split(":", 1) for entry in lines if entry)}
        self._queues[sid].put(message)

    # JetStream

    def js(self, call, body=b"", timeout=5.0):
        """Returns the answer to one call of JetStream's API, an {"error":...} too."""
        try:
            return self.request(f"$JS.API.{call}", body, timeout).json()
        except LookupError:
            return {"error": {"code": 503, "description": "nobody answers"}}

    def add_stream(self, name, subjects, **options):
        answer = self.js(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects, **options})
        assert "error" not in answer, answer
        return answer

    def stream_info(self, name="holdfast"):
        answer = self.js(f"STREAM.INFO.{name}")
        assert "error" not in answer, answer
        return answer

    def stream_size(self, name="holdfast"):
        """Returns the stream's size, 0 without a stream."""
        answer = self.js(f"STREAM.INFO.{name}")
        return answer["state"]["messages"] if "state" in answer else 0

    def replicas_behind(self, name="holdfast"):
        """Returns the servers that lack a part of the stream; None if that is unknown."""
        info = self.js(f"STREAM.INFO.{name}")
        if "state" not in info or not info.get("cluster", {}).get("leader"):
            return None
        return [each["name"] for each in info["cluster"].get("replicas", []) if not each["current"] or each.get("lag")]

    def read_stream(self, name="holdfast", first=1, timeout=PATIENCE):
        """Returns all messages that the stream holds, in order. A replica that serves a consumer reports nothing
        pending after its own last message: only the leader knows whether that is all."""
        end = time.monotonic() + timeout
        while True:
            found = self._read_by_consumer(name, first, timeout) if self.stream_size(name) else []
            state = self.js(f"STREAM.INFO.{name}").get("state", {"messages": 0})
            if not state["messages"] or (found and found[-1].sequence >= state["last_seq"]):
                return found
            assert time.monotonic() < end, f"{len(found)} messages come of {state}"

    def _read_by_consumer(self, name, first, timeout):
        """Reads by an ordered push consumer with flow control."""
        inbox = f"{self._inbox}-{next(self._requests)}"
        arrived = self.subscribe(inbox)
        config = {"deliver_subject": inbox, "deliver_policy": "by_start_sequence", "opt_start_seq": first,
                  "ack_policy": "none", "replay_policy": "instant", "max_deliver": 1, "flow_control": True,
                  "idle_heartbeat": 1_000_000_000, "inactive_threshold": 5_000_000_000, "num_replicas": 1,
                  "mem_storage": True}
        answer = self.js(f"CONSUMER.CREATE.{name}", {"stream_name": name, "config": config})
        assert "error" not in answer, answer
        found, end = [], time.monotonic() + timeout
        while answer["num_pending"] or found:
            message = arrived.get(timeout=max(end - time.monotonic(), 0.001))
            if message.status.startswith("100"):
                if stalled := message.reply or message.headers.get("Nats-Consumer-Stalled"):
                    self.publish(stalled)
                continue
            words = message.reply.split(".")  # $JS.ACK.STREAM.CONSUMER.TRIES.SEQUENCE.NUMBER.TIME.PENDING
            message.sequence, number, message.pending = int(words[5]), int(words[6]), int(words[8])
            assert number == len(found) + 1, f"message {number} behind {len(found)}: some are lost on the way"
            found.append(message)
            if message.pending == 0:
                break
        self.js(f"CONSUMER.DELETE.{name}.{answer['name']}")
        return found

    def events(self, name="holdfast"):
        """Returns [(spool, position, event)] of all that the stream holds, in order, batches taken apart."""
        out = []
        for message in self.read_stream(name):
            spool, position = message.headers["Holdfast-Spool"], int(message.headers["Holdfast-Position"])
            for n, line in enumerate(message.body.rstrip(b"\n").split(b"\n")):
                out.append((spool, position + n, json.loads(line)))
        return out


def tls_context(ca):
    return ssl.create_default_context(cafile=str(ca))


def token(text):
    """As src/forward/message.h."""
    return re.sub(rb"[^A-Za-z0-9_-]", lambda found: b"=%02X" % found[0][0], text.encode()).decode() or "="
