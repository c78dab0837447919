#!/usr/bin/env python3
"""Opens states of the disk after a power cut, and compares each with the promises made before the cut.

tests/power/run.sh STATES [SEED] runs it. A violation names the recording and the number of the state;
explorer.py --recording DIR --seed SEED --only NUMBER makes that state again and keeps its files in DIR."""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "process"), str(ROOT / "tests" / "power")]

import record  # noqa: E402
import recording  # noqa: E402
from build import build_target  # noqa: E402
from disk import Disk  # noqa: E402
from gateway import BINARY  # noqa: E402

STATES_OF_ONE_RECORDING = 5000
FIRST_START_SHARE = 0.2
FAILURE_SHARE = 0.15  # of the cuts: soon after a sync that failed
RECOVERY_SHARE = 0.01  # of the states: the power is cut again while they are opened
STATES_OF_ONE_RECOVERY = 10
PRINTED = 5  # violations


@dataclasses.dataclass
class Result:
    states: int = 0
    first_starts: int = 0
    recoveries: int = 0
    events: int = 0
    moments: set = dataclasses.field(default_factory=set)  # of the recording, at which the power was cut
    violations: list = dataclasses.field(default_factory=list)  # (state, kind of state, sentences)

    def add(self, other):
        self.states += other.states
        self.first_starts += other.first_starts
        self.recoveries += other.recoveries
        self.events += other.events
        self.moments |= other.moments
        self.violations += other.violations

    def __str__(self):
        return (f"{len(self.moments)} moments of a power cut, {self.states} states of the disk, {self.first_starts} of a first start, "
                f"{self.recoveries} of a recovery, {self.events} events read, {len(self.violations)} violations")


class Truth:
    """Collects the promises, mark by mark. A session is its index in the table."""

    def __init__(self, table):
        self._events = []  # (session, seq) of position 1, 2, ...
        sessions = 0
        with open(table, encoding="ascii") as lines:
            for line in lines:
                words = line.split()
                if words[0] == "S":
                    sessions += 1
                else:
                    self._events.append((int(words[2]), int(words[3])))
        self._acked, self._floor = [0] * sessions, [0] * sessions
        self._id, self._seen, self._removable, self._moved, self._moving = "-", 0, 0, 0, 0
        self.ready = False

    def play(self, text):
        word, *rest = text.split()
        if word == "id":
            self._id = rest[0]
        elif word == "ready":
            self.ready = True
        elif word == "ack":
            self._acked[int(rest[0])] = max(self._acked[int(rest[0])], int(rest[1]))
        elif word == "seen":
            self._seen = int(rest[0])
        elif word == "moving":
            self._moving = int(rest[0])
            for session, seq in self._events[self._removable:self._moving]:
                if session >= 0:
                    self._floor[session] = max(self._floor[session], seq)
            self._removable = self._moving
        elif word == "moved":
            self._moved = int(rest[0])

    def job(self, number, directory, twice):
        promises = [f"{floor}:{acked}" for floor, acked in zip(self._floor, self._acked)]
        return " ".join(map(str, (number, directory, self._id, self._seen, self._removable, self._moved, self._moving,
                                  int(twice), *promises)))


