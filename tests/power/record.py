"""Makes a recording: a gateway from its first start on, devices that send with acks, and a consumer. The gateway crashes, or
stops on request, and starts again."""

import contextlib
import http.client
import pathlib
import random
import re
import subprocess
import threading
import time
import zlib

from gateway import BINARY, PATIENCE, until
from oracle import Daemon
from oracle_devices import Fleet
from recording import Marks
from shims import compile_shim, preload

GROUP = "power"
HERE = pathlib.Path(__file__).resolve().parent
# With this retention a file of events has 1 MiB: several are begun, sealed and removed within seconds.
SINK = '[sink]\ntype = "spool"\npath = "{}"\nretain_bytes = "1MiB"\nrequired_groups = "' + GROUP + '"\n'


class Recorder:
    """Owns the directory of one recording: `files` is the disk, `log` the recording, `table` the expectations of power_check."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.files, self.log, self.table, self.end, self.fail = (self.directory / name
                                                                 for name in ("files", "log", "table", "end", "fail"))
        self.files.mkdir(parents=True)
        self.mark = Marks(self.log)

    def environment(self):
        return {**environment(compile_shim("recorder", self.directory, HERE), self.files, self.log),
                "HOLDFAST_RECORD_END": str(self.end), "HOLDFAST_RECORD_FAIL": str(self.fail)}


def environment(shim, files, log):
    return preload(shim, HOLDFAST_RECORD_ROOT=str(files), HOLDFAST_RECORD_LOG=str(log))


class Consumer:
    """Reads the events in order and moves its group every 1,000 events. `lines[n]` is the event at position n + 1."""

    def __init__(self, daemon, mark):
        self._daemon, self._mark = daemon, mark
        self._moved = 0
        self._stop = threading.Event()
        self.lines = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def read(self):
        """Reads up to 2,000 events; returns their number. If the gateway crashes, the whole lines before that count."""
        done = subprocess.run([str(BINARY), "consume", "--from", str(len(self.lines) + 1), "--limit", "2000", "--admin",
                               self._daemon.admin], capture_output=True, timeout=PATIENCE, check=False)
        fresh = done.stdout.split(b"\n")[:-1]
        self.lines += fresh
        if fresh:
            self._mark("seen", len(self.lines))
        return len(fresh)

    def _move(self):
        target = len(self.lines)
        self._mark("moving", target)
        try:
            status, _ = self._daemon.gateway.request("POST", f"/v1/spool/groups/{GROUP}", {"position": target}, timeout=5)
        except (OSError, http.client.HTTPException):  # a crash, or a start
            return
        if status == 200:
            self._moved = target
            self._mark("moved", target)

    def _run(self):
        while not self._stop.wait(0.1):
            if self.read() and len(self.lines) > self._moved + 1000:
                self._move()

    def finish(self):
        self._stop.set()
        self._thread.join()
        while self.read():
            pass


def crash(daemon, recorder):
    """Ends the gateway between two operations on files: the log and the files then agree."""
    recorder.end.touch()
    daemon.gateway.process.wait(PATIENCE)
    daemon.kill()
    recorder.end.unlink()


def start(daemon, recorder):
    daemon.start()
    recorder.mark("id", daemon.gateway.status()["sink"]["spool"]["id"])


def live(recorder, chance):
    """Waits until the gateway has written some megabytes, 2 s at most."""
    wanted = recorder.log.stat().st_size + chance.randint(3, 8) * (1 << 20)
    until(lambda: recorder.log.stat().st_size >= wanted, 2)


@contextlib.contextmanager
def failing_syncs(recorder, chance):
    """Lets every second sync fail for a while; the gateway tries again every 500 ms."""
    recorder.fail.touch()
    time.sleep(chance.uniform(0.2, 1.2))
    yield
    recorder.fail.unlink()


def make(directory, seed, lives=4, devices=16):
    """Returns the recorder, closed, and the violations that the devices found."""
    recorder = Recorder(directory)
    chance = random.Random(f"{seed}/lives")
    daemon = Daemon(directory, BINARY, recorder.environment(), SINK.format(recorder.files / "spool"))
    numbers = {}

    def on_ack(session, number):
        recorder.mark("ack", numbers.setdefault((session.device, session.name), len(numbers)), number)

    try:
        start(daemon, recorder)
        recorder.mark("ready")
        fleet = Fleet(daemon.address, devices, seed, window=12, on_ack=on_ack)
        consumer = Consumer(daemon, recorder.mark)
        for life in range(1, lives):
            for _ in range(2):
                live(recorder, chance)
                with failing_syncs(recorder, chance):
                    pass
            if life % 3 == 1:
                live(recorder, chance)
                crash(daemon, recorder)
            elif life % 3 == 2:
                live(recorder, chance)
                daemon.gateway.stop()
                daemon.kill()
            else:
                with failing_syncs(recorder, chance):
                    crash(daemon, recorder)
            start(daemon, recorder)
        live(recorder, chance)
        fleet.finish()
        daemon.wait_quiet()
        consumer.finish()
        write_table(recorder.table, fleet.sessions(), numbers, consumer.lines)
        recorder.end.touch()
        daemon.gateway.request("POST", f"/v1/spool/groups/{GROUP}", {"position": len(consumer.lines)}, timeout=5)
    except (OSError, http.client.HTTPException):
        if not recorder.end.exists():
            raise
    finally:
        if daemon.gateway:
            daemon.kill()
        recorder.mark.close()
    return recorder, fleet.violations


ITEM = re.compile(rb'\{"event":"item",.*?"id":"([^"]*)","session":"([^"]*)",.*?"seq":(\d+),')


def write_table(path, sessions, numbers, lines):
    """Writes the table that power_check.cc describes: the sessions in the order of `numbers`, then the events."""
    known = {(session.device, session.name): session for session in sessions}
    for name in known:
        numbers.setdefault(name, len(numbers))
    with open(path, "w", encoding="ascii") as out:
        for device, name in numbers:
            print("S", device, name, *map(zlib.crc32, known[device, name].sent), file=out)
        for line in lines:
            match = ITEM.match(line)
            whose = (numbers[match[1].decode(), match[2].decode()], int(match[3])) if match else (-1, 0)
            print("T", zlib.crc32(line), *whose, file=out)
