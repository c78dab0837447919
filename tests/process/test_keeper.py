"""Connections outlive the process: a worker that is killed loses none, and its keeper starts the next one."""

import datetime
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from gateway import BINARY, Gateway, gone, listener, until
from keeper import answers, config, events_of, field, is_open, is_over, kill_worker, opened_at, registry, restarts, spread, stop_worker, takeover_ms, worker_of
from lab import device
from ports import free_address, free_ports
from service_manager import ServiceManager
from spool_files import read_all

CONNECTIONS = int(os.environ.get("HOLDFAST_KEEPER_CONNECTIONS", "400"))
KILLS = int(os.environ.get("HOLDFAST_KEEPER_KILLS", "6"))
SEED = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().getrandbits(32))


class Devices:
    """Connections that send items without a break, some of them in two parts, on a thread of their own."""

    def __init__(self, gateway, count, randoms):
        self.sockets = [device.connect(gateway.address) for _ in range(count)]
        self.names = [device.name_of(sock) for sock in self.sockets]
        self.sent = [0] * count
        self._random = randoms
        self._rest = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.pause()
        for sock in self.sockets:
            sock.close()

    def pause(self):
        """Ends the stream at the end of an item of each device."""
        self._end.set()
        self._thread.join()
        for at in list(self._rest):
            self._send(at)

    def send_one(self):
        for at in range(len(self.sockets)):
            self._send(at)

    def _item(self, at):
        self.sent[at] += 1
        return f'{{"ip":"10.0.{at >> 8}.{at & 255}","number":{self.sent[at]}}}\n'.encode()

    def _send(self, at):
        text = self._rest.pop(at, None) or self._item(at)
        self.sockets[at].sendall(text)

    def _run(self):
        while not self._end.wait(0.001):
            for at in self._random.sample(range(len(self.sockets)), min(8, len(self.sockets))):
                if at in self._rest or self._random.random() < 0.7:
                    self._send(at)
                    continue
                text = self._item(at)
                cut = self._random.randrange(1, len(text))
                self.sockets[at].sendall(text[:cut])
                self._rest[at] = text[cut:]


def check_events(events, devices, kept):
    """Checks the whole spool: per connection one `connected`, items of its own in their order, and one `closed`."""
    opened, closed, numbers, latest = {}, {}, {}, {}
    places = {name: at for at, name in enumerate(devices.names)}
    for _, event in events:
        conn = event["conn"]
        if event["event"] == "connected":
            assert conn not in opened, f"connected twice: {event}"
            opened[conn] = event["peer"]
        elif event["event"] == "closed":
            assert conn not in closed, f"closed twice: {event}"
            closed[conn] = event
        elif event["event"] == "item":
            assert conn in opened and conn not in closed, f"out of order: {event}"
            at = places.get(event["peer"])
            assert at is not None and event["key"] == f"10.0.{at >> 8}.{at & 255}", f"of another device: {event}"
            assert event["n"] > numbers.get(conn, 0), f"number {event['n']} again: {event}"
            assert event["item"]["number"] > latest.get(conn, 0), f"an item again: {event}"
            numbers[conn], latest[conn] = event["n"], event["item"]["number"]
    assert set(opened) == set(closed), set(opened) ^ set(closed)
    assert {conn for conn in opened if opened[conn] in places} == kept, "ids changed"
    return closed