class Checker:
    """Owns a power_check process, which judges one state after another."""

    def __init__(self, program, table, env=None):
        self._process = subprocess.Popen([program, table], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env={**os.environ, **(env or {})})

    def judge(self, job):
        """Returns the number of events read, and the violations."""
        try:
            self._process.stdin.write(job + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"power_check ended with {self._process.wait()} at this state: {job[:200]}")
        head, *violations = answer.rstrip("\n").split("\t")
        return int(head.split()[1]), violations

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def draw_cuts(records, seed, numbers):
    """Returns [(index, number)] in order: the power is cut before the record at that index."""
    first = next(n for n, one in enumerate(records) if one.kind == recording.MARK and one.data == b"ready")
    operations = [n for n, one in enumerate(records) if one.kind != recording.MARK]
    failed = [n for n in operations if records[n].kind == "f"]
    rare = [n for n in operations if records[n].kind in "crumlt"]  # the operations on names and lengths
    cuts = []
    for number in numbers:
        chance = random.Random(f"{seed}/{number}/cut")
        where = chance.random()
        if where < FIRST_START_SHARE:
            index = chance.randint(0, first)
        elif where < FIRST_START_SHARE + FAILURE_SHARE and failed:
            index = chance.choice(failed) + chance.randint(0, 40)
        elif where < 0.65:
            index = chance.choice(rare) + chance.randint(0, 12)
        else:
            index = chance.choice(operations)
        cuts.append((min(index, len(records)), number))
    return sorted(cuts)


class Explorer:
    """Makes and judges the states of one recording, in the order of time. `program` is the power_check for cuts during recovery,
    or None for no such cuts; `ignored` is the share of syncs without effect; `keep` copies each state in `work` before it is
    opened."""

    def __init__(self, directory, checker, seed, work, program=None, ignored=0.0, keep=False):
        self._directory, self._checker, self._program, self._seed = directory, checker, program, seed
        self._work, self._keep = pathlib.Path(work), keep
        self._truth, self._disk = Truth(directory / "table"), Disk(ignored, seed)
        self.result = Result()

    def run(self, numbers):
        records = recording.read(self._directory / "log")
        played = 0
        for index, number in draw_cuts(records, self._seed, numbers):
            for one in records[played:index]:
                if one.kind == recording.MARK:
                    self._truth.play(one.data.decode())
                else:
                    self._disk.play(one)
            played = index
            self.result.moments.add((self._directory.name, index))
            self._examine(number, f"cut before record {index} of {len(records)}")
        return self.result

    def _examine(self, number, where):
        chance = random.Random(f"{self._seed}/{number}/state")
        self._judge(self._disk, number, chance, where)
        self.result.first_starts += not self._truth.ready
        if self._program and chance.random() < RECOVERY_SHARE:
            self._examine_recovery(number, where, chance)

    def _judge(self, disk, number, chance, where):
        with self._new_directory(f"state-{number}") as state:
            drawn = disk.write_state(chance, state)
            if self._keep:
                shutil.copytree(state, self._work / f"kept-{number}-{self.result.states}")
            events, violations = self._checker.judge(self._truth.job(number, state / "spool", chance.random() < 0.125))
        self.result.states += 1
        self.result.events += events
        if violations:
            self.result.violations.append((number, f"{where}, {drawn}", violations))

    def _examine_recovery(self, number, where, chance):
        """Cuts the power a second time, while such a state is opened."""
        log = self._work / f"log-{number}"
        log.touch()
        with self._new_directory(f"recovery-{number}") as files:
            self._disk.write_state(chance, files)
            disk = Disk.found(files)
            env = record.environment(self._directory / "recorder.so", files, log)
            checker = Checker(self._program, self._directory / "table", env)
            checker.judge(self._truth.job(number, files / "spool", False))
            checker.close()
        records = recording.read(log)
        log.unlink()
        played = 0
        for index in sorted(chance.randint(0, len(records)) for _ in range(STATES_OF_ONE_RECOVERY)):
            for one in records[played:index]:
                disk.play(one)
            played = index
            self._judge(disk, number, chance, f"{where}, again before record {index} of {len(records)} of the recovery")
            self.result.recoveries += 1

    @contextlib.contextmanager
    def _new_directory(self, name):
        path = self._work / name
        path.mkdir()
        yield path
        shutil.rmtree(path)


def explore(directory, program, seed, numbers, ignored, work, keep):
    checker = Checker(program, directory / "table")
    result = Explorer(directory, checker, seed, work, program, ignored, keep).run(numbers)
    checker.close()
    return result


