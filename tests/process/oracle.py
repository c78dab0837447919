"""The oracle: devices, consumers and a gateway that is killed at random moments. At the end, the output is compared
with what was acknowledged to the devices. docs/explanation/delivery.md has the promises; a broken one is a violation in
the Verdict."""

import collections
import dataclasses
import json
import os
import random
import subprocess
import threading
import time

from gateway import BINARY, PATIENCE, Gateway, listener, until
from oracle_devices import Fleet
from ports import free_ports

GROUP = "oracle"


@dataclasses.dataclass
class Verdict:
    violations: list
    kills: int = 0
    consumer_kills: int = 0
    acked: int = 0
    items: int = 0
    events: int = 0
    repeated_lines: int = 0  # that the killed consumer received twice, as at-least-once allows
    repeated_positions: int = 0  # in NATS's stream: of batches with other bounds

    def __str__(self):
        return (f"{self.kills} kills of the gateway, {self.consumer_kills} of the consumer, {self.acked} items acked, "
                f"{self.items} delivered in {self.events} events, {self.repeated_lines} lines repeated to the consumer, "
                f"{self.repeated_positions} positions in NATS; "
                f"{len(self.violations)} violations {self.violations[:5]}")


class Daemon:
    """One gateway after another, at the same addresses and with the same spool."""

    def __init__(self, directory, binary, env, sink):
        self._directory, self._binary, self._env, self._sink = directory, str(binary), env, sink
        self._address, self._admin = (f"127.0.0.1:{port}" for port in free_ports(2))
        self.gateway = None

    def start(self, wait=True):
        config = listener(address=self._address, acks=True) + "[admin]\n" + f'address = "{self._admin}"\n' + self._sink
        self.gateway = Gateway("--admin", self._admin, config=config, env=self._env, stdout=subprocess.DEVNULL,
                               binary=self._binary)
        if wait:
            self.gateway.wait_ready()
        return self.gateway

    @property
    def admin(self):
        return self._admin

    @property
    def address(self):
        host, port = self._address.rsplit(":", 1)
        return host, int(port)

    def wait_quiet(self):
        """Waits until no device is connected and every event is durable: then the spool grows no further."""
        self.gateway.wait_status(lambda all_: all_["connections"] == 0 and all_["sink"]["spool"]["waiting_bytes"] == 0)

    def kill(self):
        self.gateway.kill()