def test_kills_of_the_worker_lose_no_connection(tmp_path):
    print(f"HOLDFAST_SEED={SEED}")
    randoms = random.Random(SEED)
    sink = ("spool", tmp_path / "spool")
    with Gateway(config=config(sink)) as gateway:
        with Devices(gateway, CONNECTIONS, randoms) as devices:
            assert until(lambda: len(registry(gateway)) == CONNECTIONS)
            before = registry(gateway)
            takeovers = []
            for _ in range(KILLS):
                time.sleep(randoms.uniform(0, 0.5))
                line = kill_worker(gateway)
                assert field(line, "connections_closed") == "0", line
                assert int(field(line, "connections_kept")) == CONNECTIONS, line
                takeovers.append(takeover_ms(gateway, line))
                reconciled = gateway.ask("POST", "/v1/reconciliation")
                assert reconciled["ghosts"] == reconciled["orphans"] == 0, reconciled
            devices.pause()
            after = registry(gateway)
            assert {peer: row["conn"] for peer, row in after.items()} == {peer: row["conn"] for peer, row in before.items()}
            assert all(after[peer]["items"] >= row["items"] for peer, row in before.items())
            assert all(abs(opened_at(after[peer]) - opened_at(row)) < 0.25 for peer, row in before.items())
            devices.send_one()  # ends what a device may have to skip
            devices.send_one()
            assert until(lambda: all(row["items"] > after[peer]["items"] for peer, row in registry(gateway).items())), \
                f"no items{gateway.tail()}"
            assert all(is_open(sock) for sock in devices.sockets)
            reconciled = gateway.ask("POST", "/v1/reconciliation")
            assert reconciled["ghosts"] == reconciled["orphans"] == 0, reconciled
            kept = {row["conn"] for row in after.values()}
            bad = sum(gateway.status()["listeners"][0]["bad_items"].values())
            assert bad == 0, gateway.status()["listeners"][0]
            print(f"{CONNECTIONS} connections, {KILLS} kills, takeover: {spread(takeovers)}")
        assert until(lambda: not registry(gateway))
        check_events(read_all(gateway)[0], devices, kept)
        gateway.events.violations.clear()


def totals(gateway):
    """Returns the counters of /metrics by name and labels."""
    lines = gateway.ask("GET", "/metrics").splitlines()
    kinds = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE ")}
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples.items()
            if kinds.get(name.split("{")[0]) == "counter" and "listener=" in name}


def test_totals_do_not_fall(tmp_path):
    first, second = listener("first"), listener("second", framing="length")
    with Gateway(config=config(("spool", tmp_path / "spool"), first, second)) as gateway:
        sock, gone = (device.connect(gateway.ports["first"]) for _ in range(2))
        sock.sendall(device.item("10.0.0.1") + b"nonsense\n")
        gone.close()
        assert until(lambda: len(events_of(gateway, "closed")) == 1)
        assert until(lambda: [e["key"] for e in events_of(gateway, "item")] == ["10.0.0.1"])
        before = until(lambda: (now := totals(gateway))['holdfast_items_total{listener="first"}'] == 1 and now)
        gateway.configure(config(("spool", tmp_path / "spool"), second, first))  # other numbers
        kill_worker(gateway)
        after = totals(gateway)
        assert all(after[name] >= value for name, value in before.items()), {n: (v, after[n]) for n, v in before.items() if after[n] < v}
        assert after['holdfast_connections_accepted_total{listener="first"}'] == 2
        assert after['holdfast_bad_items_total{listener="first",kind="not_json"}'] == 1
        assert after['holdfast_connections_closed_total{listener="first",reason="peer_closed"}'] == 1
        assert gateway.status()["connections"] == 1
        sock.sendall(device.item("10.0.0.1"))
        assert until(lambda: totals(gateway)['holdfast_items_total{listener="first"}'] == 2)


def test_a_restart_is_told_by_an_alarm_and_by_the_status(tmp_path):
    with Gateway(config=config(("none",))) as gateway:
        assert gateway.status()["takeover"] is None
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        kill_worker(gateway)
        takeover = until(lambda: gateway.status()["takeover"])
        assert (takeover["processes"], takeover["kept"], takeover["closed"]) == (1, 1, 0), takeover
        summary = f"worker restarted, 1 connection kept, {takeover['downtime_ms']}ms"
        active = until(lambda: gateway.ask("GET", "/v1/alarms")["active"])
        assert [(alarm["alarm"], alarm["summary"]) for alarm in active] == [("worker_restarted", summary)]
        shown = subprocess.run([BINARY, "status", "--admin", gateway.admin_flag()], capture_output=True, text=True, timeout=30, check=True)
        assert f"keeper         {summary}\n" in shown.stdout, shown.stdout
        assert is_open(sock)