def check_recording(recorder):
    """Asserts that the whole recording gives the real files: the recorder has missed no operation."""
    disk = Disk()
    for one in recording.read(recorder.log):
        if one.kind != recording.MARK:
            disk.play(one)
    played = disk.contents()
    real = {str(path.relative_to(recorder.files)): path.read_bytes() for path in recorder.files.rglob("*")
            if path.is_file() and not path.name.endswith("-shm")}
    if differ := sorted(name for name in played.keys() | real.keys() if played.get(name) != real.get(name)):
        raise AssertionError(f"the recording does not give these files as they are: {differ}")


def scratch():
    """Returns a temporary directory for the states, in memory if possible."""
    return tempfile.TemporaryDirectory(prefix="holdfast-power-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def explore_side_by_side(directory, checker, seed, numbers, ignored=0.0, keep=False, workers=None):
    workers = workers or os.cpu_count() or 1
    total = Result()
    with scratch() as work, concurrent.futures.ProcessPoolExecutor(workers) as pool:
        parts = [pool.submit(explore, directory, checker, seed, numbers[n::workers], ignored, work, keep)
                 for n in range(workers)]
        for part in parts:
            total.add(part.result())
        if keep:
            for kept in pathlib.Path(work).glob("kept-*"):
                shutil.copytree(kept, directory / kept.name, dirs_exist_ok=True)
    return total


def checker_program():
    """Returns the path of power_check: HOLDFAST_POWER_CHECK, or built beside the gateway's binary."""
    given = os.environ.get("HOLDFAST_POWER_CHECK")
    return pathlib.Path(given) if given else build_target("power_check")


def make_recording(directory, seed):
    recorder, seen = record.make(directory, seed)
    assert not seen, f"the devices themselves saw: {seen[:5]}"
    check_recording(recorder)
    return recorder.directory


def report(result, directory, seed):
    for number, drawn, violations in sorted(result.violations)[:PRINTED]:
        print(f"state {number} ({drawn}) of --recording {directory} --seed {seed}:")
        for violation in violations:
            print(f"  {violation}")
    if result.violations:
        kinds = collections.Counter(violations[0].split(":")[0][:60] for _, _, violations in result.violations)
        print("first words:", dict(kinds.most_common(8)))


def run(states, seed, checker, out, given=None, ignored=0.0, only=None):
    """Makes as many recordings as the states need; returns the sum of the results."""
    total = Result()
    for first in range(0, states, STATES_OF_ONE_RECORDING):
        directory = given or make_recording(out / f"{seed}-{first}", f"{seed}-{first}")
        numbers = [only] if only is not None else list(range(first, min(first + STATES_OF_ONE_RECORDING, states)))
        result = explore_side_by_side(directory, checker, seed, numbers, ignored, keep=only is not None)
        report(result, directory, seed)
        total.add(result)
        if not result.violations and given is None:
            shutil.rmtree(directory)
        if only is not None:
            break
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("states", type=int, nargs="?", default=4000)
    parser.add_argument("seed", nargs="?", default=str(random.SystemRandom().randrange(2**32)))
    parser.add_argument("--recording", type=pathlib.Path, help="of an earlier run, in place of a new one")
    parser.add_argument("--only", type=int, help="number of one state, which is kept in the recording's directory")
    parser.add_argument("--seed", dest="named_seed")
    parser.add_argument("--ignore-syncs", type=float, default=0.0, help="share of the syncs without effect")
    parser.add_argument("--out", type=pathlib.Path, default=BINARY.parent / "power", help="directory of recordings")
    words = parser.parse_args()
    seed = words.named_seed or words.seed
    print(f"HOLDFAST_SEED={seed}", flush=True)
    began = time.monotonic()
    result = run(words.states, seed, checker_program(), words.out, words.recording, words.ignore_syncs,
                 words.only)
    print(f"{result}, {time.monotonic() - began:.0f} s")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
