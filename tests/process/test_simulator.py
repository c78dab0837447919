"""The simulator of tests/simulation: random worlds keep the promises, a seed repeats its world, and planted defects are found."""

import os
import re
import subprocess

import pytest

import live_disk
from build import build_target

# Defect (src/base/plant.h) -> promises of which one must be found broken.
DEFECTS = {
    "no_keepalive": {"P0", "P1", "P3"}, "no_silence_limit": {"P1"}, "no_relief": {"P0", "P2"}, "deadline_from_accept": {"P0"},
    "lost_closed": {"P1", "P2", "P4"}, "one_reason": {"P0", "P2", "P5"}, "leaked_socket": {"P4"}, "leaked_bytes": {"P7"}, "idle_wakes": {"P7"},
    "bytes_lost_at_fin": {"P2", "P6"}, "early_ack": {"P6"},
}
# Likewise, of the spool.
SPOOL_DEFECTS = {
    "ack_before_commit": {"P6"}, "unsynced_commit": {"P6"}, "marks_before_items": {"P6"}, "dedupe_per_connection": {"P6"}, "leave_open": {"P2"},
}
SEED = os.environ.get("HOLDFAST_SEED", "7000")  # the same worlds in each run; new ones are for longer runs by hand
WORLDS = 60  # in which a defect must be found
CRASHING_WORLDS = 4


def simulate(program, *words, plant=None):
    environment = os.environ | ({"HOLDFAST_PLANT": plant} if plant else {})
    return subprocess.run([build_target(program), *words], env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_random_worlds_keep_the_promises():
    done = simulate("holdfast_simulator", "--seed", SEED, "--worlds", "40", "--small")
    print(done.stdout)
    assert done.returncode == 0, done.stdout


def test_a_seed_repeats_its_world():
    runs = [simulate("holdfast_simulator", "--seed", SEED, "--worlds", "8", "--small", "--verbose").stdout for _ in range(2)]
    assert re.sub(r" in [^:]*:.*", "", runs[0]) == re.sub(r" in [^:]*:.*", "", runs[1])


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect):
    done = simulate("holdfast_simulator_planted", "--seed", SEED, "--worlds", str(WORLDS), "--small", plant=defect)
    print(done.stdout)
    found = re.search(r"^VIOLATION: (P\d)", done.stdout, re.M)
    assert done.returncode == 1 and found, done.stdout
    assert found[1] in DEFECTS[defect], done.stdout


# Worlds with a spool, whose gateway crashes and whose power fails

def test_crashes_lose_nothing(record_property):
    code, output = live_disk.run(build_target("holdfast_simulator"), ["--seed", SEED, "--worlds", str(CRASHING_WORLDS)])
    print(output)
    assert code == 0, output
    crashes = int(re.search(r"(\d+) crashes", output)[1])
    record_property("power cuts", crashes)
    assert crashes > 2 * CRASHING_WORLDS, output


@pytest.mark.parametrize("defect", SPOOL_DEFECTS)
def test_a_planted_defect_of_the_spool_is_found(defect):
    words = ["--seed", SEED, "--worlds", str(WORLDS)]
    code, output = live_disk.run(build_target("holdfast_simulator_planted"), words, {"HOLDFAST_PLANT": defect})
    print(output)
    found = re.search(r"^VIOLATION: (P\d)", output, re.M)
    assert code == 1 and found, output
    assert found[1] in SPOOL_DEFECTS[defect], output