def test_queued_messages_are_lost_and_the_connection_stays(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        row = next(iter(registry(gateway).values()))
        number, is_full = 0, False
        while not is_full and gateway.ask("GET", f"/v1/connections/{row['conn']}")["downlink_queue_bytes"] == 0:
            for _ in range(500):
                message = {"number": number + 1, "text": "x" * 2000}
                answer = gateway.ask("POST", f"/v1/connections/{row['conn']}/messages", (202, 429), message)
                is_full = "error" in answer
                if is_full:
                    break
                number += 1
        line = kill_worker(gateway)
        sock.settimeout(2)
        data = b""
        try:
            while more := sock.recv(1 << 20):
                data += more
        except TimeoutError:
            pass
        whole = data.endswith(b"\n")
        kept = (field(line, "connections_kept"), field(line, "connections_closed"))
        assert kept == (("1", "0") if whole else ("0", "1")), (kept, data[-100:])
        assert [json.loads(each)["number"] for each in data.split(b"\n")[:-1]] == list(range(1, data.count(b"\n") + 1))
        assert data.count(b"\n") < number
        if whole:
            assert gateway.status()["listeners"][0]["lost_output"] == 1


def test_two_kills_in_a_row_and_one_at_the_start(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        sockets = [device.connect(gateway.address) for _ in range(50)]
        assert until(lambda: len(registry(gateway)) == 50)
        conns = {row["conn"] for row in registry(gateway).values()}
        for pause in (0.0, 0.002, 0.01, 0.03, 0.06):
            former = worker_of(gateway)
            kill_worker(gateway, wait=False)
            fresh = until(lambda: (worker_of(gateway) or former) != former and worker_of(gateway))
            time.sleep(pause)  # in the start, the recovery of the spool, or the adoption
            kill_worker(gateway, wait=False)
            assert until(lambda: gone(fresh))
        kill_worker(gateway)
        assert {row["conn"] for row in registry(gateway).values()} == conns
        assert all(is_open(sock) for sock in sockets)


def test_connections_that_wait_in_the_backlog_are_accepted(tmp_path):
    with Gateway(config=config(("none",))) as gateway:
        stop_worker(gateway)
        waiting = [device.connect(gateway.address) for _ in range(100)]
        for at, sock in enumerate(waiting):
            sock.sendall(device.item(f"10.0.0.{at}"))
        kill_worker(gateway, wait=False)
        assert until(lambda: restarts(gateway)), gateway.tail()
        assert until(lambda: answers(gateway) and len(registry(gateway)) == 100), gateway.tail()
        assert until(lambda: all(row["items"] == 1 for row in registry(gateway).values()))


def test_an_end_while_no_worker_runs_has_its_own_reason(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        leaving, resetting, staying = (device.connect(gateway.address) for _ in range(3))
        assert until(lambda: len(events_of(gateway, "connected")) == 3)
        names = {device.name_of(leaving): "peer_closed", device.name_of(resetting): "peer_reset"}
        stop_worker(gateway)
        leaving.sendall(device.item("10.0.0.1"))
        leaving.close()
        device.reset(resetting)
        kill_worker(gateway)
        assert until(lambda: len(registry(gateway)) == 1)
        assert until(lambda: {e["peer"]: e["reason"] for e in events_of(gateway, "closed")} == names)
        assert [e["key"] for e in events_of(gateway, "item")] == ["10.0.0.1"]
        assert is_open(staying)


def test_an_item_that_is_cut_by_the_crash_is_skipped(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        sock = device.connect(gateway.address)
        sock.sendall(device.item("10.0.0.1") + b'{"ip":"10.0.')
        assert until(lambda: events_of(gateway, "item"))
        line = kill_worker(gateway)
        assert field(line, "resynchronized") == "1", line
        conn = next(iter(registry(gateway).values()))["conn"]
        assert len(gateway.log_lines("lost a part of an item", f"connection={conn}")) == 1, gateway.tail()
        sock.sendall(b'0.2"}\n' + device.item("10.0.0.3"))
        assert until(lambda: [row["items"] for row in registry(gateway).values()] == [2])
        assert until(lambda: [e for e in events_of(gateway, "item") if e["key"] == "10.0.0.3"]), read_all(gateway)
        assert [e["key"] for e in events_of(gateway, "item")] == ["10.0.0.1", "10.0.0.3"]
        figures = gateway.status()["listeners"][0]
        assert (figures["kept"], figures["resynchronized"], sum(figures["bad_items"].values())) == (1, 1, 0)


def test_the_deadline_of_an_item_does_not_run_while_it_is_skipped(tmp_path):
    with Gateway(config=config(("none",), listener(item_deadline="1s", detect_within="3s"))) as gateway:
        sock = device.connect(gateway.address)
        sock.sendall(b'{"ip":"10.0.')
        assert until(lambda: [row["bytes_in"] for row in registry(gateway).values()] == [12])
        kill_worker(gateway)
        time.sleep(2.5)
        assert is_open(sock)


def test_a_framing_that_cannot_be_resynchronized_ends_as_gateway_crashed(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), listener(framing="length"))) as gateway:
        cut, whole = (device.connect(gateway.address) for _ in range(2))
        cut.sendall(b"\0\0\0\x0f{")
        assert until(lambda: sorted(row["bytes_in"] for row in registry(gateway).values()) == [0, 5])
        kill_worker(gateway)
        assert until(lambda: len(registry(gateway)) == 1)
        ends = [(device.name_of(cut), "gateway_crashed")]
        assert until(lambda: [(e["peer"], e["reason"]) for e in events_of(gateway, "closed")] == ends)
        assert is_open(whole)


def test_listeners_are_known_by_name(tmp_path):
    first, second = listener("first"), listener("second", framing="length")
    with Gateway(config=config(("spool", tmp_path / "spool"), first, second)) as gateway:
        socks = {name: device.connect(gateway.ports[name]) for name in ("first", "second")}
        peers = {device.name_of(sock): name for name, sock in socks.items()}
        assert until(lambda: len(registry(gateway)) == 2)
        ports = dict(gateway.ports)
        gateway.configure(config(("spool", tmp_path / "spool"), second, first))  # and no reload
        kill_worker(gateway)
        assert {row["peer"]: row["listener"] for row in registry(gateway).values()} == peers
        assert gateway.ports == ports


def test_too_many_crashes_give_the_connections_up(tmp_path):
    with Gateway(config=config(("spool", tmp_path / "spool"), crashes=3)) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: events_of(gateway, "connected"))
        kill_worker(gateway)
        kill_worker(gateway, signal.SIGABRT)
        assert is_open(sock)
        ports = len(gateway.log_lines(" listening "))
        # A sanitizer ends the process in order at SIGSEGV.
        kill_worker(gateway, signal.SIGABRT if os.environ.get("HOLDFAST_SANITIZED") else signal.SIGSEGV, wait=False)
        gateway.wait_for_log("closing all connections")
        assert is_over(sock)
        assert until(lambda: len(gateway.log_lines(" listening ")) > ports and answers(gateway))
        assert until(lambda: [e["reason"] for e in events_of(gateway, "closed")] == ["gateway_lost"])


def test_connections_wait_while_no_worker_can_start(tmp_path):
    right = config(("none",), crashes=2)
    with Gateway(config=right) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        conns = {row["conn"] for row in registry(gateway).values()}
        gateway.configure(right + "mistake = 1\n")  # and no reload
        kill_worker(gateway, wait=False)
        assert until(lambda: len(gateway.log_lines("worker could not start")) >= 4), gateway.tail()
        assert is_open(sock)
        gateway.configure(right)
        assert until(lambda: restarts(gateway) and answers(gateway), 20), gateway.tail()
        assert {row["conn"] for row in registry(gateway).values()} == conns
        assert is_open(sock)


class AdminToken:
    """An admin token file that cannot be used for a while."""

    def __init__(self, folder):
        self.path = folder / "admin-token"
        self.repair(None)
        self.path.chmod(0o600)
        self.config = f'[admin]\ntoken_file = "{self.path}"\nhealth = "{free_address()}"\n'

    def break_it(self, _):
        self.path.write_text("short\n")

    def repair(self, _):
        self.path.write_text("a-token-of-sixteen-and-more\n")


class AdminPort:
    """A port of the health checks that another program has for a while."""

    def __init__(self, _):
        self.port = free_ports(1)[0]
        self.config = f'[admin]\nhealth = "127.0.0.1:{self.port}"\n'
        self.taken = socket.create_server(("127.0.0.1", 0))

    def break_it(self, gateway):
        gateway.configure(gateway.config_path.read_text().replace(str(self.port), str(self.taken.getsockname()[1])))

    def repair(self, _):
        self.taken.close()


class ListenerPort(AdminPort):
    """A port of the second listener, likewise. The sockets of the first one have been taken over by then."""

    def __init__(self, folder):
        super().__init__(folder)
        self.config = listener("second", address=f"127.0.0.1:{self.port}")


@pytest.mark.parametrize("part", [AdminToken, AdminPort, ListenerPort])
def test_a_start_that_fails_late_closes_no_connection_and_no_queue(tmp_path, part):
    part = part(tmp_path)
    with Gateway(config=config(("stdout",)) + part.config) as gateway:
        seen = gateway.events
        sock = device.connect(gateway.ports["devices"])
        assert until(lambda: len(seen.by_id) == 1)
        worker = stop_worker(gateway)
        waiting = [device.connect(gateway.ports["devices"]) for _ in range(20)]
        sock.sendall(device.item("10.0.0.1"))
        part.break_it(gateway)
        os.kill(worker, signal.SIGKILL)
        assert until(lambda: len(gateway.log_lines("worker could not start")) >= 2), gateway.tail()
        assert all(is_open(each) for each in [sock, *waiting])
        part.repair(gateway)
        assert until(lambda: restarts(gateway)), gateway.tail()
        assert until(lambda: len(seen.by_id) == 21), gateway.tail()
        assert until(lambda: seen.item_count == 1), "read by a worker that could not start"
        assert seen.closed_count() == 0 and all(is_open(each) for each in [sock, *waiting])
        seen.violations.clear()  # the line end of the next worker


def ignore_children_and_lose_stderr():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def test_the_keeper_outlives_its_reader_of_stderr_and_an_ignored_sigchld(tmp_path):
    address = free_address()
    path = tmp_path / "holdfast.toml"
    path.write_text(config(("none",), listener(address=address)))
    process = subprocess.Popen([BINARY, "serve", "--config", path, "--admin", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               preexec_fn=ignore_children_and_lose_stderr)
    try:
        assert any(b" listening " in line for line in process.stderr)
        process.stderr.close()
        host, port = address.split(":")
        sock = device.connect((host, int(port)))
        for _ in range(2):
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
            former = children.read_text().strip()
            os.kill(int(former), signal.SIGKILL)
            assert until(lambda: process.poll() is not None or children.read_text().strip() not in ("", former), 10), "no other worker"
            assert process.poll() is None, process.returncode
        assert is_open(sock)
    finally:
        process.kill()
        process.wait()


def test_a_limit_of_processes_is_no_end_of_the_keeper():
    with tempfile.TemporaryDirectory() as folder, Gateway("--config", readable(folder, config(("none",), user="nobody"))) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        before, _ = resource.getrlimit(resource.RLIMIT_NPROC)  # inherited by the keeper
        limit_processes(gateway, "0")
        kill_worker(gateway, wait=False)
        assert until(lambda: len(gateway.log_lines("cannot start a worker: clone")) >= 2), gateway.tail()
        assert is_open(sock)
        limit_processes(gateway, "unlimited" if before == resource.RLIM_INFINITY else before)
        assert until(lambda: restarts(gateway) and answers(gateway)), gateway.tail()
        assert until(lambda: len(registry(gateway)) == 1)
        assert is_open(sock)


def limit_processes(gateway, number):
    """Sets the soft limit as the keeper's user, which needs no capability."""
    subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "prlimit", f"--pid={gateway.process.pid}", f"--nproc={number}:"],
                   check=True, timeout=30)


