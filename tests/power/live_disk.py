#!/usr/bin/env python3
"""Runs the simulator's worlds with a spool on a disk whose power fails (docs/explanation/simulator.md). The recorder of tests/power
records what the spool does to its files; each crash leaves one of the states that the disk of tests/power allows.

    tests/power/live_disk.py [--worlds N] [--seed SEED] [other words of holdfast_simulator]

HOLDFAST_SIMULATOR: the program, in place of build/release/holdfast_simulator."""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "process"), str(ROOT / "tests" / "power")]

import record  # noqa: E402
import recording  # noqa: E402
from build import build_target  # noqa: E402
from disk import Disk  # noqa: E402
from shims import compile_shim  # noqa: E402


class LiveDisk:
    """Answers the commands of one simulator. `format` begins an empty disk. `process SINCE UNTIL SEED` leaves the files as a killed process
    does, and `power SINCE UNTIL SEED` as a power cut does. The crash comes at a random operation between the two lengths of the
    recording."""

    def __init__(self, files, log):
        self._files, self._log = files, log
        self._disk = Disk()

    def _empty(self):
        shutil.rmtree(self._files, ignore_errors=True)
        self._files.mkdir()

    def obey(self, word, *numbers):
        if word == "format":
            self._empty()
            self._disk = Disk()
        else:
            self._crash(word, *map(int, numbers))
        os.truncate(self._log, 0)

    def _crash(self, word, since, until, seed):
        chance = random.Random(f"{seed}/crash")
        records = [one for one in recording.read(self._log) if one.at < until]
        first = next((n for n, one in enumerate(records) if one.at >= since), len(records))
        for one in records[:chance.randint(first, len(records))]:
            self._disk.play(one)
        self._empty()
        if word == "power":
            self._disk.write_state(chance, self._files)
        else:
            self._disk.write_whole(self._files)
        self._disk = Disk.found(self._files)


def run(program, words, environment=None):
    """Runs the simulator; returns its exit code and its own output."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="holdfast-live-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        work = pathlib.Path(work)
        files, log = work / "files", work / "log"
        log.touch()
        disk = LiveDisk(files, log)
        env = {**os.environ, **record.environment(compile_shim("recorder", work, ROOT / "tests" / "power"), files, log), **(environment or {})}
        with subprocess.Popen([program, "--disk", files / "spool", log, *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as simulator:
            for line in simulator.stdout:
                if not line.startswith("disk "):
                    lines.append(line)
                    continue
                disk.obey(*line.split()[1:])
                simulator.stdin.write("ok\n")
                simulator.stdin.flush()
    return simulator.returncode, "".join(lines)


def main():
    code, output = run(os.environ.get("HOLDFAST_SIMULATOR") or build_target("holdfast_simulator"), sys.argv[1:])
    print(output, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