class Consumer:
    """`holdfast consume --group`, killed at random and read with pauses. `lines` are the complete ones, in order of
    arrival."""

    def __init__(self, daemon, binary, env, seed):
        self._daemon, self._binary, self._env = daemon, str(binary), {**os.environ, **env}
        self._chance = random.Random(f"{seed}/consumer")
        self._stop = threading.Event()
        self.lines = []
        self.kills = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _command(self, *more):
        return [self._binary, "consume", "--group", GROUP, "--admin", self._daemon.admin, *more]

    def _run(self):
        while not self._stop.is_set():
            # Runs until it is killed, or for so many events: then the end is mostly in the middle of a row.
            if self._chance.random() < 0.5:
                self._one(["--follow"], self._chance.uniform(0.05, 0.8))
            else:
                self._one(["--limit", str(self._chance.choice((1, 7, 50, 400)))], PATIENCE)

    def _one(self, more, patience):
        process = subprocess.Popen(self._command(*more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=self._env)
        # A late read makes its writes wait, so that the kill is in the middle of one.
        killer = threading.Timer(patience, process.kill)
        killer.start()
        rest = b""
        with process.stdout as pipe:
            while chunk := os.read(pipe.fileno(), self._chance.choice((500, 5000, 65536))):
                *lines, rest = (rest + chunk).split(b"\n")
                self.lines += lines
                if self._chance.random() < 0.2:
                    time.sleep(self._chance.uniform(0, 0.05))
        killer.cancel()
        if process.wait() < 0:
            self.kills += 1

    def until_killed(self, more):
        wanted = self.kills + more
        assert until(lambda: self.kills >= wanted), f"{self.kills} kills of the consumer, not {wanted}"

    def finish(self):
        """Reads to the end."""
        self._stop.set()
        self._thread.join()
        done = subprocess.run(self._command(), capture_output=True, env=self._env, timeout=PATIENCE, check=True)
        self.lines += done.stdout.split(b"\n")[:-1]


def read_all(daemon):
    """Returns the spool from its first event to its last, in order, and its reports of lost positions."""
    lines, missing, after = [], [], 0
    while True:
        page = daemon.gateway.ask("GET", f"/v1/spool?after={after}&limit=10000")
        missing += page["missing"]
        if page["next_after"] == after:
            return lines, missing
        done = subprocess.run([str(BINARY), "consume", "--from", str(after + 1), "--limit", str(len(page["events"])), "--admin",
                               daemon.admin], capture_output=True, timeout=PATIENCE, check=True)
        lines += done.stdout.split(b"\n")[:-1]
        after = page["next_after"]


class Judge:
    """Compares the output with the devices' knowledge. Violations are sentences."""

    def __init__(self):
        self.violations = []
        self.items = 0

    def violate(self, text):
        self.violations.append(text)

    def items_of(self, lines, what):
        """Returns (id, session) -> [(seq, raw item)] in the order of the lines."""
        found = collections.defaultdict(list)
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                self.violate(f"{what}: a torn line: {line[:200]!r}")
                continue
            if event["event"] == "item":
                raw = line[line.index(b',"item":') + 8:line.rindex(b',"at":"')]
                found[event["id"], event["session"]].append((event["seq"], raw))
        return found

    def judge_items(self, sessions, lines, what):
        known = {(session.device, session.name): session for session in sessions}
        for name, items in self.items_of(lines, what).items():
            self.items += len(items)
            session = known.pop(name, None)
            if session is None:
                self.violate(f"{what}: items of {name}, whom nobody knows")
                continue
            self._judge_session(session, items, f"{what}: {session.device}/{session.name}")
        for session in known.values():
            if session.acked:
                self.violate(f"{what}: {session.device}/{session.name}: all {session.acked} acked items are lost")

    def _judge_session(self, session, items, who):
        numbers = [seq for seq, _ in items]
        if numbers != sorted(numbers):
            self.violate(f"{who}: out of order")
        if twice := [seq for seq, count in collections.Counter(numbers).items() if count > 1]:
            self.violate(f"{who}: {len(twice)} items twice, {twice[:5]}")
        if lost := sorted(set(range(1, session.acked + 1)) - set(numbers)):
            self.violate(f"{who}: {len(lost)} acked items lost, {lost[:5]}")
        elif holes := sorted(set(range(1, max(numbers))) - set(numbers)):
            self.violate(f"{who}: {len(holes)} items left out, {holes[:5]}")
        for seq, raw in items:
            if not 1 <= seq <= len(session.sent):
                self.violate(f"{who}: item {seq} was never sent")
            elif raw != session.sent[seq - 1]:
                self.violate(f"{who}: item {seq} is {raw[:80]!r} and was {session.sent[seq - 1][:80]!r}")

    def judge_lives(self, truth):
        """Checks for one `closed` per announced connection, also of those that a crash cut off. Those are reported at
        the next start, before any event of that life. Only the latest life may have some open."""
        opened, ended, runs, untold = {}, collections.Counter(), [], set()
        for line in truth:
            event = json.loads(line)
            conn, run = event["conn"], event["conn"].split("-")[0]
            if event["event"] == "connected":
                if conn in opened:
                    self.violate(f"{conn} connected twice")
                opened[conn] = event
                if run not in runs:
                    runs.append(run)
            elif ended[conn]:
                self.violate(f"{conn}: a {event['event']} event behind its end")
            elif "by" in event and conn not in opened and len(runs) <= 1:
                untold.add(conn)  # the gateway was killed before its first row was durable: see explanation/fleet.md
                ended[conn] += 1
                continue
            if event["event"] == "closed":
                ended[conn] += 1
                if event["reason"] == "gateway_lost" and (event["peer"], run) != (opened.get(conn, {}).get("peer"), runs[-1]):
                    self.violate(f"gateway_lost behind a later life, or of a stranger: {line[:300]!r}")
        if strange := [conn for conn in ended if conn not in opened and conn not in untold]:
            self.violate(f"{len(strange)} connections closed that never connected, {strange[:5]}")
        if left := [conn for conn in opened if not ended[conn] and conn.split("-")[0] != runs[-1]]:
            self.violate(f"{len(left)} connections of {len(opened)} were never closed, {left[:5]}")

    def judge_consumer(self, truth, lines):
        """Checks a consumer: at least once, and in order except for repetitions after a kill."""
        place = {line: n for n, line in enumerate(truth)}
        if len(place) != len(truth):
            self.violate(f"the spool holds {len(truth) - len(place)} events twice")
        if strange := [line for line in lines if line not in place]:
            self.violate(f"the consumer got {len(strange)} lines that the spool does not have: {strange[0][:200]!r}")
        firsts = list(dict.fromkeys(line for line in lines if line in place))
        if missing := len(truth) - len(firsts):
            gone = next(line for line in truth if line not in set(firsts))
            self.violate(f"the consumer missed {missing} events, the first {gone[:200]!r}")
        if any(place[a] > place[b] for a, b in zip(firsts, firsts[1:])):
            self.violate("the consumer got events out of order")
        return len(lines) - len(firsts)

    def judge_stream(self, truth, messages, batched):
        """Checks NATS, once its reader has left out repeated positions: all of them, in order, the same bytes. The
        server itself leaves out repetitions by Nats-Msg-Id, unless they are batched: those may have other bounds."""
        positions = [position for _, position, _ in messages]
        firsts = list(dict.fromkeys(positions))
        if (repeated := len(positions) - len(firsts)) and not batched:
            self.violate(f"the stream holds {repeated} positions twice")
        if firsts != sorted(firsts):
            self.violate("the stream is out of order")
        if len({spool for spool, _, _ in messages}) > 1:
            self.violate("the stream names more than one spool")
        if lost := sorted(set(range(1, len(truth) + 1)) - set(positions)):
            self.violate(f"the stream misses {len(lost)} positions, {lost[:5]}")
        for _, position, line in messages:
            if not 1 <= position <= len(truth):
                self.violate(f"the stream has position {position} of {len(truth)}")
            elif line != truth[position - 1]:
                self.violate(f"position {position} is {line[:80]!r} in the stream and {truth[position - 1][:80]!r}")
        return repeated


def kill_at_random(daemon, kills, chance, alive=lambda: True):
    """Kills mostly under full load; sometimes during the start."""
    done = 0
    while done < kills and alive():
        time.sleep(chance.choice((chance.uniform(0.02, 0.2), chance.uniform(0.1, 0.6))))
        daemon.kill()
        done += 1
        while chance.random() < 0.15 and done < kills:
            daemon.start(wait=False)
            time.sleep(chance.uniform(0, 0.1))
            daemon.kill()
            done += 1
        daemon.start()
    return done


def spool_sink(directory):
    return f'[sink]\ntype = "spool"\npath = "{directory}/spool"\n'


def nats_sink(directory, url, batch=1):
    """Returns the sink. A restart within half of lost_after writes the ends of the former life itself, before anything
    else. A busy machine can take more than half of the usual 10 s for that."""
    return (f'[sink]\ntype = "nats"\npath = "{directory}/spool"\nurl = "{url}"\nbatch = {batch}\n'
            '[fleet]\nlost_after = "2m"\n')


def try_it(directory, seed, kills, binary=BINARY, plant="", devices=24, nats=None, batch=1):
    """Runs once as a whole. `nats`: a NatsServer as the destination of the sink, whose stream is checked too. `plant`:
    the defect that `binary` has."""
    env = {"HOLDFAST_PLANT": plant} if plant else {}
    sink = nats_sink(directory, nats.url, batch) if nats else spool_sink(directory)
    daemon = Daemon(directory, binary, env, sink)
    daemon.start()
    # Many kills take long: less of everything, so that the output stays readable.
    fleet = Fleet(daemon.address, devices, seed, window=40 if kills <= 20 else 8)
    consumer = Consumer(daemon, binary, env, seed)
    judge = Judge()
    try:
        done = kill_at_random(daemon, kills, random.Random(f"{seed}/kills"))
        consumer.until_killed(3)  # while the gateway was away, it had nothing to read
        fleet.finish()
        daemon.wait_quiet()  # the ends of the devices are events, too
        consumer.finish()
        truth, missing = read_all(daemon)
        messages = stream_of(nats, daemon) if nats else None
        daemon.gateway.check_reports()
    finally:
        daemon.kill()
    judge.judge_items(fleet.sessions(), truth, "spool")
    judge.judge_lives(truth)
    if missing:
        judge.violate(f"the spool says that positions are missing, on a disk that is well: {missing[:3]}")
    repeated = judge.judge_consumer(truth, consumer.lines)
    again = judge.judge_stream(truth, messages, batch > 1) if nats else 0
    return Verdict(fleet.violations + judge.violations, done, consumer.kills, fleet.acks, judge.items, len(truth), repeated,
                   again)


def stream_of(nats, daemon, within=60):
    """Returns [(spool, position, line)], once the gateway has published all of its spool, or at the timeout."""
    def behind():
        groups = daemon.gateway.ask("GET", "/v1/spool/groups")["groups"]
        return sum(group["lag_events"] for group in groups if group["name"] == "nats")

    until(lambda: behind() == 0, within, 0.1)
    out = []
    with nats.client() as client:
        for message in client.read_stream(timeout=120):
            spool, first = message.headers["Holdfast-Spool"], int(message.headers["Holdfast-Position"])
            out += [(spool, first + n, line) for n, line in enumerate(message.body.rstrip(b"\n").split(b"\n"))]
    return out