def readable(folder, text):
    """Writes a configuration that each user can read, and returns its path."""
    os.chmod(folder, 0o755)
    path = pathlib.Path(folder) / "holdfast.toml"
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_the_keeper_takes_no_notifications_of_strangers(tmp_path):
    with Gateway(config=config(("none",))) as gateway:
        worker = worker_of(gateway)
        lines = pathlib.Path(f"/proc/{worker}/net/unix").read_text(encoding="ascii").splitlines()
        inodes = {os.readlink(path) for path in pathlib.Path(f"/proc/{worker}/fd").iterdir() if path.is_symlink()}
        named = [line.split() for line in lines[1:] if f"socket:[{line.split()[6]}]" in inodes and len(line.split()) > 7]
        assert not named, named


def test_a_keeper_that_is_killed_takes_its_worker_with_it(tmp_path):
    gateway = Gateway(config=config(("none",)))
    try:
        gateway.wait_ready()
        sock = device.connect(gateway.address)
        worker = worker_of(gateway)
        gateway.process.kill()
        assert until(lambda: gone(worker))
        assert is_over(sock)
    finally:
        gateway.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_both_processes_is_one(tmp_path, number):
    """systemd and a terminal send a signal to both. A second one would stop at once, without reading what has come."""
    with Gateway(config=config(("none",))) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        os.kill(worker_of(gateway), number)
        gateway.process.send_signal(number)
        os.kill(worker_of(gateway) or gateway.process.pid, number)
        assert gateway.wait_exit() == 0, gateway.tail()
        assert len(gateway.log_lines(" stopping ")) == 1 and gateway.log_lines(" stopped"), gateway.tail()
        assert is_over(sock)


