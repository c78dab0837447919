"""Libraries for LD_PRELOAD, compiled when a test needs them."""

import subprocess

from conftest import ROOT


def compile_shim(name, directory, sources=ROOT / "lab" / "faults"):
    """Compiles <name>.c, and returns the path of the library."""
    library = directory / f"{name}.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library,
               sources / f"{name}.c", "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name} does not compile (is gcc there? apt-get install gcc):\n{done.stderr}"
    return library


def preload(library, **variables):
    """Returns the environment that makes a program load it first; the sanitizers' own library may come second."""
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0", **variables}


class WallClock:
    """Owns the wall clock of gateways, which run with its `env`."""

    def __init__(self, directory):
        self.file = directory / "step"
        self.env = preload(compile_shim("wall_clock_shim", directory), HOLDFAST_WALL_STEP_FILE=str(self.file))
        self.to(0)

    def to(self, seconds):
        fresh = self.file.with_suffix(".new")  # renamed: the clock is never read half written
        fresh.write_text(str(seconds))
        fresh.replace(self.file)
