"""Programs for tests only, built beside the binary under test on demand."""

import fcntl
import subprocess

from gateway import BINARY


def build_target(name):
    """Builds the target, and returns the program's path."""
    build = BINARY.parent
    with open(build / "targets.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of one test run share the directory
        done = subprocess.run(["cmake", "--build", str(build), "--target", name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name} does not build in {build}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return build / name