def test_the_worker_cannot_be_stopped_without_its_keeper(tmp_path):
    with Gateway(config=config(("none",))) as gateway:
        os.kill(worker_of(gateway), signal.SIGTERM)
        time.sleep(0.3)
        assert answers(gateway) and not gateway.log_lines(" stopping ")
        before = len(gateway.log_lines("reload"))
        gateway.process.send_signal(signal.SIGHUP)
        assert until(lambda: len(gateway.log_lines("reload")) > before), gateway.tail()


def test_an_error_of_the_start_ends_the_keeper():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gateway = Gateway(config=config(("none",), listener(address=f"127.0.0.1:{taken.getsockname()[1]}")))
        assert gateway.wait_exit() == 2
        gateway.kill()


def memory_file(gateway):
    """Returns the path of the keeper's memory file."""
    pid = gateway.process.pid
    return next(path for path in pathlib.Path(f"/proc/{pid}/fd").iterdir() if "holdfast-connections" in os.readlink(path))


def flip_bits(path, count, randoms):
    """Flips bits within the written parts of a sparse file, behind the keeper's own page."""
    with open(path, "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        extents, at = [], 4096
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            extents.append((begin, at))
        for _ in range(count):
            begin, end = randoms.choice(extents)
            place = randoms.randrange(begin, end)
            byte = os.pread(file.fileno(), 1, place)[0]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << randoms.randrange(8)]), place)


@pytest.mark.parametrize("flips", [1, 30, 3000])
def test_flipped_bits_in_the_tables_are_not_trusted(tmp_path, flips):
    print(f"HOLDFAST_SEED={SEED}")
    randoms = random.Random(SEED)
    with Gateway(config=config(("spool", tmp_path / "spool"))) as gateway:
        for _ in range(4):
            sockets = [device.connect(gateway.address) for _ in range(30)]
            assert until(lambda: len(registry(gateway)) >= 30)
            worker = stop_worker(gateway)
            flip_bits(memory_file(gateway), flips, randoms)
            listening, crashes = len(gateway.log_lines(" listening ")), len(gateway.log_lines("error worker crashed"))
            os.kill(worker, signal.SIGKILL)
            assert until(lambda: len(gateway.log_lines(" listening ")) > listening), gateway.tail()
            assert until(lambda: answers(gateway)), gateway.tail()
            assert len(gateway.log_lines("error worker crashed")) == crashes + 1, f"the next worker crashed, too{gateway.tail()}"
            open_here = {device.name_of(sock) for sock in sockets if is_open(sock)}
            assert until(lambda: {peer for peer in registry(gateway)} >= open_here), gateway.tail()
            reconciled = gateway.ask("POST", "/v1/reconciliation")
            assert reconciled["ghosts"] == reconciled["orphans"] == 0, reconciled
            for sock in sockets:
                sock.close()
            assert until(lambda: not registry(gateway)), gateway.tail()


def test_the_service_manager_hears_the_keeper(tmp_path):
    with ServiceManager(watchdog_s=4) as manager, Gateway(config=config(("none",)), env=manager.env) as gateway:
        manager.wait_for("READY")
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        since = time.monotonic()
        kill_worker(gateway)
        manager.wait_for("READY", since)
        assert is_open(sock)
        pings = manager.all_of("WATCHDOG")
        time.sleep(3)
        assert len(manager.all_of("WATCHDOG")) > len(pings)
        gateway.stop()
        assert manager.all_of("STOPPING")


def test_a_worker_that_does_not_turn_is_replaced(tmp_path):
    with ServiceManager(watchdog_s=3) as manager, Gateway(config=config(("none",)), env=manager.env) as gateway:
        sock = device.connect(gateway.address)
        assert until(lambda: len(registry(gateway)) == 1)
        manager.wait_for("READY")
        begin = time.monotonic()
        former = stop_worker(gateway)
        gateway.wait_for_log("worker does not turn")
        assert until(lambda: restarts(gateway) and gone(former)), gateway.tail()
        assert until(lambda: answers(gateway) and len(registry(gateway)) == 1), gateway.tail()
        assert is_open(sock)
        pings = [message.at for message in manager.all_of("WATCHDOG", begin)]
        assert max(after - before for before, after in zip([begin, *pings], [*pings, time.monotonic()])) < 3
